/** The order of samples: its values, and how little of the event loop and of memory it takes. */
import { createHash } from 'node:crypto';
import { data } from 'neuronode';
import { describe, expect, it } from 'vitest';
// Inside view: orders of lengths that no test's dataset has.
import { sequentialOrder, shuffledOrder } from '../../dist/data/loader/order.js';

/** Counts turns of the event loop while `work` runs. */
async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  let turns = 0;
  let isOver = false;
  const count = () => {
    turns += 1;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  await work();
  isOver = true;
  return turns;
}

describe('a shuffled order', () => {
  // MD5 of the order as little-endian words: a change would give every saved run another order.
  it.each([
    [100_000, 7, 0, 'bf079999064167d864d2a236b733bf77'],
    [100_000, 7, 3, '555cfee5ac21da87ee3df66170c0b141'],
    [65_537, 2 ** 40 + 1, 2, '0441acb9f8887134754165151aeffe7f'],
  ])('never changes: %i indices, seed %i, epoch %i', async (length, seed, epoch, md5) => {
    for (const part of [1000, 33_333, length]) {
      const order = shuffledOrder(length, seed, epoch);
      const hash = createHash('md5');
      for (let left = length; left > 0; left -= part) {
        hash.update(await order.take(Math.min(part, left)));
      }
      expect(hash.digest('hex')).toBe(md5);
    }
  });

  it('goes on behind indices that were skipped', async () => {
    const whole = await shuffledOrder(50_000, 3, 1).take(50_000);
    const rest = shuffledOrder(50_000, 3, 1);
    await rest.skip(20_001);
    expect(await rest.take(29_999)).toEqual(whole.subarray(20_001));
  });

  it('begins without a pass over its indices', async () => {
    const before = process.memoryUsage().rss;
    const order = shuffledOrder(50_000_000, 1, 0);
    const first = await order.take(3);
    // 50 million indices are 191 MiB, which a pass would have brought into memory.
    expect((process.memoryUsage().rss - before) / 2 ** 20).toBeLessThan(60);
    expect(new Set(first).size).toBe(3);
  });
});

describe('many indices at once', () => {
  it.each([
    ['skipped of a shuffled order', () => shuffledOrder(400_000, 1, 0).skip(400_000)],
    ['taken of a shuffled order', () => shuffledOrder(400_000, 1, 0).take(400_000)],
    ['taken of a plain order', () => sequentialOrder().take(400_000)],
  ])('leave the event loop its turns: %s', async (_, work) => {
    // No more than 20,000 of them between two turns.
    expect(await turnsDuring(work)).toBeGreaterThanOrEqual(20);
  });

  it('do so in a loader that resumes in the middle of an epoch', async () => {
    const length = 400_000;
    const dataset = new data.TensorDataset({
      images: new Uint8Array(length),
      imageShape: [1, 1, 1],
      labels: new Int32Array(length),
    });
    const loader = new data.DataLoader(dataset, { batchSize: 8, shuffle: true, seed: 1 });
    loader.setEpoch(0, length / 8 - 1);
    const iterator = loader[Symbol.asyncIterator]();
    expect(await turnsDuring(() => iterator.next())).toBeGreaterThanOrEqual(20);
  });
});
