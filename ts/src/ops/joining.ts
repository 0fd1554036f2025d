/** Owns what moves elements and computes nothing as single operations on host tensors. */
import { checkNumber, show } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import { type PadMode, padAttrs } from '../graph/ops/joining.js';
import { checkAxis, checkShape, type Shape } from '../graph/shapes.js';
import { type OpOptions, run, splitOptions } from './run.js';
import { checkTensor, type FloatTensor, floatTensor } from './tensors.js';

/**
 * A tensor of one value.
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than stated; f32 where none is.
 */
export async function fill(
  shape: Shape,
  value: number,
  options: OpOptions = {},
): Promise<FloatTensor> {
  const [, common] = splitOptions('fill', options);
  const attrs = { value: checkNumber('fill', 'value', value) };
  const shapes = { y: checkShape('fill', 'shape', shape) };
  return floatTensor('y', (await run('fill', {}, attrs, { ...common, shapes })).y);
}

/**
 * x, whose axes of 1 are repeated.
 * @param shape Of as many axes as x.
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than stated; f32 where none is.
 */
export async function expand(
  x: FloatTensor,
  shape: Shape,
  options: OpOptions = {},
): Promise<FloatTensor> {
  const [, common] = splitOptions('expand', options);
  const shapes = { y: checkShape('expand', 'shape', shape) };
  return floatTensor('y', (await run('expand', { x }, {}, { ...common, shapes })).y);
}

/**
 * Tensors joined along an axis, in which alone their shapes may differ.
 * @param axis Negative ones count from the end.
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than stated; f32 where none is.
 */
export async function concat(
  tensors: readonly FloatTensor[],
  axis: number,
  options: OpOptions = {},
): Promise<FloatTensor> {
  const [, common] = splitOptions('concat', options);
  if (!Array.isArray(tensors) || tensors.length === 0) {
    throw new ArgumentError(`concat expects a list of tensors, got ${show(tensors)}`);
  }
  const { shape } = checkTensor('concat', 'x', tensors[0]);
  const attrs = { axis: checkAxis('concat', 'axis', shape, axis) };
  return floatTensor('y', (await run('concat', { x: tensors }, attrs, common)).y);
}

/**
 * The box of x of this shape that begins at `starts`, a place on each axis.
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than stated; f32 where none is.
 */
export async function slice(
  x: FloatTensor,
  starts: Shape,
  shape: Shape,
  options: OpOptions = {},
): Promise<FloatTensor> {
  const [, common] = splitOptions('slice', options);
  const shapes = { y: checkShape('slice', 'shape', shape) };
  return floatTensor('y', (await run('slice', { x }, { starts }, { ...common, shapes })).y);
}

/** Options of {@link pad}. */
export interface PadOptions {
  /** What is added; `'constant'` by default. */
  mode?: PadMode;
  /** What is added with `'constant'`; 0 by default. */
  value?: number;
}

/**
 * x with elements added around it.
 * @param pad How many before and behind, from the last axis on: [left, right, top, bottom, ...].
 *   Modes other than `'constant'` add to the last two axes only.
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than stated; f32 where none is.
 */
export async function pad(
  x: FloatTensor,
  pad: readonly number[],
  options: PadOptions & OpOptions = {},
): Promise<FloatTensor> {
  const [own, common] = splitOptions('pad', options, ['mode', 'value']);
  const { shape } = checkTensor('pad', 'x', x);
  const attrs = padAttrs('pad', shape, pad, own.mode ?? 'constant', own.value ?? 0);
  return floatTensor('y', (await run('pad', { x }, attrs, common)).y);
}

/**
 * Gradient of {@link pad} with respect to its input, of this shape, in a mode other than
 * `'constant'`, of which it is a {@link slice}.
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than stated; f32 where none is.
 */
export async function padGrad(
  gy: FloatTensor,
  shape: Shape,
  pad: readonly number[],
  options: PadOptions & OpOptions = {},
): Promise<FloatTensor> {
  const [own, common] = splitOptions('padGrad', options, ['mode', 'value']);
  const shapes = { gx: checkShape('padGrad', 'shape', shape) };
  const attrs = padAttrs('padGrad', shapes.gx, pad, own.mode ?? 'reflect', own.value ?? 0);
  return floatTensor('gx', (await run('padGrad', { gy }, attrs, { ...common, shapes })).gx);
}
