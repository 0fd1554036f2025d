/** Owns softmax as single operations on host tensors. */

import { checkAxis } from '../graph/shapes.js';
import type { OpName } from '../graph/table.js';
import { type OpOptions, single } from './run.js';
import { checkTensor, type FloatTensor } from './tensors.js';

/**
 * exp(x) / sum(exp(x)) along an axis.
 * @param x Of any shape but a scalar's.
 * @param dim The axis that the sums go along, negative ones counting from the end.
 * @returns Of the shape of x.
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for an axis that x does not have, or not the number of values.
 * @throws DTypeError for element types other than f32.
 */
export function softmax(
  x: FloatTensor,
  dim: number,
  options: OpOptions = {},
): Promise<FloatTensor> {
  return along('softmax', { x }, x, dim, options);
}

/**
 * Gradient of {@link softmax} with respect to x: y (gy - sum(gy y)).
 * @param gy Gradient with respect to y, of its shape.
 * @param y What softmax gave.
 * @returns Of the shape of y.
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for an axis that y does not have, sizes that differ, or not the number of values.
 * @throws DTypeError for element types other than f32.
 */
export function softmaxGrad(
  gy: FloatTensor,
  y: FloatTensor,
  dim: number,
  options: OpOptions = {},
): Promise<FloatTensor> {
  return along('softmaxGrad', { gy, y }, y, dim, options);
}

/**
 * x - log(sum(exp(x))) along an axis.
 * @param x Of any shape but a scalar's.
 * @param dim The axis that the sums go along, negative ones counting from the end.
 * @returns Of the shape of x.
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for an axis that x does not have, or not the number of values.
 * @throws DTypeError for element types other than f32.
 */
export function logSoftmax(
  x: FloatTensor,
  dim: number,
  options: OpOptions = {},
): Promise<FloatTensor> {
  return along('logSoftmax', { x }, x, dim, options);
}

/**
 * Gradient of {@link logSoftmax} with respect to x: gy - exp(y) sum(gy).
 * @param gy Gradient with respect to y, of its shape.
 * @param y What logSoftmax gave.
 * @returns Of the shape of y.
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for an axis that y does not have, sizes that differ, or not the number of values.
 * @throws DTypeError for element types other than f32.
 */
export function logSoftmaxGrad(
  gy: FloatTensor,
  y: FloatTensor,
  dim: number,
  options: OpOptions = {},
): Promise<FloatTensor> {
  return along('logSoftmaxGrad', { gy, y }, y, dim, options);
}

/** An operation with the axis of `rows` that `dim` names. */
async function along(
  op: OpName,
  inputs: Record<string, FloatTensor>,
  rows: FloatTensor,
  dim: number,
  options: OpOptions,
): Promise<FloatTensor> {
  const { shape } = checkTensor(op, 'input', rows);
  return single(op, inputs, options, { dim: checkAxis(op, 'dim', shape, dim) });
}
