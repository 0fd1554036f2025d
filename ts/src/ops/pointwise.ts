/** Owns arithmetic, element by element, as single operations on host tensors. */
import { type OpOptions, single } from './run.js';
import type { FloatTensor } from './tensors.js';

/**
 * a + b, element by element, for tensors with as many axes. Those of 1 are repeated along the other's.
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than stated; f32 where none is.
 */
export function add(a: FloatTensor, b: FloatTensor, options: OpOptions = {}): Promise<FloatTensor> {
  return single('add', { a, b }, options);
}

/**
 * a - b, element by element; as {@link add}.
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than stated; f32 where none is.
 */
export function sub(a: FloatTensor, b: FloatTensor, options: OpOptions = {}): Promise<FloatTensor> {
  return single('sub', { a, b }, options);
}

/**
 * a * b, element by element; as {@link add}.
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than stated; f32 where none is.
 */
export function mul(a: FloatTensor, b: FloatTensor, options: OpOptions = {}): Promise<FloatTensor> {
  return single('mul', { a, b }, options);
}

/**
 * a / b, element by element; as {@link add}.
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than stated; f32 where none is.
 */
export function div(a: FloatTensor, b: FloatTensor, options: OpOptions = {}): Promise<FloatTensor> {
  return single('div', { a, b }, options);
}
