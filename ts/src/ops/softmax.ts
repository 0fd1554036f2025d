/** Owns softmax as single operations on host tensors. */
import { type OpOptions, single } from './run.js';
import type { FloatTensor } from './tensors.js';

/**
 * exp(x) / sum(exp(x)) of each row.
 * @param x [N, C]
 * @returns [N, C]
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than stated; f32 where none is.
 */
export function softmax(x: FloatTensor, options: OpOptions = {}): Promise<FloatTensor> {
  return single('softmax', { x }, options);
}
