/** Owns copies of large arrays that leave the event loop free. */
import { setImmediate } from 'node:timers/promises';

/** Elements that are copied without a pause: 2 MB take less than a millisecond or two. */
const sliceLength = 1 << 19;

/** A copy of an array, which must not change meanwhile. */
export async function copyInSlices(source: Float32Array): Promise<Float32Array> {
  const copy = new Float32Array(source.length);
  for (let begin = 0; begin < source.length; begin += sliceLength) {
    if (begin > 0) await setImmediate();
    copy.set(source.subarray(begin, begin + sliceLength), begin);
  }
  return copy;
}
