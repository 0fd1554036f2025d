/**
 * Owns `npm run train` and `npm run bench`: makes the working tree ready, then runs the program in
 * this very process, so that arguments, signals, the terminal and the exit status are the program's
 * own with nothing in between.
 */
import { pathToFileURL } from 'node:url';
import { bootstrap } from './bootstrap.mjs';
import { inRoot } from './paths.mjs';
import { main } from './report.mjs';

/**
 * @param {'train' | 'bench'} command What to make ready.
 * @param {string} path The built program, relative to the repository.
 */
export async function runBuiltProgram(command, path) {
  await main(async () => {
    await bootstrap(command);
    process.argv[1] = inRoot(path);
    await import(pathToFileURL(process.argv[1]).href);
  });
}
