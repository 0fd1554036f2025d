/** Owns copies of large arrays that leave the event loop free. */
import { ArgumentError, ShapeError } from '../errors.js';
import { Pace } from '../pace.js';
import { isBigInts, type TensorArray } from '../safetensors-types.js';
import { allocateFloats } from './memory.js';

/** Elements that are copied without a pause: 2 MB take less than a millisecond or two. */
export const sliceLength = 1 << 19;

/** So many elements are copied while one is converted. */
const conversion = 16;

const pace = new Pace(sliceLength);

/**
 * Copies an array, which must not change meanwhile, as f32 values, or into a target's type.
 *
 * @param target Gets the values; a new array unless given.
 * @returns The target.
 * @throws ShapeError where the target is of another length.
 * @throws ArgumentError where the source's buffer is transferred meanwhile.
 * @throws OutOfMemoryError where there is no memory for a new array.
 */
export async function copyInSlices<T extends Float32Array | Int32Array = Float32Array>(
  source: TensorArray,
  target: T = allocateFloats('a copy of a parameter', source.length) as T,
): Promise<T> {
  const { length } = target;
  if (source.length !== length) {
    throw new ShapeError(`expected an array of ${length} elements, got ${source.length}`);
  }
  const cost = isBigInts(source) ? conversion : 1;
  const slice = sliceLength / cost;
  for (let begin = 0; begin < length; begin += slice) {
    const count = Math.min(slice, length - begin);
    await pace.take(cost * count);
    if (source.length !== length) {
      throw new ArgumentError(
        `an array of ${length} elements was transferred or resized while it was being copied; ` +
          'keep it until the promise is settled',
      );
    }
    const part = source.subarray(begin, begin + count);
    target.set(isBigInts(part) ? Float64Array.from(part, Number) : part, begin);
  }
  return target;
}
