/** Transforms that users write: on the calling thread and on workers, and what becomes of errors. */
import { data, TransformError } from 'neuronode';
import { describe, expect, it } from 'vitest';
import { collect, syntheticDataset, watchWorkers } from './data-support.js';
// @ts-expect-error: plain JavaScript, as worker threads run it.
import * as users from './user-transforms.mjs';

const { Shift, FirstRow, Overwrite, FailFor, OnlyHere } = users as Record<
  string,
  new (
    ...args: unknown[]
  ) => data.Transform
>;
const { Compose, DataLoader, Resize, ToTensor } = data;

type Options = data.DataLoaderOptions;

async function epochs(transform: data.TransformStep, options: Options, count = 1) {
  await using loader = new DataLoader(syntheticDataset(40, { transform }), {
    batchSize: 8,
    ...options,
  });
  const all = [];
  for (let i = 0; i < count; i++) all.push(await collect(loader));
  return all;
}

describe('a transform of a user', () => {
  it('gives the same on any number of workers, and another thing each epoch and seed', async () => {
    const chain = new Compose([new Shift!(), new Resize(6), new Shift!(), new ToTensor()]);
    const options = { seed: 3, shuffle: true };
    const alone = await epochs(chain, { ...options, numWorkers: 0 }, 2);
    expect(await epochs(chain, { ...options, numWorkers: 1 }, 2)).toEqual(alone);
    expect(await epochs(chain, { ...options, numWorkers: 3, prefetchFactor: 1 }, 2)).toEqual(alone);
    const [first] = await epochs(chain, { ...options, shuffle: false });
    const [second] = await epochs(chain, { seed: 4 });
    expect(second).not.toEqual(first);
  });

  it('draws by the index of the sample, wherever it stands in the batches', async () => {
    const transform = new Shift!();
    const [large] = await epochs(transform, { seed: 1, batchSize: 20 });
    const [small] = await epochs(transform, { seed: 1, batchSize: 5, numWorkers: 2 });
    expect(small!.flatMap((batch) => batch.image)).toEqual(large!.flatMap((batch) => batch.image));
    const dataset = syntheticDataset(40, { transform });
    const one = dataset.get(23, { seed: 1, epoch: 0 });
    expect([...one.image]).toEqual(large![1]!.image.slice(3 * 16, 4 * 16));
    expect(dataset.get(23, { seed: 1, epoch: 1 })).not.toEqual(one);
  });

  it('of a dataset with a get of its own is given the seed and the epoch', async () => {
    const draws: data.Draw[] = [];
    const dataset = {
      length: 1,
      imageShape: [1, 1, 1] as const,
      get(_: number, draw: data.Draw) {
        draws.push(draw);
        return { image: Uint8Array.of(1), label: 0 };
      },
    };
    const loader = new DataLoader(dataset, { seed: 5 });
    await collect(loader);
    await collect(loader);
    expect(draws).toEqual([
      { seed: 5, epoch: 0 },
      { seed: 5, epoch: 1 },
    ]);
  });

  it('may change the shape, where it says so', async () => {
    const chain = new Compose([new FirstRow!(), new Resize([2, 2])]);
    const dataset = syntheticDataset(3, { transform: chain });
    const [row] = [syntheticDataset(3).get(1).image.subarray(0, 4)];
    expect(syntheticDataset(3, { transform: new FirstRow!() }).get(1).image).toEqual(row);
    expect(dataset.imageShape).toEqual([1, 2, 2]);
    const { image } = new Resize([2, 2]).apply(row as Uint8Array, [1, 1, 4]);
    expect(dataset.get(1).image).toEqual(image);
  });

  it.each([0, 2])('cannot change the dataset, with %i workers', async (numWorkers) => {
    const images = new Uint8Array(new SharedArrayBuffer(32));
    const dataset = new data.TensorDataset({
      images,
      imageShape: [1, 4, 4],
      labels: [0, 1],
      transform: new Overwrite!(),
    });
    await using loader = new DataLoader(dataset, { numWorkers });
    expect((await collect(loader)).map(({ image }) => image[0])).toEqual([9, 9]);
    expect(images).toEqual(new Uint8Array(images.length));
  });

  it.each([0, 2])(
    'that throws names the sample, with %i workers, and the next epoch is whole',
    async (numWorkers) => {
      const transform = new Compose([new Overwrite!(), new FailFor!(9, 'throw')]);
      await using all = new DataLoader(syntheticDataset(9, { transform }), { numWorkers });
      await expect(collect(all)).rejects.toThrowError(
        expect.objectContaining({ code: 'ERR_NN_TRANSFORM', sample: 0 }),
      );
      const started = watchWorkers();
      // Image 5 begins with 5 * 31.
      const dataset = syntheticDataset(7, { transform: new FailFor!(155, 'throw') });
      await using loader = new DataLoader(dataset, { batchSize: 2, numWorkers });
      const error = await collect(loader).then(undefined, (reason) => reason);
      expect(error).toBeInstanceOf(TransformError);
      expect(error).toMatchObject({
        code: 'ERR_NN_TRANSFORM',
        dataset: 'TensorDataset',
        sample: 5,
        transform: 'FailFor',
        message: 'TensorDataset: transform FailFor failed for sample 5: RangeError: no such pixel',
        cause: expect.objectContaining({ name: 'RangeError', message: 'no such pixel' }),
      });
      loader.setEpoch(1, 3);
      expect(await collect(loader)).toHaveLength(1);
      expect(started).toHaveLength(numWorkers);
    },
  );

  it.each([
    ['promise', 'expected apply to return { image, shape } with an image of bytes, got Promise'],
    ['array', 'with an image of bytes, got ['],
    ['shape', 'an image of shape [1, 4, 4], as outputShape says, got [1, 1, 16]'],
    ['pixels', 'expected apply to return 16 bytes for shape [1, 4, 4], got 15'],
    ['throw a function', 'failed for sample 2: function'],
  ])('that returns no image (%s) is told of it, on a worker too', async (how, message) => {
    for (const numWorkers of [0, 1]) {
      const transform = new FailFor!(62, how);
      await expect(epochs(transform, { numWorkers })).rejects.toThrowError(
        expect.objectContaining({
          code: 'ERR_NN_TRANSFORM',
          sample: 2,
          message: expect.stringContaining(message),
        }),
      );
    }
  });
});

