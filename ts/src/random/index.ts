/**
 * Owns the package's default random number generator, from which initial weights are drawn.
 *
 * Policy: the stream is PyTorch's, so that `manualSeed(0)` and the same modules in the same order
 * give bit for bit the weights of `torch.manual_seed(0)`. Shuffles and dropout masks derive from
 * {@link initialSeed}, each in its own stream, and draw nothing from this one. Each worker thread
 * has a generator of its own.
 */
import { randomBytes } from 'node:crypto';
import { show } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import { BackgroundGenerator } from './generator.js';

export { Mt19937 } from './mt19937.js';

let currentSeed: number | undefined;
let generator: BackgroundGenerator | undefined;

/**
 * Starts the default generator anew, as `torch.manual_seed`.
 *
 * @param seed An integer from 0 to 2^53 - 1. Initial weights depend on its low 32 bits, as in
 *   PyTorch; shuffles and dropout on all of them.
 * @throws ArgumentError for anything else.
 */
export function manualSeed(seed: number): void {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new ArgumentError(`manualSeed expects an integer from 0 to 2^53 - 1, got ${show(seed)}`);
  }
  currentSeed = seed;
  generator = new BackgroundGenerator(seed);
}

/**
 * The seed of the default generator. Where {@link manualSeed} was not called it is drawn from the
 * system's random numbers on first use; note it down to repeat a run.
 */
export function initialSeed(): number {
  return seeded().seed;
}

/** The default generator. */
export function defaultGenerator(): BackgroundGenerator {
  return seeded().generator;
}

function seeded(): { seed: number; generator: BackgroundGenerator } {
  if (currentSeed === undefined || generator === undefined) {
    // 48 bits, so that the number is a safe integer.
    manualSeed(randomBytes(6).readUIntBE(0, 6));
    return seeded();
  }
  return { seed: currentSeed, generator };
}
