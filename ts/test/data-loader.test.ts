/** DataLoader: batches, orders, lifetimes, and what it refuses. */
import { DisposedError, data, manualSeed } from 'neuronode';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
// Inside view: what memory is left.
import { addon } from '../../dist/program/addon.js';
import { collect, countLooksAtClock, syntheticDataset } from './data-support.js';

const { DataLoader, Normalize, Resize, TensorDataset } = data;

/** Labels of an epoch whose dataset has the label i at index i. */
async function order(loader: data.DataLoader): Promise<number[]> {
  return (await collect(loader)).flatMap(({ label }) => label);
}

function countingDataset(length: number): data.TensorDataset {
  const labels = Array.from({ length }, (_, i) => i);
  return new TensorDataset({ images: new Uint8Array(length), imageShape: [1, 1, 1], labels });
}

describe('batches', () => {
  const dataset = syntheticDataset(10, { imageShape: [2, 3, 4] });

  it('hold images, labels, sizes and numbers', async () => {
    const batches: data.Batch[] = [];
    for await (const batch of new DataLoader(dataset, { batchSize: 4 })) batches.push(batch);
    expect(batches.map((b) => [b.index, b.epoch, b.size])).toEqual([
      [0, 0, 4],
      [1, 0, 4],
      [2, 0, 2],
    ]);
    expect(batches.map((b) => b.imageShape)).toEqual([
      [4, 2, 3, 4],
      [4, 2, 3, 4],
      [2, 2, 3, 4],
    ]);
    expect([...batches[2]!.label]).toEqual([8, 9]);
    expect(batches[2]!.label).toBeInstanceOf(Int32Array);
    expect(batches[2]!.image).toEqual(
      Uint8Array.from([...dataset.get(8).image, ...dataset.get(9).image]),
    );
    expect(batches[0]).toMatchObject({ mean: [0, 0], std: [1, 1] });
  });

  it('are resized, and carry the mean and std of Normalize', async () => {
    const transform = new data.Compose([
      new Resize([6, 2]),
      new data.ToTensor(),
      new Normalize([0.1, 0.2], [0.3, 0.4]),
    ]);
    const resized = syntheticDataset(3, { imageShape: [2, 3, 4], transform });
    const loader = new DataLoader(resized, { batchSize: 2 });
    for await (const batch of loader) {
      expect(batch.imageShape).toEqual([batch.size, 2, 6, 2]);
      expect(batch).toMatchObject({ mean: [0.1, 0.2], std: [0.3, 0.4] });
      const expected = Array.from({ length: batch.size }, (_, i) => [
        ...resized.get(batch.index * 2 + i).image,
      ]);
      expect([...batch.image]).toEqual(expected.flat());
    }
  });

  it('have PyTorch’s defaults: one sample each, in order, the last one kept', async () => {
    const loader = new DataLoader(dataset);
    expect(loader).toMatchObject({ batchSize: 1, shuffle: false, numWorkers: 0, dropLast: false });
    expect(loader.length).toBe(10);
    expect(await order(loader)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('leave out a smaller last batch on request', async () => {
    const loader = new DataLoader(dataset, { batchSize: 4, dropLast: true });
    expect(loader.length).toBe(2);
    expect((await collect(loader)).map(({ index }) => index)).toEqual([0, 1]);
    expect(new DataLoader(dataset, { batchSize: 4 }).length).toBe(3);
    expect(new DataLoader(dataset, { batchSize: 11, dropLast: true }).length).toBe(0);
  });

  it('are none where the dataset is empty', async () => {
    expect(await collect(new DataLoader(countingDataset(0), { shuffle: true }))).toEqual([]);
  });
});

describe('the order', () => {
  const shuffled = (options: data.DataLoaderOptions = {}) =>
    new DataLoader(countingDataset(1000), { batchSize: 64, shuffle: true, seed: 1, ...options });

  it('is a permutation that depends on the seed and the epoch', async () => {
    const loader = shuffled();
    const first = await order(loader);
    const second = await order(loader);
    expect(first.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    expect(second).not.toEqual(first);
    expect(await order(shuffled())).toEqual(first);
    expect(await order(shuffled({ seed: 2 }))).not.toEqual(first);
    expect(await order(shuffled({ seed: 1 + 2 ** 32 }))).not.toEqual(first);
    expect(await order(shuffled({ batchSize: 7 }))).toEqual(first);
  });

  it('never changes between versions', async () => {
    expect((await order(shuffled())).slice(0, 8)).toMatchInlineSnapshot(`
      [
        528,
        568,
        534,
        704,
        537,
        368,
        424,
        513,
      ]
    `);
  });

  it('is unbiased: every index comes to every place equally often', async () => {
    const counts = new Float64Array(16);
    const loader = new DataLoader(countingDataset(4), { batchSize: 4, shuffle: true, seed: 3 });
    const epochs = 4000;
    for (let epoch = 0; epoch < epochs; epoch++) {
      (await order(loader)).forEach((index, place) => {
        counts[index * 4 + place]! += 1;
      });
    }
    // 16 cells of a mean of 1000 and a standard deviation of about 27: five of them.
    for (const count of counts) expect(Math.abs(count - epochs / 4)).toBeLessThan(137);
  });

  it('continues where setEpoch says', async () => {
    const loader = shuffled();
    const epochs = [await order(loader), await order(loader), await order(loader)];
    const resumed = shuffled();
    resumed.setEpoch(1);
    expect(resumed.epoch).toBe(1);
    expect(await order(resumed)).toEqual(epochs[1]);
    expect(await order(resumed)).toEqual(epochs[2]);
    resumed.setEpoch(1, 3);
    const rest = await collect(resumed);
    expect(rest[0]!.index).toBe(3);
    expect(rest.flatMap(({ label }) => label)).toEqual(epochs[1]!.slice(3 * 64));
    expect(await order(resumed)).toEqual(epochs[2]);
    resumed.setEpoch(0, 99);
    expect(await order(resumed)).toEqual([]);
  });

  it('follows manualSeed where no seed is given', async () => {
    manualSeed(1);
    const loader = new DataLoader(countingDataset(1000), { batchSize: 64, shuffle: true });
    expect(loader.seed).toBe(1);
    expect(await order(loader)).toEqual(await order(shuffled()));
  });
});

describe('memory', () => {
  const dataset = syntheticDataset(40);

  it('of a batch that is kept never changes', async () => {
    const kept: data.Batch[] = [];
    for await (const batch of new DataLoader(dataset, { batchSize: 8 })) kept.push(batch);
    kept.forEach((batch, b) => {
      const expected = Array.from({ length: 8 }, (_, i) => [...dataset.get(b * 8 + i).image]);
      expect([...batch.image]).toEqual(expected.flat());
    });
  });

  it('of a released batch is reused, and its views become empty', async () => {
    const loader = new DataLoader(dataset, { batchSize: 8 });
    for await (const batch of loader) {
      const { image } = batch;
      expect(image).toHaveLength(128);
      batch.release();
      batch.release();
      expect(image).toHaveLength(0);
      expect(() => batch.image).toThrowError(DisposedError);
      expect(batch.label).toHaveLength(8);
    }
  });

  it('that the caller moved away is not missed', async () => {
    for await (const batch of new DataLoader(dataset, { batchSize: 8 })) {
      structuredClone(batch.image, { transfer: [batch.image.buffer as ArrayBuffer] });
      batch.release();
    }
  });
});

describe('a batch size', () => {
  it('takes memory for the samples that there are', async () => {
    const loader = new DataLoader(syntheticDataset(5), { batchSize: 2 ** 31 - 1 });
    const [batch] = await collect(loader);
    expect(batch).toMatchObject({ label: [0, 1, 2, 3, 4] });
  });

  it.each([0, 2])('beyond all memory is refused before any is taken, numWorkers %i', async (n) => {
    const dataset = new data.TensorDataset({
      images: new Uint8Array(2 ** 20),
      imageShape: [1, 1, 1],
      labels: new Uint8Array(2 ** 20),
      transform: new data.Resize(60_000),
    });
    const loader = new DataLoader(dataset, { batchSize: 2 ** 20, numWorkers: n });
    await expect(collect(loader)).rejects.toMatchObject({
      code: 'ERR_NN_OUT_OF_MEMORY',
      message: expect.stringMatching(
        /^DataLoader: a batch of 1048576 images of \[1, 60000, 60000\] needs \d+ MiB of memory, but/,
      ),
    });
    await loader.close();
  });

  it('is asked for once: later epochs use the same memory', async () => {
    const dataset = new data.TensorDataset({
      images: new Uint8Array(64),
      imageShape: [1, 1, 1],
      labels: new Uint8Array(64),
      transform: new data.Resize(1024),
    });
    const loader = new DataLoader(dataset, { batchSize: 64 });
    const available = vi.spyOn(addon(), 'availableMemory').mockReturnValue(2 ** 26);
    onTestFinished(() => available.mockRestore());
    for (let epoch = 0; epoch < 2; epoch++) {
      for await (const batch of loader) batch.release();
      available.mockReturnValue(0);
    }
    expect(available).toHaveBeenCalledTimes(1);
    const other = new DataLoader(dataset, { batchSize: 64 });
    await expect(collect(other)).rejects.toMatchObject({ code: 'ERR_NN_OUT_OF_MEMORY' });
  });

  it('that memory does not hold is a typed error', async () => {
    const image = new Uint8Array(64 * 64);
    const endless: data.Dataset = {
      length: 2 ** 32 - 1,
      imageShape: [1, 64, 64],
      get: () => ({ image, label: 0 }),
    };
    const loader = new DataLoader(endless, { batchSize: 2 ** 20 });
    const Original = ArrayBuffer;
    vi.stubGlobal(
      'ArrayBuffer',
      new Proxy(Original, {
        construct(target, [bytes]) {
          if (bytes === 2 ** 32) throw new RangeError('Array buffer allocation failed');
          return new target(bytes);
        },
      }),
    );
    onTestFinished(() => {
      vi.unstubAllGlobals();
    });
    await expect(collect(loader)).rejects.toMatchObject({
      code: 'ERR_NN_OUT_OF_MEMORY',
      message: expect.stringContaining('a batch of 4294967296 bytes. Use a smaller batchSize.'),
      cause: expect.any(RangeError),
    });
  });
});

describe('any dataset', () => {
  const fromFunction = (get: data.Dataset['get']): data.Dataset => ({
    length: 5,
    imageShape: [1, 1, 2],
    get,
  });

  it('works without workers, with or without promises', async () => {
    const image = new Uint8Array(2); // one buffer for every sample
    const sync = fromFunction((i) => {
      image.fill(i);
      return { image, label: i };
    });
    const async = fromFunction(async (i) => ({ image: new Uint8Array(2).fill(i), label: i }));
    for (const dataset of [sync, async]) {
      expect(await collect(new DataLoader(dataset, { batchSize: 3 }))).toEqual([
        { index: 0, image: [0, 0, 1, 1, 2, 2], label: [0, 1, 2] },
        { index: 1, image: [3, 3, 4, 4], label: [3, 4] },
      ]);
    }
  });

  it('may be a TensorDataset with a get of its own, which then gives the samples', async () => {
    class Inverted extends TensorDataset {
      override get(index: number): data.Sample {
        const { image, label } = super.get(index);
        return { image: image.map((pixel) => 255 - pixel), label: label + 1 };
      }
    }
    const images = Uint8Array.of(0, 1, 2, 3);
    const inverted = new Inverted({ images, imageShape: [1, 1, 2], labels: [4, 5] });
    expect(await collect(new DataLoader(inverted, { batchSize: 2 }))).toEqual([
      { index: 0, image: [255, 254, 253, 252], label: [5, 6] },
    ]);
    expect(() => new DataLoader(inverted, { numWorkers: 1 })).toThrowError(
      expect.objectContaining({ code: 'ERR_NN_ARGUMENT' }),
    );
  });

  it('may have a mean and a std', async () => {
    const dataset = { ...fromFunction(() => ({ image: new Uint8Array(2), label: 0 })) };
    const loader = new DataLoader({ ...dataset, mean: [0.5], std: [0.2] });
    for await (const batch of loader) expect(batch).toMatchObject({ mean: [0.5], std: [0.2] });
    for (const mean of [[0.5, 0.5], null, 0.5, ['0.5']]) {
      const wrong = { ...dataset, mean } as data.Dataset;
      expect(() => new DataLoader(wrong)).toThrowError('one value per channel (1), got');
    }
  });

  it('passes on what get throws', async () => {
    const reason = new Error('no such image');
    const fails = fromFunction(() => {
      throw reason;
    });
    const rejects = fromFunction(() => Promise.reject(reason));
    await expect(collect(new DataLoader(fails))).rejects.toBe(reason);
    await expect(collect(new DataLoader(rejects))).rejects.toBe(reason);
  });

  it.each<[string, unknown, string]>([
    ['too few bytes', { image: new Uint8Array(1), label: 0 }, 'ERR_NN_SHAPE'],
    ['too many floats', { image: new Float32Array(3), label: 0 }, 'ERR_NN_SHAPE'],
    ['no image', { label: 0 }, 'ERR_NN_DTYPE'],
    ['16-bit pixels', { image: new Uint16Array(2), label: 0 }, 'ERR_NN_DTYPE'],
    ['a list', [new Uint8Array(2), 0], 'ERR_NN_DTYPE'],
    ['nothing', undefined, 'ERR_NN_SHAPE'],
    ['a negative label', { image: new Uint8Array(2), label: -1 }, 'ERR_NN_DATA_CORRUPT'],
    ['a label that is no integer', { image: new Uint8Array(2), label: 0.5 }, 'ERR_NN_DATA_CORRUPT'],
  ])('is refused where get returns %s', async (_, sample, code) => {
    const loader = new DataLoader(fromFunction(() => sample as data.Sample));
    await expect(collect(loader)).rejects.toMatchObject({ code });
  });

  it('is told what a sample is where get returns another object', async () => {
    const loader = new DataLoader(fromFunction(() => [new Uint8Array(2), 0] as never));
    await expect(collect(loader)).rejects.toThrow(
      /as \{ image, label \}, got \[Uint8Array, 0\] whose image is undefined/,
    );
  });

  it.each([0, -1, Number.NaN])('has no std of %s', (std) => {
    const dataset = { ...fromFunction(() => ({ image: new Uint8Array(2), label: 0 })), std: [std] };
    expect(() => new DataLoader(dataset)).toThrow(/dataset\.std to have one value above 0/);
  });
});

describe('the event loop', () => {
  it('gets its turns while a batch is filled without workers', async () => {
    countLooksAtClock();
    const iterator = new DataLoader(syntheticDataset(60), { batchSize: 60 })[
      Symbol.asyncIterator
    ]();
    let isFilled = false;
    let turns = 0;
    const count = () => {
      turns += 1;
      if (!isFilled) setImmediate(count);
    };
    setImmediate(count);
    await iterator.next();
    isFilled = true;
    // One look at the clock per image, and one per slice of 2 ms: a turn for every other image.
    expect(turns).toBeGreaterThanOrEqual(29);
  });
});

describe('refusals', () => {
  const dataset = syntheticDataset(4);
  it.each<[string, data.DataLoaderOptions]>([
    ['batchSize 0', { batchSize: 0 }],
    ['batchSize 1.5', { batchSize: 1.5 }],
    ['numWorkers -1', { numWorkers: -1 }],
    ['numWorkers 1000', { numWorkers: 1000 }],
    ['prefetchFactor 0', { prefetchFactor: 0 }],
    ['a negative seed', { seed: -1 }],
    ['a seed that is no integer', { seed: 0.5 }],
    ['shuffle that is no boolean', { shuffle: 1 as unknown as boolean }],
    ['a signal that is none', { signal: {} as AbortSignal }],
    ['an unknown name', { batch_size: 4 } as data.DataLoaderOptions],
    ['null', null as unknown as data.DataLoaderOptions],
  ])('of %s', (_, options) => {
    expect(() => new DataLoader(dataset, options)).toThrowError(
      expect.objectContaining({ code: 'ERR_NN_ARGUMENT' }),
    );
  });

  it('of what is no dataset, or workers for a dataset that is not in memory', () => {
    const custom = { length: 1, imageShape: [1, 1, 1] as const, get: () => dataset.get(0) };
    for (const make of [
      () => new DataLoader([] as unknown as data.Dataset),
      () => new DataLoader({ ...custom, imageShape: [1, 1] as unknown as data.ImageShape }),
      () => new DataLoader(custom, { numWorkers: 1 }),
      () => new DataLoader(dataset).setEpoch(-1),
      () => new DataLoader(dataset).setEpoch(0, 0.5),
      () => new TensorDataset(null as unknown as data.TensorDatasetOptions),
    ]) {
      expect(make).toThrowError(expect.objectContaining({ code: 'ERR_NN_ARGUMENT' }));
    }
  });

  it('of images and labels that do not fit', () => {
    const images = new Uint8Array(8);
    const make = (labels: number[], numClasses?: number) => () =>
      new TensorDataset({
        images,
        imageShape: [1, 2, 2],
        labels,
        ...(numClasses === undefined ? {} : { numClasses }),
      });
    expect(make([0])).toThrowError(expect.objectContaining({ code: 'ERR_NN_SHAPE' }));
    expect(make([0, -1])).toThrowError('got -1 at index 1');
    expect(make([3, 0], 3)).toThrowError(
      expect.objectContaining({ code: 'ERR_NN_DATA_CORRUPT', name: 'DataError' }),
    );
    expect(make([2, 0], 3)().length).toBe(2);
    const rest = { images, imageShape: [1, 2, 2] } as const;
    for (const wrong of [rest, { ...rest, labels: '12' }, { ...rest, labels: [0, 0], label: [] }]) {
      expect(() => new TensorDataset(wrong as unknown as data.TensorDatasetOptions)).toThrowError(
        expect.objectContaining({ code: 'ERR_NN_ARGUMENT' }),
      );
    }
    expect(() => make([0, 0])().get(2)).toThrowError('expected an index from 0 to 1, got 2');
    expect(() => make([0, 0])().get(Symbol('x') as never)).toThrowError('got Symbol(x)');
  });

  it.each<[unknown, string]>([
    [[1, 65_536, 1], '[1, 65536, 1]'],
    [[1, Number.NaN, 1], '[1, NaN, 1]'],
    [[1n, 1n, 1n], '[1n, 1n, 1n]'],
    [undefined, 'undefined'],
  ])('of the shape %s, shown as it is', (wrong, shown) => {
    const imageShape = wrong as data.ImageShape;
    const message = `of integers from 1 to 65535, got ${shown}`;
    expect(
      () => new TensorDataset({ images: new Uint8Array(1), imageShape, labels: [0] }),
    ).toThrowError(expect.objectContaining({ message: expect.stringContaining(message) }));
    const dataset = { length: 1, imageShape, get: () => ({ image: new Uint8Array(1), label: 0 }) };
    expect(() => new DataLoader(dataset)).toThrowError(message);
  });

  it('of sizes that are none, shown as they are', () => {
    for (const [size, shown] of [
      [Number.NaN, 'NaN'],
      ['5', "'5'"],
      [1n, '1n'],
    ]) {
      expect(() => new data.Resize(size as number)).toThrowError(`of such, got ${shown}`);
    }
  });
});