describe('a recipe for workers', () => {
  const apply = (image: Uint8Array, shape: data.ImageShape) => ({ image, shape });
  const loader = (transform: data.Transform, numWorkers = 1) =>
    new DataLoader(syntheticDataset(2, { transform }), { numWorkers });

  it('is needed for workers alone', async () => {
    expect(await collect(loader({ apply }, 0))).toHaveLength(2);
    expect(() => loader({ apply })).toThrowError(
      expect.objectContaining({
        code: 'ERR_NN_ARGUMENT',
        message: expect.stringMatching(/to say how a worker thread makes it.*numWorkers: 0/s),
      }),
    );
  });

  it.each([
    ['no address', { module: './here.js', export: 'X' }, 'worker.module'],
    ['no name', { module: import.meta.url, export: '' }, 'worker.export'],
    ['no list', { module: import.meta.url, export: 'X', args: 3 }, 'worker.args to be a list'],
    ['a function', { module: import.meta.url, export: 'X', args: [() => 1] }, 'structuredClone'],
  ])('with %s is refused', (_, worker, message) => {
    const transform = { apply, worker: worker as data.WorkerRecipe };
    expect(() => loader(transform)).toThrowError(
      expect.objectContaining({
        code: 'ERR_NN_ARGUMENT',
        message: expect.stringContaining(message),
      }),
    );
  });

  it.each([
    ['a module that is not there', { module: 'file:///nowhere.mjs', export: 'X' }, /nowhere/],
    [
      'an export that is not there',
      { module: new URL('./user-transforms.mjs', import.meta.url), export: 'Nothing' },
      /new Nothing\(\.\.\.\) of file:.*not a constructor/,
    ],
    [
      'what has no apply',
      { module: 'data:text/javascript,export class X {}', export: 'X' },
      /apply/,
    ],
  ])('with %s fails the batches, with the reason', async (_, worker, message) => {
    await using batches = loader({ apply, worker });
    await expect(collect(batches)).rejects.toThrowError(
      expect.objectContaining({
        code: 'ERR_NN_WORKER',
        message: expect.stringMatching(message),
      }),
    );
  });

  it('whose constructor throws says why', async () => {
    await using batches = loader(new OnlyHere!(false));
    await expect(collect(batches)).rejects.toThrowError(
      expect.objectContaining({
        code: 'ERR_NN_WORKER',
        message: expect.stringContaining('not on a worker'),
      }),
    );
  });
});

