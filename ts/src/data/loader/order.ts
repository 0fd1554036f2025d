/**
 * Owns the order in which a loader visits its samples.
 *
 * Policy: the order is a function of (length, seed, epoch) alone. A shuffled order is drawn lazily,
 * batch by batch, and begins without a pass over its indices; where many are drawn at once, as to
 * resume in the middle of an epoch, the event loop gets its turns.
 */
import { setImmediate } from 'node:timers/promises';
import { Mt19937 } from '../../random/index.js';

/** Source of the next sample indices of one epoch. One call at a time. */
export interface Order {
  /** The next `count` indices (the caller asks for no more than are left). */
  take(count: number): Promise<Uint32Array>;
  /** Passes over the next `count` indices. */
  skip(count: number): Promise<void>;
}

/** Indices drawn between two turns of the event loop: 2 ms where each misses the cache. */
export const SLICE_DRAWS = 1 << 14;

/** Indices 0, 1, 2, ... */
export function sequentialOrder(): Order {
  let next = 0;
  return {
    async take(count) {
      const indices = new Uint32Array(count);
      await inSlices(count, (i) => {
        indices[i] = next++;
      });
      return indices;
    },
    async skip(count) {
      next += count;
    },
  };
}

/**
 * A permutation of 0..length-1: Fisher-Yates from the front, drawing from MT19937.
 *
 * @param seed Any safe integer; all its bits count.
 * @param epoch Number of the epoch; each has a permutation of its own.
 */
export function shuffledOrder(length: number, seed: number, epoch: number): Order {
  const generator = new Mt19937(epochSeed(seed, epoch));
  const next = () => generator.nextUint32();
  // At i stands (index at i) ^ i, so that memory as it comes, all zeros, is the identity.
  const moved = new Uint32Array(length);
  let done = 0;
  /** Draws the index at `done`. */
  const draw = () => {
    const i = done++;
    const j = i + uniformBelow(length - i, next);
    const picked = (moved[j]! ^ j) >>> 0;
    moved[j] = moved[i]! ^ i ^ j;
    moved[i] = picked ^ i;
    return picked;
  };
  return {
    async take(count) {
      const indices = new Uint32Array(count);
      await inSlices(count, (i) => {
        indices[i] = draw();
      });
      return indices;
    },
    skip: (count) => inSlices(count, draw),
  };
}

/** Calls `each` for 0..count-1, with turns of the event loop between. */
async function inSlices(count: number, each: (i: number) => void): Promise<void> {
  for (let i = 0; i < count; i++) {
    if (i > 0 && i % SLICE_DRAWS === 0) await setImmediate();
    each(i);
  }
}

/** A uniform integer from 0 to limit-1: draws that would favour small numbers are rejected. */
function uniformBelow(limit: number, nextUint32: () => number): number {
  const fair = 2 ** 32 - (2 ** 32 % limit);
  for (;;) {
    const draw = nextUint32();
    if (draw < fair) return draw % limit;
  }
}

/** 32 well-mixed bits of (seed, epoch). For one seed, different epochs never share a value. */
function epochSeed(seed: number, epoch: number): number {
  const low = seed >>> 0;
  const high = Math.floor(seed / 2 ** 32) >>> 0;
  return mix32(mix32(mix32(high) ^ low) + epoch);
}

/** The finalizer of MurmurHash3: a bijection on 32-bit words. */
function mix32(word: number): number {
  let h = word >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
