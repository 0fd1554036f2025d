/** Long work on the event loop gives others their turn, however it is divided into arrays. */
import { describe, expect, test } from 'vitest';
import { Pace } from '../../dist/pace.js';
import { copyInSlices } from '../../dist/program/copy.js';
import { fingerprint } from '../../dist/program/fingerprint.js';
import { firstNotFinite } from '../../dist/train/finite.js';

/** Turns that others get while some work is done. */
async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
  let turns = 0;
  let isDone = false;
  const count = () => {
    turns += 1;
    if (!isDone) setImmediate(count);
  };
  setImmediate(count);
  await work();
  isDone = true;
  return turns;
}

test('a pace pauses when the work since the last pause would be too much', async () => {
  const pace = new Pace(10);
  expect(await turnsDuring(() => pace.take(6))).toBe(0);
  expect(await turnsDuring(() => pace.take(4))).toBe(0);
  expect(await turnsDuring(() => pace.take(1))).toBe(1);
  expect(await turnsDuring(() => pace.take(9))).toBe(0);
  expect(await turnsDuring(() => pace.take(100))).toBe(1);
});

describe.each([
  ['one large array', 1, 1 << 21],
  ['many small arrays', 256, 1 << 13],
])('%s', (_, count, length) => {
  const arrays = Array.from({ length: count }, () => new Float32Array(length).fill(1));

  test('are copied with pauses', async () => {
    const copies: Float32Array[] = [];
    const work = async () => {
      for (const array of arrays) copies.push(await copyInSlices(array));
    };
    expect(await turnsDuring(work)).toBeGreaterThanOrEqual(3);
    expect(copies.every((copy) => copy.length === length && copy.every((x) => x === 1))).toBe(true);
  });

  test('are searched with pauses', async () => {
    const tensors = Object.fromEntries(
      arrays.map((data, i) => [`tensor.${i}`, { data, shape: [length] }]),
    );
    expect(await turnsDuring(() => firstNotFinite(tensors))).toBeGreaterThanOrEqual(15);
    tensors[`tensor.${count - 1}`]!.data[length - 1] = Number.NaN;
    expect(await firstNotFinite(tensors)).toBe(`tensor.${count - 1}`);
    tensors[`tensor.${count - 1}`]!.data[length - 1] = 1;
  });

  test('are compared with pauses', async () => {
    const work = async () => {
      for (const array of arrays) await fingerprint(array);
    };
    expect(await turnsDuring(work)).toBeGreaterThanOrEqual(15);
  });
});
