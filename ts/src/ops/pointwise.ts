/** Owns operations on single elements as single operations on host tensors. */
import { type OpOptions, single } from './run.js';
import type { FloatTensor } from './tensors.js';

/**
 * max(x, 0), element by element.
 * @param x Any shape.
 * @returns Of the shape of x.
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than stated; f32 where none is.
 */
export function relu(x: FloatTensor, options: OpOptions = {}): Promise<FloatTensor> {
  return single('relu', { x }, options);
}

/**
 * Gradient of {@link relu} with respect to its input, from its output y.
 * @param gy Any shape.
 * @param y Of the shape of gy.
 * @returns Of the shape of gy.
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than stated; f32 where none is.
 */
export function reluGrad(
  gy: FloatTensor,
  y: FloatTensor,
  options: OpOptions = {},
): Promise<FloatTensor> {
  return single('reluGrad', { gy, y }, options);
}

/**
 * 1 / (1 + exp(-x)), element by element.
 * @param x Any shape.
 * @returns Of the shape of x.
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than stated; f32 where none is.
 */
export function sigmoid(x: FloatTensor, options: OpOptions = {}): Promise<FloatTensor> {
  return single('sigmoid', { x }, options);
}

/**
 * Gradient of {@link sigmoid} with respect to its input, from its output y.
 * @param gy Any shape.
 * @param y Of the shape of gy.
 * @returns Of the shape of gy.
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than stated; f32 where none is.
 */
export function sigmoidGrad(
  gy: FloatTensor,
  y: FloatTensor,
  options: OpOptions = {},
): Promise<FloatTensor> {
  return single('sigmoidGrad', { gy, y }, options);
}

/**
 * a + b, element by element, for tensors of one shape.
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than stated; f32 where none is.
 */
export function add(a: FloatTensor, b: FloatTensor, options: OpOptions = {}): Promise<FloatTensor> {
  return single('add', { a, b }, options);
}
