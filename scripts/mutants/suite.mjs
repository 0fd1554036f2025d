/** Owns the list of mutants as a whole, and how a run of them is shown and counted. */
import { releaseDir } from '../lib/paths.mjs';
import { note, printFailure, StepError } from '../lib/report.mjs';
import { convolution } from './list/convolution.mjs';
import { errors } from './list/errors.mjs';
import { executor } from './list/executor.mjs';
import { kernels } from './list/kernels.mjs';
import { linear } from './list/linear.mjs';
import { runMutants } from './runner.mjs';

/** @type {import('./runner.mjs').Mutant[]} */
export const mutants = [...executor, ...errors, ...kernels, ...linear, ...convolution];

/** The native tests of the CUDA backend on the emulated device. */
const target = 'native/test/cuda/neuronode_cuda_tests';

function show({ id, what }, caughtBy, error) {
  if (error !== undefined) printFailure(error);
  else if (caughtBy === undefined) note(`SURVIVED  ${id}: ${what}`);
  else note(`caught    ${id}: ${what} (${caughtBy})`);
}

/**
 * Runs the mutants, or those whose id contains one of `words`, in a build folder that holds the
 * native tests. The result is one of a test suite: what survives, or cannot be tried, has failed.
 */
export async function runMutantSuite({ buildDir = releaseDir, words = [] } = {}) {
  const chosen = mutants.filter(
    ({ id }) => words.length === 0 || words.some((word) => id.includes(word)),
  );
  if (chosen.length === 0) {
    throw new StepError(`No mutant is called ${words.join(' or ')}.`, {
      advice: `There are: ${mutants.map(({ id }) => id).join(', ')}`,
    });
  }
  const started = performance.now();
  const {
    caught,
    survivors,
    errors: broken,
  } = await runMutants({
    mutants: chosen,
    buildDir,
    target,
    onResult: show,
  });
  const seconds = Math.round((performance.now() - started) / 1000);
  note(`${caught} of ${chosen.length} seeded mistakes were caught, in ${seconds} s`);
  if (survivors.length > 0) note(`survived: ${survivors.join(', ')}`);
  if (broken.length > 0) note(`could not be tried: ${broken.join(', ')}`);
  const failed = survivors.length + broken.length;
  return { ok: failed === 0, passed: caught, failed, skipped: 0 };
}
