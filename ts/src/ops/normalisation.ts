/** Owns normalisation as single operations on host tensors. */
import {
  type LocalResponseNormOptions,
  localResponseNormAttrs,
  localResponseNormOptionNames,
} from '../graph/ops/normalisation.js';
import { type OpOptions, run, splitOptions } from './run.js';
import { type FloatTensor, floatTensor } from './tensors.js';

/**
 * x / (k + alpha m)^beta, m being the mean of x^2 over `size` channels around each element's own
 * (formula: torch.nn.LocalResponseNorm).
 * @param x [N, C, ...] of at least 3 axes
 * @returns A tensor of the shape of x.
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for fewer than 3 axes, or sizes that are not the number of values.
 * @throws DTypeError for element types other than f32.
 */
export async function localResponseNorm(
  x: FloatTensor,
  size: number,
  options: LocalResponseNormOptions & OpOptions = {},
): Promise<FloatTensor> {
  const who = 'localResponseNorm';
  const [own, common] = splitOptions(who, options, localResponseNormOptionNames);
  const attrs = localResponseNormAttrs(who, size, own);
  return floatTensor('y', (await run(who, { x }, attrs, common)).y);
}

/**
 * Gradient of {@link localResponseNorm} with respect to its input.
 * @param gy of the shape of x
 * @param x [N, C, ...], the input of localResponseNorm
 * @returns A tensor of the shape of x.
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than f32.
 */
export async function localResponseNormGrad(
  gy: FloatTensor,
  x: FloatTensor,
  size: number,
  options: LocalResponseNormOptions & OpOptions = {},
): Promise<FloatTensor> {
  const who = 'localResponseNormGrad';
  const [own, common] = splitOptions(who, options, localResponseNormOptionNames);
  const attrs = localResponseNormAttrs(who, size, own);
  return floatTensor('gx', (await run(who, { gy, x }, attrs, common)).gx);
}
