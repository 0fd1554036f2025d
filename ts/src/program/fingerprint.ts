/** Owns fingerprints of large arrays, by which edits in place are noticed. */
import { Pace } from '../pace.js';

/** Elements that are read without a pause: a tenth of a millisecond, and some before V8 has compiled. */
const sliceLength = 1 << 17;

const pace = new Pace(sliceLength);

/** Multiplier of each lane; odd, so that multiplying loses nothing. */
const multipliers = [0x01000193, 0x85ebca6b, 0xc2b2ae35, 0x27d4eb2f] as const;

/**
 * 128 bits that differ where any bit of the array differs, but for one chance in 2^32 or less; the
 * event loop gets turns in between.
 */
export async function fingerprint(values: Float32Array | Int32Array): Promise<string> {
  const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
  const lanes = new Int32Array(4);
  for (let begin = 0; begin < bits.length; begin += sliceLength) {
    const slice = bits.subarray(begin, begin + sliceLength);
    await pace.take(slice.length);
    add(lanes, slice);
  }
  return lanes.join();
}

/**
 * Goes on with four hashes, of every fourth element each. A step is one to one in the hash and in the
 * element, so that no change of a single element is lost; the rotation brings high bits down, without
 * which two changed signs would cancel out.
 */
function add(lanes: Int32Array, bits: Int32Array): void {
  let [a = 0, b = 0, c = 0, d = 0] = lanes;
  const [ma, mb, mc, md] = multipliers;
  const whole = bits.length - (bits.length % 4);
  for (let i = 0; i < whole; i += 4) {
    a = Math.imul(a ^ bits[i]!, ma);
    b = Math.imul(b ^ bits[i + 1]!, mb);
    c = Math.imul(c ^ bits[i + 2]!, mc);
    d = Math.imul(d ^ bits[i + 3]!, md);
    a = (a << 13) | (a >>> 19);
    b = (b << 13) | (b >>> 19);
    c = (c << 13) | (c >>> 19);
    d = (d << 13) | (d >>> 19);
  }
  for (let i = whole; i < bits.length; i++) {
    a = Math.imul(a ^ bits[i]!, ma);
    a = (a << 13) | (a >>> 19);
  }
  lanes.set([a, b, c, d]);
}
