/**
 * Owns the MT19937 generator (Matsumoto and Nishimura, 1998), seeded as PyTorch's CPU generator:
 * `init_genrand` of the reference code with the low 32 bits of the seed. native/src/math/mt19937.cc
 * goes on from its state, for large arrays.
 */

const size = 624;
const shift = 397;

/** One independent stream of random numbers. */
export class Mt19937 {
  readonly #state = new Int32Array(size);
  #next = size;

  /** @param seed Any safe integer; its low 32 bits count, as in PyTorch. */
  constructor(seed: number) {
    this.seed(seed);
  }

  /** Starts the stream anew. */
  seed(seed: number): void {
    const state = this.#state;
    let previous = Number(BigInt.asUintN(32, BigInt(seed)));
    state[0] = previous;
    for (let i = 1; i < size; i++) {
      previous = (Math.imul(1812433253, previous ^ (previous >>> 30)) + i) >>> 0;
      state[i] = previous;
    }
    this.#next = size;
  }

  /** Words of the state, and the number of the first that is not used yet. */
  get state(): { readonly words: Int32Array; readonly next: number } {
    return { words: this.#state, next: this.#next };
  }

  /** The next 32 random bits, as a number from 0 to 2^32 - 1. */
  nextUint32(): number {
    if (this.#next === size) this.#refill();
    return temper(this.#state[this.#next++]!) >>> 0;
  }

  /**
   * Fills `out` with numbers of the uniform distribution on [from, to), bit for bit as PyTorch's
   * `Tensor.uniform_` on the CPU: 24 random bits as a fraction, scaled and moved with one rounding
   * to f32.
   */
  fillUniform(out: Float32Array, from: number, to: number): void {
    const state = this.#state;
    const [low, end] = [Math.fround(from), Math.fround(to)];
    // Dividing the width instead of each number is exact: 2^24 is a power of two.
    const scale = Math.fround(end - low) / 0x1000000;
    for (let done = 0; done < out.length; ) {
      if (this.#next === size) this.#refill();
      const start = this.#next;
      const count = Math.min(size - start, out.length - done);
      for (let i = 0; i < count; i++) {
        const value = Math.fround((temper(state[start + i]!) & 0xffffff) * scale + low);
        // Rounding may have moved it to the end, which is not of the interval.
        out[done + i] = value === end ? low : value;
      }
      this.#next = start + count;
      done += count;
    }
  }

  /** Leaves out as many words. */
  skip(count: number): void {
    for (let i = 0; i < count; i++) this.nextUint32();
  }

  #refill(): void {
    const state = this.#state;
    for (let i = 0; i < size - shift; i++) {
      state[i] = state[i + shift]! ^ twist(state[i]!, state[i + 1]!);
    }
    for (let i = size - shift; i < size - 1; i++) {
      state[i] = state[i + shift - size]! ^ twist(state[i]!, state[i + 1]!);
    }
    state[size - 1] = state[shift - 1]! ^ twist(state[size - 1]!, state[0]!);
    this.#next = 0;
  }
}

function twist(current: number, following: number): number {
  const mixed = (current & 0x80000000) | (following & 0x7fffffff);
  return (mixed >>> 1) ^ (-(mixed & 1) & 0x9908b0df);
}

/** The output of a word of the state, as a signed number. */
function temper(word: number): number {
  let bits = word;
  bits ^= bits >>> 11;
  bits ^= (bits << 7) & 0x9d2c5680;
  bits ^= (bits << 15) & 0xefc60000;
  return bits ^ (bits >>> 18);
}
