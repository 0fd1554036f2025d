/** Owns fingerprints of large arrays, by which edits in place are noticed. */
import { setImmediate } from 'node:timers/promises';

/** Elements that are read without a pause: about half a millisecond. */
const sliceLength = 1 << 19;

/** Multiplier of each lane: odd, so that no change of a single element is lost. */
const multipliers = [0x01000193, 0x85ebca6b, 0xc2b2ae35, 0x27d4eb2f] as const;

/**
 * 128 bits that differ where any bit of the array differs, but for one chance in 2^32 or less; the
 * event loop gets turns in between.
 */
export async function fingerprint(values: Float32Array): Promise<string> {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const lanes = new Uint32Array(4);
  for (let begin = 0; begin < bits.length; begin += sliceLength) {
    if (begin > 0) await setImmediate();
    add(lanes, bits.subarray(begin, begin + sliceLength));
  }
  return lanes.join();
}

/** Goes on with four hashes, of every fourth element each. */
function add(lanes: Uint32Array, bits: Uint32Array): void {
  let [a = 0, b = 0, c = 0, d = 0] = lanes;
  const [ma, mb, mc, md] = multipliers;
  const whole = bits.length - (bits.length % 4);
  for (let i = 0; i < whole; i += 4) {
    a = (Math.imul(a, ma) + bits[i]!) | 0;
    b = (Math.imul(b, mb) + bits[i + 1]!) | 0;
    c = (Math.imul(c, mc) + bits[i + 2]!) | 0;
    d = (Math.imul(d, md) + bits[i + 3]!) | 0;
  }
  for (let i = whole; i < bits.length; i++) a = (Math.imul(a, ma) + bits[i]!) | 0;
  lanes.set([a, b, c, d]);
}
