/**
 * Owns the random numbers of one sample's transforms: Philox4x32-10 (Salmon et al., 2011), as dropout
 * uses it.
 *
 * Policy: what is drawn is a function of (seed, epoch, index) and of the draws before it alone, so
 * that neither the number of worker threads nor the order of samples changes a result. The seed is
 * Philox's key; epoch and index stand in its counter, so that no two samples share numbers.
 */

/** What, beside a sample's index, decides its random transforms. */
export interface Draw {
  /** Any safe integer of 0 or more. */
  readonly seed: number;
  /** Number of the epoch, from 0. */
  readonly epoch: number;
}

/** Tells these numbers from others that Philox gives for the same seed. */
const STREAM = 0x6175676d;

/**
 * The random numbers of one sample in one epoch. A transform is handed one; make one to try a
 * transform by hand.
 *
 * @example
 * new RandomCrop(28, { padding: 2 }).apply(image, [1, 28, 28], new SampleRandom({ seed: 0, epoch: 0 }, 7));
 */
export class SampleRandom {
  readonly #key0: number;
  readonly #key1: number;
  readonly #epoch: number;
  readonly #index: number;
  #block = 0;
  readonly #words = new Uint32Array(4);
  #next = 4;

  /** @param index Number of the sample in its dataset, from 0. */
  constructor({ seed, epoch }: Draw, index: number) {
    this.#key0 = seed >>> 0;
    this.#key1 = Math.floor(seed / 2 ** 32) >>> 0;
    this.#epoch = epoch >>> 0;
    this.#index = index >>> 0;
  }

  /** The next 32 random bits, as a number from 0 to 2^32 - 1. */
  nextUint32(): number {
    if (this.#next === 4) this.#refill();
    return this.#words[this.#next++]!;
  }

  /** A number of the uniform distribution on [from, to), in steps of 2^-53 of the width. */
  uniform(from = 0, to = 1): number {
    const high = this.nextUint32() >>> 5;
    const low = this.nextUint32() >>> 6;
    return from + ((high * 0x4000000 + low) / 0x20000000000000) * (to - from);
  }

  /** Whether something of probability `p` happens. */
  chance(p: number): boolean {
    return this.uniform() < p;
  }

  /** An integer from 0 to `below` - 1, each as probable; `below` is from 1 to 2^32. */
  integer(below: number): number {
    // Draws that would favour small numbers are rejected.
    const fair = 2 ** 32 - (2 ** 32 % below);
    for (;;) {
      const draw = this.nextUint32();
      if (draw < fair) return draw % below;
    }
  }

  /** A number of the normal distribution. */
  normal(mean = 0, std = 1): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return mean + std * radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /** The numbers 0 to `count` - 1 in a random order, each order as probable. */
  permutation(count: number): number[] {
    const order = Array.from({ length: count }, (_, i) => i);
    for (let i = count - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      [order[i], order[j]] = [order[j]!, order[i]!];
    }
    return order;
  }

  #refill(): void {
    let c0 = this.#block++;
    let c1 = this.#index;
    let c2 = this.#epoch;
    let c3 = STREAM;
    let k0 = this.#key0;
    let k1 = this.#key1;
    for (let round = 0; round < 10; round++) {
      const high0 = multiplyHigh(0xd2511f53, c0);
      const low0 = Math.imul(0xd2511f53, c0);
      const high1 = multiplyHigh(0xcd9e8d57, c2);
      const low1 = Math.imul(0xcd9e8d57, c2);
      c0 = (high1 ^ c1 ^ k0) >>> 0;
      c1 = low1 >>> 0;
      c2 = (high0 ^ c3 ^ k1) >>> 0;
      c3 = low0 >>> 0;
      k0 = (k0 + 0x9e3779b9) >>> 0;
      k1 = (k1 + 0xbb67ae85) >>> 0;
    }
    const words = this.#words;
    words[0] = c0;
    words[1] = c1;
    words[2] = c2;
    words[3] = c3;
    this.#next = 0;
  }
}

/** The upper 32 bits of the 64-bit product of two 32-bit words. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + Math.floor((aLow * bLow) / 0x10000);
  const carried = aLow * bHigh + (middle % 0x10000);
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(carried / 0x10000)) >>> 0;
}
