/** Owns dropout as single operations on host tensors. */
import { checkInteger, checkNumber, show } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import type { Attrs } from '../graph/spec.js';
import { type OpOptions, run, splitOptions } from './run.js';
import { type FloatTensor, floatTensor } from './tensors.js';

/** Where the numbers of a dropout mask come from. */
export interface DropoutOptions {
  /** Low and high 32 bits of the seed; [0, 0] by default. */
  seed?: readonly [number, number];
  /** Number of the dropout in its network, 0 or above; 0 by default. */
  stream?: number;
}

function dropoutAttrs(who: string, p: number, { seed, stream }: DropoutOptions): Attrs {
  const [low, high] = checkSeed(who, seed ?? [0, 0]);
  return {
    p: checkNumber(who, 'p', p, { min: 0, max: 1 }),
    seed: [low, high],
    stream: checkInteger(who, 'stream', stream ?? 0, 0, 2 ** 32 - 1),
  };
}

function checkSeed(who: string, seed: unknown): [low: number, high: number] {
  if (!Array.isArray(seed) || seed.length !== 2) {
    throw new ArgumentError(
      `${who} expects seed to be two numbers of 32 bits [low, high], got ${show(seed)}`,
    );
  }
  return [
    checkInteger(who, 'seed[0]', seed[0], 0, 2 ** 32 - 1),
    checkInteger(who, 'seed[1]', seed[1], 0, 2 ** 32 - 1),
  ];
}

/**
 * Sets elements of x to zero with probability p and scales the others by 1 / (1 - p). The mask is a
 * function of (seed, step, stream, element).
 * @param p From 0 to 1.
 * @param step Number of the step, 0 or above.
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than stated; f32 where none is.
 */
export async function dropout(
  x: FloatTensor,
  p: number,
  step: number,
  options: DropoutOptions & OpOptions = {},
): Promise<FloatTensor> {
  const who = 'dropout';
  const [own, common] = splitOptions(who, options, ['seed', 'stream']);
  checkInteger(who, 'step', step, 0, 2 ** 31 - 1);
  return floatTensor('y', (await run(who, { x, step }, dropoutAttrs(who, p, own), common)).y);
}

/**
 * Gradient of {@link dropout} with respect to its input, with the same mask.
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than stated; f32 where none is.
 */
export async function dropoutGrad(
  gy: FloatTensor,
  p: number,
  step: number,
  options: DropoutOptions & OpOptions = {},
): Promise<FloatTensor> {
  const who = 'dropoutGrad';
  const [own, common] = splitOptions(who, options, ['seed', 'stream']);
  checkInteger(who, 'step', step, 0, 2 ** 31 - 1);
  return floatTensor('gx', (await run(who, { gy, step }, dropoutAttrs(who, p, own), common)).gx);
}
