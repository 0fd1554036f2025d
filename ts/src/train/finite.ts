/** Owns the search for values that are not finite, which leaves the event loop free. */
import { setImmediate } from 'node:timers/promises';
import type { StateTensor } from '../nn/index.js';

/** Elements that are read without a pause: less than a millisecond. */
const sliceLength = 1 << 19;

/** Name of the first tensor that has a NaN or an infinity. */
export async function firstNotFinite(
  tensors: Readonly<Record<string, StateTensor>>,
): Promise<string | undefined> {
  for (const [name, { data }] of Object.entries(tensors)) {
    for (let begin = 0; begin < data.length; begin += sliceLength) {
      if (begin > 0) await setImmediate();
      if (!areFinite(data.subarray(begin, begin + sliceLength))) return name;
    }
  }
  return undefined;
}

function areFinite(values: Float32Array): boolean {
  let sum = 0;
  // x - x is 0, but for infinities and NaN, of which it is NaN.
  for (const value of values) sum += value - value;
  return sum === 0;
}
