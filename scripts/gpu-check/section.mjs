/**
 * One section in a process of its own: `node section.mjs NAME FILE OPTIONS`, with the file of its
 * state and its options in JSON. Ends with status 0 whatever it found, with `restart` (state.mjs)
 * where it is to be started again to go on, and with 1 where it broke off.
 */
import { Report } from './state.mjs';

/**
 * @typedef {object} SectionOptions
 * @property {string} device 'cuda:0'.
 * @property {boolean} emulated Whether the device is a test's imitation: sizes are small then, and
 *   times worth nothing.
 * @property {string} [model] The device's model.
 * @property {import('./peaks.mjs').Peaks} [peaks] What it was seen to reach.
 * @property {number} deadline Milliseconds since 1970 at which the section is ended.
 * @property {string} out Folder for logs.
 * @property {{ path: string, version: string, torch: string | null, folders: string[] } | null} python
 */

const [name, path, options] = process.argv.slice(2);
const report = new Report(path);
try {
  const { run } = await import(`./sections/${name}.mjs`);
  await run(report, JSON.parse(options));
  report.done();
  process.exit(0);
} catch (error) {
  report.failed(error);
  process.exit(1);
}