describe('an announced shape', () => {
  const apply = (image: Uint8Array, shape: data.ImageShape) => ({ image, shape });
  const dataset = (outputShape: unknown, more: data.TransformStep[] = []) =>
    syntheticDataset(2, {
      transform: new Compose([{ apply, outputShape } as data.Transform, ...more]),
    });

  it('may leave a size open where something behind it settles it', () => {
    const open = ([channels]: data.PlannedShape) => [channels, null, null];
    expect(dataset(open, [new Resize([3, 5])]).imageShape).toEqual([1, 3, 5]);
    expect(dataset(open, [new Resize([3, 5])]).get(1).image).toHaveLength(15);
    expect(() => dataset(open, [new Resize(3)])).toThrowError(
      expect.objectContaining({
        code: 'ERR_NN_ARGUMENT',
        message: expect.stringContaining('images of one size'),
      }),
    );
  });

  it.each([
    ['no shape', () => 3],
    ['two sizes', () => [4, 4]],
    ['open channels', () => [null, 4, 4]],
    ['a size of 0', () => [1, 0, 4]],
    [
      'an error',
      () => {
        throw new Error('cannot say');
      },
    ],
  ])('that is %s is refused', (_, outputShape) => {
    expect(() => dataset(outputShape)).toThrowError(
      expect.objectContaining({
        code: 'ERR_NN_ARGUMENT',
        message: expect.stringContaining('outputShape'),
      }),
    );
  });
});

describe('the random numbers of a sample', () => {
  const { SampleRandom } = data;
  const draw = { seed: 0, epoch: 0 };

  it('are those of Philox4x32-10', () => {
    // Known answers of Random123: counter and key of ones, through the parts of which they are made.
    const random = new SampleRandom({ seed: 2 ** 53 - 1, epoch: 2 ** 32 - 1 }, 2 ** 32 - 1);
    const first = Array.from({ length: 4 }, () => random.nextUint32());
    expect(first).toEqual(
      reference([0, 0xffffffff, 0xffffffff, 0x6175676d], [0xffffffff, 0x1fffff]),
    );
    const next = Array.from({ length: 4 }, () => random.nextUint32());
    expect(next).toEqual(
      reference([1, 0xffffffff, 0xffffffff, 0x6175676d], [0xffffffff, 0x1fffff]),
    );
    // The reference itself, against Random123's known answers.
    expect(reference([0, 0, 0, 0], [0, 0])).toEqual([
      0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8,
    ]);
  });

  it('have the distributions that their names say', () => {
    const random = new SampleRandom(draw, 0);
    const n = 20_000;
    const mean = (next: () => number) =>
      Array.from({ length: n }, next).reduce((a, b) => a + b) / n;
    expect(mean(() => random.uniform(2, 6))).toBeCloseTo(4, 1);
    expect(mean(() => random.uniform() ** 2)).toBeCloseTo(1 / 3, 1);
    expect(mean(() => random.normal(3, 2))).toBeCloseTo(3, 1);
    expect(mean(() => random.normal() ** 2)).toBeCloseTo(1, 1);
    expect(mean(() => Number(random.chance(0.3)))).toBeCloseTo(0.3, 1);
    const counts = new Array<number>(7).fill(0);
    for (let i = 0; i < n; i++) counts[random.integer(7)]! += 1;
    for (const count of counts) expect(Math.abs(count - n / 7)).toBeLessThan(300);
    const orders = new Map<string, number>();
    for (let i = 0; i < n; i++) {
      const order = random.permutation(3).join('');
      orders.set(order, (orders.get(order) ?? 0) + 1);
    }
    expect([...orders.keys()].sort()).toEqual(['012', '021', '102', '120', '201', '210']);
    for (const count of orders.values()) expect(Math.abs(count - n / 6)).toBeLessThan(300);
  });

  it('differ between samples, epochs and seeds', () => {
    const first = (seed: number, epoch: number, index: number) =>
      new SampleRandom({ seed, epoch }, index).nextUint32();
    const all = [
      first(0, 0, 0),
      first(0, 0, 1),
      first(0, 1, 0),
      first(1, 0, 0),
      first(2 ** 32, 0, 0),
    ];
    expect(new Set(all).size).toBe(all.length);
    expect(first(0, 0, 0)).toBe(all[0]);
  });
});

/** Philox4x32-10 as its paper writes it, in big integers. */
function reference(counter: number[], key: number[]): number[] {
  const mask = 0xffffffffn;
  let [c0, c1, c2, c3] = counter.map(BigInt) as [bigint, bigint, bigint, bigint];
  let [k0, k1] = key.map(BigInt) as [bigint, bigint];
  for (let round = 0; round < 10; round++) {
    const p0 = 0xd2511f53n * c0;
    const p1 = 0xcd9e8d57n * c2;
    [c0, c1, c2, c3] = [(p1 >> 32n) ^ c1 ^ k0, p1 & mask, (p0 >> 32n) ^ c3 ^ k1, p0 & mask];
    k0 = (k0 + 0x9e3779b9n) & mask;
    k1 = (k1 + 0xbb67ae85n) & mask;
  }
  return [c0, c1, c2, c3].map(Number);
}
