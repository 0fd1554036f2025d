/** Owns reshape as single operations on host tensors. */
import { checkShape, type Shape } from '../graph/shapes.js';
import { type OpOptions, run, splitOptions } from './run.js';
import { type FloatTensor, floatTensor } from './tensors.js';

/**
 * The same values in another shape, which must have as many elements.
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than stated; f32 where none is.
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
