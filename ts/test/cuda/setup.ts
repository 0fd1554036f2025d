/** Refuses to run without the emulated GPU: tests that were not run must not look like tests passed. */
import { existsSync } from 'node:fs';
import { emulatedLibrary } from './library.js';

export default function setup(): void {
  const path = emulatedLibrary();
  if (existsSync(path)) return;
  throw new Error(
    `The emulated GPU is not there: expected ${path}. Build it with \`npm test\`, or set ` +
      'NEURONODE_CUDA_LIBRARY to its path.',
  );
}
