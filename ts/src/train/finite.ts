/** Owns the search for values that are not finite, which leaves the event loop free. */
import type { StateTensor } from '../nn/index.js';
import { Pace } from '../pace.js';

/** Elements that are read without a pause: a tenth of a millisecond, and some before V8 has compiled. */
const sliceLength = 1 << 17;

const pace = new Pace(sliceLength);

/** Name of the first tensor that has a NaN or an infinity. */
export async function firstNotFinite(
  tensors: Readonly<Record<string, StateTensor>>,
): Promise<string | undefined> {
  for (const [name, { data }] of Object.entries(tensors)) {
    for (let begin = 0; begin < data.length; begin += sliceLength) {
      const slice = data.subarray(begin, begin + sliceLength);
      await pace.take(slice.length);
      if (!areFinite(slice)) return name;
    }
  }
  return undefined;
}

function areFinite(values: Float32Array | Int32Array): boolean {
  let sum = 0;
  // x - x is 0, but for infinities and NaN, of which it is NaN.
  for (const value of values) sum += value - value;
  return sum === 0;
}
