/** Owns sums over axes as single operations on host tensors. */
import { checkBoolean } from '../arguments.js';
import { checkAxes } from '../graph/shapes.js';
import { type OpOptions, run, splitOptions } from './run.js';
import { checkTensor, type FloatTensor, floatTensor } from './tensors.js';

/** Options of {@link sum}. */
export interface SumOptions {
  /** Whether the sums are divided by the number of their elements; false by default. */
  mean?: boolean;
}

/**
 * Sum over axes, which stay as 1.
 * @param axes An axis or several, negative ones counting from the end; none for all of them.
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than stated; f32 where none is.
 */
export async function sum(
  x: FloatTensor,
  axes: number | readonly number[],
  options: SumOptions & OpOptions = {},
): Promise<FloatTensor> {
  const [own, common] = splitOptions('sum', options, ['mean']);
  const { shape } = checkTensor('sum', 'x', x);
  const over = checkAxes('sum', 'axes', shape, axes);
  const shapes = { y: shape.map((size, axis) => (over.includes(axis) ? 1 : size)) };
  const attrs = { mean: checkBoolean('sum', 'mean', own.mean ?? false) };
  return floatTensor('y', (await run('sum', { x }, attrs, { ...common, shapes })).y);
}
