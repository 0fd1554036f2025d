/** Batches that callers make themselves, given to training, evaluation and prediction. */
import { ArgumentError, DTypeError, type LabelledBatch, Predictor, type Trainer } from 'neuronode';
import { describe, expect, onTestFinished, test } from 'vitest';
import { testDevice } from './device.js';
import { learnableDataset, makeTrainer, seededTiny } from './trainer-support.js';

const [one, two] = [0, 1].map((i) => learnableDataset(4, 10).get(i).image);
const bytes = Uint8Array.from([...one!, ...two!]);
const floats = Float32Array.from(bytes, (value) => value / 255);
const rest = { imageShape: [2, 1, 10, 10], label: Int32Array.of(0, 1) };

/** The calls that take a batch; each on a network of its own. */
const calls: [string, (batch: LabelledBatch) => Promise<unknown>][] = [
  ['step', async (batch) => (await makeTrainer(seededTiny(0)).step(batch)).loss],
  ['evaluate', (batch) => makeTrainer(seededTiny(0)).evaluate(loaderOf(batch))],
  ['predict', async (batch) => (await predictor().predict(batch)).probabilities],
];

/** A loader of one batch. */
function loaderOf(batch: LabelledBatch): Parameters<Trainer['evaluate']>[0] {
  const loader = {
    batchSize: 2,
    length: 1,
    async *[Symbol.asyncIterator]() {
      yield batch;
    },
  };
  return loader as unknown as Parameters<Trainer['evaluate']>[0];
}

function predictor(): Predictor {
  const made = new Predictor(seededTiny(0), { device: testDevice });
  onTestFinished(() => made.dispose());
  return made;
}

describe.each(calls)('%s', (_, call) => {
  test('takes a canvas’s bytes as bytes', async () => {
    expect(await call({ ...rest, image: Uint8ClampedArray.from(bytes) })).toEqual(
      await call({ ...rest, image: bytes }),
    );
  });

  test('refuses mean and std beside floats, which it uses as they are', async () => {
    for (const wrong of [{ mean: [0.5] }, { std: [0.5] }, { mean: [0.5], std: [0.5] }]) {
      const error = await call({ ...rest, image: floats, ...wrong }).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(ArgumentError);
      expect((error as Error).message).toMatch(
        /no mean and std for images that are a Float32Array/,
      );
      expect((error as Error).message).toContain('(x - mean) / std');
    }
    const plain = await call({ ...rest, image: floats });
    expect(await call({ ...rest, image: floats, mean: [0], std: [1] })).toEqual(plain);
  });

  test.each([
    ['a Proxy', new Proxy(bytes, {}), 'got a Proxy'],
    ['an array whose memory was moved away', detached(), 'its buffer is detached'],
  ])('refuses images that are %s', async (__, image, what) => {
    const error = await call({ ...rest, image }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(DTypeError);
    expect((error as Error).message).toContain(what);
  });

  test.each(['image', 'imageShape', 'mean', 'std'])(
    'names a getter that throws: %s',
    async (name) => {
      const reason = new RangeError('mine');
      const batch = withGetter({ ...rest, image: bytes }, name, () => {
        throw reason;
      });
      const error = await call(batch).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(ArgumentError);
      expect(error).toMatchObject({ cause: reason });
      expect((error as Error).message).toContain(`expects ${name} to be readable`);
    },
  );

  test.each([
    ['image', bytes, new Uint8Array(200)],
    ['imageShape', [2, 1, 10, 10], [1, 1, 10, 10]],
    ['mean', [0.25], [0.5]],
    ['std', [0.25], [0.5]],
    ['label', Int32Array.of(0, 1), Int32Array.of(7)],
  ])('uses what it checked, where a getter changes: %s', async (name, first, later) => {
    const plain = { ...rest, image: bytes };
    let reads = 0;
    const changing = withGetter(plain, name, () => (reads++ === 0 ? first : later));
    const wanted = await call({ ...plain, [name]: first });
    expect(await call(changing)).toEqual(wanted);
    expect(reads).toBeLessThanOrEqual(1);
  });
});

test.each(calls.slice(0, 2))(
  '%s names a label getter that throws, and a Proxy',
  async (_, call) => {
    const plain = { ...rest, image: bytes };
    const reason = new RangeError('mine');
    const throwing = withGetter(plain, 'label', () => {
      throw reason;
    });
    await expect(call(throwing)).rejects.toMatchObject({ code: 'ERR_NN_ARGUMENT', cause: reason });
    const label = new Proxy(rest.label, {});
    await expect(call({ ...plain, label })).rejects.toThrow('got a Proxy');
  },
);

test('compile refuses mean and std for floats', async () => {
  const trainer = makeTrainer(seededTiny(0));
  const options = { batchSize: 2, imageShape: [1, 10, 10], dtype: 'f32' } as const;
  await expect(trainer.compile({ ...options, mean: [0.5] })).rejects.toThrow(
    'Trainer.compile expects no mean and std for images that are a Float32Array',
  );
  await trainer.compile({ ...options, mean: [0], std: [1] });
});

function withGetter(batch: LabelledBatch, name: string, get: () => unknown): LabelledBatch {
  return Object.defineProperty({ ...batch }, name, { enumerable: true, get });
}

function detached(): Uint8Array {
  const array = Uint8Array.from(bytes);
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
}
