/** Owns copies of large arrays that leave the event loop free. */
import { setImmediate } from 'node:timers/promises';
import { ArgumentError, ShapeError } from './errors.js';

/** Elements that are copied without a pause: 2 MB take less than a millisecond or two. */
export const sliceLength = 1 << 19;

/**
 * Copies an array, which must not change meanwhile.
 *
 * @param target Gets the values; a new array unless given.
 * @returns The target.
 * @throws ShapeError where the target is of another length.
 * @throws ArgumentError where the source's buffer is transferred meanwhile.
 */
export async function copyInSlices(
  source: Float32Array,
  target: Float32Array = new Float32Array(source.length),
): Promise<Float32Array> {
  const { length } = target;
  if (source.length !== length) {
    throw new ShapeError(`expected an array of ${length} elements, got ${source.length}`);
  }
  for (let begin = 0; begin < length; begin += sliceLength) {
    if (begin > 0) await setImmediate();
    if (source.length !== length) {
      throw new ArgumentError(
        `an array of ${length} elements was transferred or resized while it was being copied; ` +
          'keep it until the promise is settled',
      );
    }
    target.set(source.subarray(begin, begin + sliceLength), begin);
  }
  return target;
}
