/**
 * Owns the order in which a loader visits its samples.
 *
 * Policy: the order is a function of (length, seed, epoch) alone. A shuffled order is drawn lazily,
 * batch by batch, so that an epoch of any length starts without a pause.
 */
import { Mt19937 } from '../random/index.js';

/** Source of the next sample indices of one epoch. */
export interface Order {
  /** The next `count` indices (the caller asks for no more than are left). */
  take(count: number): Uint32Array;
}

/** Indices 0, 1, 2, ... */
export function sequentialOrder(): Order {
  let next = 0;
  return { take: (count) => Uint32Array.from({ length: count }, () => next++) };
}

/**
 * A permutation of 0..length-1: Fisher-Yates from the front, drawing from MT19937.
 *
 * @param seed Any safe integer; all its bits count.
 * @param epoch Number of the epoch; each has a permutation of its own.
 */
export function shuffledOrder(length: number, seed: number, epoch: number): Order {
  const generator = new Mt19937(epochSeed(seed, epoch));
  const indices = Uint32Array.from({ length }, (_, i) => i);
  let done = 0;
  return {
    take(count) {
      for (let i = done; i < done + count; i++) {
        const j = i + uniformBelow(length - i, () => generator.nextUint32());
        const picked = indices[j]!;
        indices[j] = indices[i]!;
        indices[i] = picked;
      }
      done += count;
      return indices.slice(done - count, done);
    },
  };
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
