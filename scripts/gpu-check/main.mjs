/**
 * The check as it runs from an unpacked pack: `main.mjs [--minutes 6] [--out gpu-results]`. Writes
 * results.md and results.json after each section, and ends with status 1 where anything failed.
 */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sections } from './list.mjs';
import { findPython } from './python.mjs';
import { asMarkdown, summaryLines } from './results.mjs';
import { runSections } from './sequence.mjs';
import { writeWhole } from './state.mjs';

/** What ends the run, with what was found until then in the results. */
const signals = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 };
const usage = 'usage: run.sh [--minutes 6] [--out gpu-results]';

function fail(message) {
  process.stderr.write(`${message}\n${usage}\n`);
  process.exit(2);
}

function readOptions(words) {
  const options = { minutes: 6, out: resolve('gpu-results') };
  for (let i = 0; i < words.length; i += 2) {
    const value = words[i + 1];
    if (value === undefined) fail(`${words[i]} wants a value.`);
    else if (words[i] === '--minutes') options.minutes = Number(value);
    else if (words[i] === '--out') options.out = resolve(value);
    else fail(`There is no ${words[i]}.`);
  }
  if (!(options.minutes > 0)) fail('Expected --minutes above 0.');
  return options;
}

function readPack() {
  const path = fileURLToPath(new URL('../../pack.json', import.meta.url));
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : {};
}

const { minutes, out } = readOptions(process.argv.slice(2));
mkdirSync(out, { recursive: true });
const stop = new AbortController();
for (const signal of Object.keys(signals)) process.on(signal, () => stop.abort(signal));
// Who reads the lines may go; the results are in files.
process.stdout.on('error', () => {});
const python = findPython();
const env = { ...process.env };
if (python !== null && python.folders.length > 0) {
  env.NEURONODE_CUDA_LIBRARIES ??= python.folders.join(':');
}
// Plans of an earlier run would hide what planning does wrong; sections share theirs. What PyTorch
// compiles goes with the pack too.
const kept = (name) => fileURLToPath(new URL(`../../kept/${name}`, import.meta.url));
env.NEURONODE_PLAN_CACHE ??= kept('plans');
env.TORCHINDUCTOR_CACHE_DIR = kept('inductor');
env.TRITON_CACHE_DIR = kept('triton');
// It has cuBLAS and cuDNN use tf32 whatever they are asked for, in our process and in PyTorch's.
delete env.NVIDIA_TF32_OVERRIDE;

const run = {
  started: new Date().toISOString(),
  minutes,
  pack: readPack(),
  python,
  emulated: null,
};
/** What the first section has found, which the others read. */
let known = {};

function write(results) {
  known = results[0].data;
  const { device } = known;
  run.emulated = device === undefined ? null : device.emulated === true;
  const all = { ...run, sections: results };
  writeWhole(join(out, 'results.json'), `${JSON.stringify(all, null, 1)}\n`);
  writeWhole(join(out, 'results.md'), asMarkdown(all));
  process.stdout.write(`${summaryLines(results.slice(-1)).join('\n')}\n`);
}

const section = fileURLToPath(new URL('section.mjs', import.meta.url));
const results = await runSections(sections, {
  // Unpacking, and this process until now, are of the minutes.
  seconds:
    minutes * 60 - Number(process.env.NEURONODE_PACK_SECONDS ?? 0) - performance.now() / 1000,
  out,
  env,
  stop: stop.signal,
  command: ({ name }, path, ms) => {
    const emulated = known.device?.emulated === true;
    const { model } = known.device ?? {};
    const options = { device: 'cuda:0', emulated, model, peaks: known.peaks, python, out };
    const all = JSON.stringify({ ...options, deadline: Date.now() + ms });
    return [process.execPath, section, name, path, all];
  },
  onResult: write,
  obstacle: (found) =>
    found.length > 0 && known.device === undefined ? 'there is no device' : undefined,
});
process.stdout.write(`${join(out, 'results.md')}\n`);
if (stop.signal.aborted) process.exitCode = 128 + signals[stop.signal.reason];
else if (results.some(({ outcome }) => outcome === 'failed')) process.exitCode = 1;
