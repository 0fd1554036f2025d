/** Owns operations on single elements, rows and shapes as single operations on host tensors. */

import { checkInteger, checkNumber, show } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import { checkShape, type Shape } from '../graph/shapes.js';
import type { Attrs } from '../graph/spec.js';
import { type OpOptions, run, splitOptions } from './run.js';
import { type FloatTensor, floatTensor, type HostTensor } from './tensors.js';

/**
 * Bytes to floats: (x / 255 - mean) / std for each channel.
 * @param x u8 [N, C, H, W]
 * @param mean [C], on the scale from 0 to 1
 * @param std [C], on the scale from 0 to 1
 * @returns [N, C, H, W]
 * @throws {ArgumentError} What should be a tensor is none, or an option is unknown or out of range.
 * @throws {ShapeError} Sizes do not fit each other, or not the number of values.
 * @throws {DTypeError} A tensor has another element type than stated; f32 where none is.
 */
export async function toFloat(
  x: HostTensor<Uint8Array>,
  mean: readonly number[],
  std: readonly number[],
  options: OpOptions = {},
): Promise<FloatTensor> {
  const [, common] = splitOptions('toFloat', options);
  return floatTensor('y', (await run('toFloat', { x }, { mean, std }, common)).y);
}

/**
 * max(x, 0), element by element.
 * @param x Any shape.
 * @returns Of the shape of x.
 * @throws {ArgumentError} What should be a tensor is none, or an option is unknown or out of range.
 * @throws {ShapeError} Sizes do not fit each other, or not the number of values.
 * @throws {DTypeError} A tensor has another element type than stated; f32 where none is.
 */
export async function relu(x: FloatTensor, options: OpOptions = {}): Promise<FloatTensor> {
  const [, common] = splitOptions('relu', options);
  return floatTensor('y', (await run('relu', { x }, {}, common)).y);
}

/**
 * Gradient of {@link relu} with respect to its input, from its output y.
 * @param gy Any shape.
 * @param y Of the shape of gy.
 * @returns Of the shape of gy.
 * @throws {ArgumentError} What should be a tensor is none, or an option is unknown or out of range.
 * @throws {ShapeError} Sizes do not fit each other, or not the number of values.
 * @throws {DTypeError} A tensor has another element type than stated; f32 where none is.
 */
export async function reluGrad(
  gy: FloatTensor,
  y: FloatTensor,
  options: OpOptions = {},
): Promise<FloatTensor> {
  const [, common] = splitOptions('reluGrad', options);
  return floatTensor('gx', (await run('reluGrad', { gy, y }, {}, common)).gx);
}

/**
 * 1 / (1 + exp(-x)), element by element.
 * @param x Any shape.
 * @returns Of the shape of x.
 * @throws {ArgumentError} What should be a tensor is none, or an option is unknown or out of range.
 * @throws {ShapeError} Sizes do not fit each other, or not the number of values.
 * @throws {DTypeError} A tensor has another element type than stated; f32 where none is.
 */
export async function sigmoid(x: FloatTensor, options: OpOptions = {}): Promise<FloatTensor> {
  const [, common] = splitOptions('sigmoid', options);
  return floatTensor('y', (await run('sigmoid', { x }, {}, common)).y);
}

/**
 * Gradient of {@link sigmoid} with respect to its input, from its output y.
 * @param gy Any shape.
 * @param y Of the shape of gy.
 * @returns Of the shape of gy.
 * @throws {ArgumentError} What should be a tensor is none, or an option is unknown or out of range.
 * @throws {ShapeError} Sizes do not fit each other, or not the number of values.
 * @throws {DTypeError} A tensor has another element type than stated; f32 where none is.
 */
export async function sigmoidGrad(
  gy: FloatTensor,
  y: FloatTensor,
  options: OpOptions = {},
): Promise<FloatTensor> {
  const [, common] = splitOptions('sigmoidGrad', options);
  return floatTensor('gx', (await run('sigmoidGrad', { gy, y }, {}, common)).gx);
}

/**
 * The same values in another shape, which must have as many elements.
 * @throws {ArgumentError} What should be a tensor is none, or an option is unknown or out of range.
 * @throws {ShapeError} Sizes do not fit each other, or not the number of values.
 * @throws {DTypeError} A tensor has another element type than stated; f32 where none is.
 */
export async function reshape(
  x: FloatTensor,
  shape: Shape,
  options: OpOptions = {},
): Promise<FloatTensor> {
  const [, common] = splitOptions('reshape', options);
  return floatTensor(
    'y',
    (
      await run(
        'reshape',
        { x },
        {},
        { ...common, shapes: { y: checkShape('reshape', 'shape', shape) } },
      )
    ).y,
  );
}

/**
 * a + b, element by element, for tensors of one shape.
 * @throws {ArgumentError} What should be a tensor is none, or an option is unknown or out of range.
 * @throws {ShapeError} Sizes do not fit each other, or not the number of values.
 * @throws {DTypeError} A tensor has another element type than stated; f32 where none is.
 */
export async function add(
  a: FloatTensor,
  b: FloatTensor,
  options: OpOptions = {},
): Promise<FloatTensor> {
  const [, common] = splitOptions('add', options);
  return floatTensor('y', (await run('add', { a, b }, {}, common)).y);
}

/**
 * exp(x) / sum(exp(x)) of each row.
 * @param x [N, C]
 * @returns [N, C]
 * @throws {ArgumentError} What should be a tensor is none, or an option is unknown or out of range.
 * @throws {ShapeError} Sizes do not fit each other, or not the number of values.
 * @throws {DTypeError} A tensor has another element type than stated; f32 where none is.
 */
export async function softmax(x: FloatTensor, options: OpOptions = {}): Promise<FloatTensor> {
  const [, common] = splitOptions('softmax', options);
  return floatTensor('y', (await run('softmax', { x }, {}, common)).y);
}

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
 * @throws {ArgumentError} What should be a tensor is none, or an option is unknown or out of range.
 * @throws {ShapeError} Sizes do not fit each other, or not the number of values.
 * @throws {DTypeError} A tensor has another element type than stated; f32 where none is.
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
 * @throws {ArgumentError} What should be a tensor is none, or an option is unknown or out of range.
 * @throws {ShapeError} Sizes do not fit each other, or not the number of values.
 * @throws {DTypeError} A tensor has another element type than stated; f32 where none is.
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
