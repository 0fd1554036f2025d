/**
 * Owns the TypeScript build: `tsc -b`, which rebuilds what changed.
 */
import { statSync } from 'node:fs';
import { logged } from './exec.mjs';
import { inRoot } from './paths.mjs';

/**
 * What tsc wrote down of each project. These files lie in the output folders, so that who deletes an
 * output folder deletes tsc's belief that it is up to date as well.
 */
const records = ['dist', 'build/examples', 'build/bench', 'build/test', 'build/pack'];

function recordTimes() {
  return records
    .map((folder) => statSync(inRoot(folder, '.tsbuildinfo'), { throwIfNoEntry: false })?.mtimeMs)
    .join();
}

/**
 * Builds and type-checks projects of tsconfig.json.
 *
 * @param {string[]} projects Folders with a tsconfig.json; none means all.
 * @returns What was done, in words, or undefined if all was up to date.
 */
export async function buildTypeScript(projects) {
  const before = recordTimes();
  await logged(
    inRoot('build', 'log', 'tsc.log'),
    process.execPath,
    [inRoot('node_modules', 'typescript', 'bin', 'tsc'), '-b', ...projects],
    { advice: 'The TypeScript did not compile; the lines above say where.' },
  );
  return recordTimes() === before ? undefined : 'built';
}
