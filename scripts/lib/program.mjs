/**
 * Owns `npm run train` and `npm run bench`: makes the working tree ready, then runs the program in
 * this very process, so that arguments, signals, the terminal and the exit status are the program's
 * own with nothing in between.
 */
import { pathToFileURL } from 'node:url';
import { bootstrap } from './bootstrap.mjs';
import { inRoot } from './paths.mjs';
import { main } from './report.mjs';

const sameKeyMs = 500;

/**
 * npm passes SIGINT on to the process that the terminal has already sent it to. One Ctrl-C would
 * count as two, and a second Ctrl-C means "stop at once" to the programs: the copy is dropped.
 */
function dropCopiesOfInterrupt() {
  const emit = process.emit;
  let last = Number.NEGATIVE_INFINITY;
  process.emit = function emitOnce(event, ...args) {
    if (event === 'SIGINT') {
      const now = performance.now();
      const isCopy = now - last < sameKeyMs;
      last = now;
      if (isCopy) return true;
    }
    return emit.call(this, event, ...args);
  };
}

/**
 * @param {'train' | 'bench'} command What to make ready.
 * @param {string} path The built program, relative to the repository.
 */
export async function runBuiltProgram(command, path) {
  await main(async () => {
    await bootstrap(command);
    dropCopiesOfInterrupt();
    process.argv[1] = inRoot(path);
    await import(pathToFileURL(process.argv[1]).href);
  });
}
