/**
 * Owns the generator that initial values are drawn from: one stream of numbers, whose large arrays a
 * native thread fills, in their order, while the event loop goes on.
 *
 * Policy: the stream begins here, and moves to the native generator with the first large array; what
 * follows is drawn there too. Where the addon cannot be loaded it stays here. The numbers are the
 * same either way.
 */

import { errorFromNative, NativeError } from '../errors.js';
import { addon, type RawGenerator } from '../program/addon.js';
import type { Filling } from '../program/host-values.js';
import { type Distribution, RandomStream } from './stream.js';

/** Elements from which an array is handed over: fewer are drawn in less than a millisecond. */
export const worthHandingOver = 1 << 16;

/** One stream of random numbers. */
export class BackgroundGenerator {
  readonly #local: RandomStream;
  #native: RawGenerator | undefined;
  #isHereForGood = false;
  #filling: Promise<void> | undefined;

  /** @param seed As {@link RandomStream} takes it. */
  constructor(seed: number) {
    this.#local = new RandomStream(seed);
  }

  /**
   * Fills `out` with the stream's next numbers, as {@link RandomStream} does.
   *
   * @returns Where the array is filled later: what to wait for. undefined where it is filled.
   */
  fill(out: Float32Array, distribution: Distribution): Filling | undefined {
    if (out.length >= worthHandingOver) this.#handOver();
    const native = this.#native;
    if (native === undefined) {
      this.#local.fill(out, distribution);
      return undefined;
    }
    const asked = ask(native, out, distribution);
    this.#filling ??= this.#fill(native);
    return { source: this, done: this.#filling, finish: () => native.finish(asked) };
  }

  /**
   * Begins once the code at hand has come to its end: the other thread would compete with it for the
   * cores, and it may make more layers, or read what it has made.
   */
  #fill(native: RawGenerator): Promise<void> {
    const done = Promise.resolve().then(() => {
      this.#filling = undefined;
      return native.start();
    });
    // Who waits is told; most never do.
    done.catch(() => {});
    return done;
  }

  #handOver(): void {
    if (this.#native !== undefined || this.#isHereForGood) return;
    try {
      const { bits, spare } = this.#local;
      const { words, next } = bits.state;
      this.#native = new (addon().Generator)(words, next, spare);
    } catch (error) {
      if (!(error instanceof NativeError)) throw errorFromNative(error);
      this.#isHereForGood = true;
    }
  }
}

function ask(native: RawGenerator, out: Float32Array, distribution: Distribution): number {
  switch (distribution.kind) {
    case 'uniform':
      return native.fillUniform(out, distribution.from, distribution.to);
    case 'normal':
      return native.fillNormal(out, distribution.mean, distribution.std);
    case 'truncatedNormal': {
      const { mean, std, from, to, byNormals } = distribution;
      return native.fillTruncatedNormal(out, mean, std, from, to, byNormals);
    }
  }
}
