/**
 * Owns how two sides are timed: in turn, one run of ours and one of the peer's, so that a machine
 * that slows down slows both; each after a pause in which the other side's threads fall asleep.
 */
import { setTimeout as sleep } from 'node:timers/promises';

/** One run of some work, giving its milliseconds. */
export type Run = () => Promise<number>;

/** Pause before a side is timed: libgomp's threads spin for milliseconds after their last work. */
export const PAUSE_MS = 50;

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Milliseconds of `body`. */
export async function timed(body: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await body();
  return performance.now() - start;
}

/**
 * Medians of `rounds` runs of each side, after `warmUps` runs that are not counted. Without a peer
 * its median is undefined.
 */
export async function interleave(
  ours: Run,
  peer: Run | undefined,
  rounds: number,
  warmUps: number,
): Promise<{ ours: number; peer: number | undefined }> {
  const sides = peer === undefined ? [ours] : [ours, peer];
  const times = sides.map((): number[] => []);
  for (let round = -warmUps; round < rounds; round++) {
    for (const [side, run] of sides.entries()) {
      await sleep(PAUSE_MS);
      const milliseconds = await run();
      if (round >= 0) times[side]!.push(milliseconds);
    }
  }
  return { ours: median(times[0]!), peer: times[1] && median(times[1]) };
}
