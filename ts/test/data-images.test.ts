/** What may be images and labels: their kinds, whose memory they are, and what is refused. */
import { ArgumentError, data } from 'neuronode';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
// Inside view: what memory is left.
import { addon } from '../../dist/program/addon.js';
import { collect } from './data-support.js';

const { DataLoader, Resize, TensorDataset } = data;

const imageShape = [1, 2, 2] as const;
const labels = [0, 1, 2];
const pixels = Array.from({ length: 12 }, (_, i) => i * 20);

/** A dataset whose samples are what `sample` makes. */
const custom = (sample: (index: number) => unknown): data.Dataset => ({
  length: 3,
  imageShape,
  get: (index) => sample(index) as data.Sample,
});

/** An array whose memory was moved away. */
function detached(): Uint8Array {
  const array = new Uint8Array(4);
  structuredClone(array.buffer, { transfer: [array.buffer] });
  return array;
}

const proxied = () => new Proxy(new Uint8Array(4), {});

describe('memory of a TensorDataset', () => {
  it.each([0, 1, 2])(
    'is its own: writing into the array later changes no sample, numWorkers %i',
    async (numWorkers) => {
      const images = Uint8Array.from(pixels);
      const dataset = new TensorDataset({ images, imageShape, labels });
      await using loader = new DataLoader(dataset, { batchSize: 3, numWorkers });
      expect((await collect(loader))[0]!.image).toEqual(pixels);
      images.fill(7);
      expect((await collect(loader))[0]!.image).toEqual(pixels);
      expect([...dataset.get(1).image]).toEqual(pixels.slice(4, 8));
    },
  );

  it.each([0, 1, 2])(
    'is the caller’s where that is shared: later samples see what is written, numWorkers %i',
    async (numWorkers) => {
      const images = new Uint8Array(new SharedArrayBuffer(12));
      images.set(pixels);
      const dataset = new TensorDataset({ images, imageShape, labels });
      await using loader = new DataLoader(dataset, { batchSize: 3, numWorkers });
      expect((await collect(loader))[0]!.image).toEqual(pixels);
      images.fill(7);
      expect((await collect(loader))[0]!.image).toEqual(new Array(12).fill(7));
      expect([...dataset.get(1).image]).toEqual([7, 7, 7, 7]);
    },
  );

  it('that is not to be had is a typed error', () => {
    const images = new Uint8Array(12);
    // Where the system claims to have it.
    const available = vi.spyOn(addon(), 'availableMemory').mockReturnValue(Number.MAX_VALUE);
    onTestFinished(() => available.mockRestore());
    Object.defineProperty(images, 'byteLength', { value: 2 ** 53 - 1 });
    expect(() => new TensorDataset({ images, imageShape, labels })).toThrowError(
      expect.objectContaining({ code: 'ERR_NN_OUT_OF_MEMORY', cause: expect.any(RangeError) }),
    );
  });
});

describe('images', () => {
  it.each([0, 2])('may be floats, which stay as they are, numWorkers %i', async (numWorkers) => {
    const images = Float32Array.from(pixels, (value) => value / 7 - 1);
    const dataset = new TensorDataset({ images, imageShape, labels });
    expect(dataset.get(2).image).toEqual(images.subarray(8));
    await using loader = new DataLoader(dataset, { batchSize: 2, numWorkers });
    for (let epoch = 0; epoch < 2; epoch++) {
      for await (const batch of loader) {
        expect(batch.image).toBeInstanceOf(Float32Array);
        expect(batch.image).toEqual(images.subarray(batch.index * 8, batch.index * 8 + 8));
        batch.release(); // its memory is used for the next one
      }
    }
  });

  it('that are floats are neither resized nor normalised', () => {
    const images = Float32Array.from(pixels);
    const make = (transform: data.TransformStep) => () =>
      new TensorDataset({ images, imageShape, labels, transform });
    expect(make(new Resize(4))).toThrowError(
      'expected no Resize for images that are a Float32Array',
    );
    expect(
      make(new data.Compose([new data.ToTensor(), new data.Normalize(0.5, 0.5)])),
    ).toThrowError('expected no Normalize for images that are a Float32Array');
    expect(make(new data.ToTensor())).not.toThrow();
  });

  it('may be bytes as a canvas has them', async () => {
    const images = Uint8ClampedArray.from(pixels);
    const dataset = new TensorDataset({ images, imageShape, labels, transform: new Resize(2) });
    expect(dataset.get(0).image).toEqual(Uint8Array.from(pixels.slice(0, 4)));
    expect(new Resize(2).apply(images.subarray(4, 8), [2, 2]).image).toEqual(
      Uint8Array.from(pixels.slice(4, 8)),
    );
  });

  it.each([
    ['Uint8Array', Uint8Array, Uint8Array],
    ['Uint8ClampedArray', Uint8ClampedArray, Uint8Array],
    ['Float32Array', Float32Array, Float32Array],
  ])('of a get() may be a %s', async (_, Kind, Result) => {
    const dataset = custom((index) => ({
      image: Kind.from(pixels).subarray(index * 4, index * 4 + 4),
      label: index,
    }));
    const batches: data.Batch[] = [];
    for await (const batch of new DataLoader(dataset, { batchSize: 2 })) batches.push(batch);
    expect(batches.map(({ image }) => image)).toEqual([
      Result.from(pixels.slice(0, 8)),
      Result.from(pixels.slice(8)),
    ]);
  });

  it('of one batch are of one kind', async () => {
    const dataset = custom((index) => ({
      image: index === 1 ? new Float32Array(4) : new Uint8Array(4),
      label: 0,
    }));
    await expect(collect(new DataLoader(dataset, { batchSize: 3 }))).rejects.toMatchObject({
      code: 'ERR_NN_DTYPE',
      message: expect.stringContaining('get(1) to return an image of u8'),
    });
  });

  it.each<[string, unknown, string]>([
    ['a Proxy', proxied(), 'got a Proxy'],
    ['a revoked Proxy', revoked(), 'got a Proxy'],
    ['an array whose memory was moved away', detached(), 'its buffer is detached'],
    ['16-bit pixels', new Uint16Array(12), 'got Uint16Array'],
    ['a list', pixels, 'got [0, 20, 40'],
    ['nothing', undefined, 'got undefined'],
  ])('that are %s are refused by name', async (_, image, what) => {
    const make = () => new TensorDataset({ images: image as Uint8Array, imageShape, labels });
    expect(make).toThrowError(expect.objectContaining({ code: 'ERR_NN_ARGUMENT' }));
    expect(make).toThrowError(what);
    const dataset = custom(() => ({ image, label: 0 }));
    await expect(collect(new DataLoader(dataset))).rejects.toMatchObject({
      code: 'ERR_NN_DTYPE',
      message: expect.stringContaining(image === undefined ? 'whose image is undefined' : what),
    });
    const resize = () => new Resize(2).apply(image as Uint8Array, [2, 2]);
    expect(resize).toThrowError(expect.objectContaining({ code: 'ERR_NN_ARGUMENT' }));
    expect(resize).toThrowError(what);
  });
});

describe('labels', () => {
  it.each<[string, unknown, string]>([
    ['strings', ['0', '1', '2'], "got '0' (string) at index 0"],
    ['bigints', [0n, 1n, 2n], 'got 0n (bigint) at index 0'],
    ['a BigInt64Array', new BigInt64Array(3), 'got BigInt64Array. Convert it by Int32Array.from'],
    ['a string', '012', "got '012'"],
    ['null', null, 'got null'],
    ['missing', undefined, 'got undefined'],
  ])('that are %s are named', (_, wrong, what) => {
    const images = new Uint8Array(12);
    expect(
      () => new TensorDataset({ images, imageShape, labels: wrong as ArrayLike<number> }),
    ).toThrowError(what);
  });

  it.each<[string, unknown, string]>([
    ['a string', '0', "got '0' (string)"],
    ['a bigint', 0n, 'got 0n (bigint)'],
    ['missing', undefined, 'got undefined'],
  ])('of a get() that are %s are named', async (_, label, what) => {
    const dataset = custom(() => ({ image: new Uint8Array(4), label }));
    await expect(collect(new DataLoader(dataset))).rejects.toMatchObject({
      code: 'ERR_NN_DATA_CORRUPT',
      message: expect.stringContaining(what),
    });
  });
});

describe('members that are getters', () => {
  const reason = new RangeError('mine');
  const throwing = (object: object, name: string) =>
    Object.defineProperty({ ...object }, name, {
      enumerable: true,
      get() {
        throw reason;
      },
    });

  it.each(['images', 'imageShape', 'labels', 'numClasses', 'transform'])(
    'and throw are named: TensorDataset’s %s',
    (name) => {
      const options = throwing({ images: new Uint8Array(12), imageShape, labels }, name);
      expect(() => new TensorDataset(options as data.TensorDatasetOptions)).toThrowError(
        expect.objectContaining({
          code: 'ERR_NN_ARGUMENT',
          cause: reason,
          message: `TensorDataset expects ${name} to be readable, but reading it threw RangeError: mine`,
        }),
      );
    },
  );

  it.each(['length', 'imageShape', 'mean', 'std', 'get'])(
    'and throw are named: a dataset’s %s',
    (name) => {
      const dataset = throwing(
        custom(() => ({})),
        name,
      ) as data.Dataset;
      expect(() => new DataLoader(dataset)).toThrowError(
        expect.objectContaining({ code: 'ERR_NN_ARGUMENT', cause: reason }),
      );
    },
  );

  it.each(['image', 'label'])('and throw are named: a sample’s %s', async (name) => {
    const dataset = custom(() => throwing({ image: new Uint8Array(4), label: 0 }, name));
    const error = await collect(new DataLoader(dataset)).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ArgumentError);
    expect(error).toMatchObject({ cause: reason });
    expect((error as Error).message).toContain(`get(0) expects ${name} to be readable`);
  });

  it('and throw are named: an element or the length of the labels, a Proxy too', () => {
    const images = new Uint8Array(12);
    const of = (wrong: unknown) => () =>
      new TensorDataset({ images, imageShape, labels: wrong as ArrayLike<number> });
    const typed = { code: 'ERR_NN_ARGUMENT', cause: reason };
    const element = {
      enumerable: true,
      get: () => {
        throw reason;
      },
    };
    expect(of(Object.defineProperty([0, 1, 2], 1, element))).toThrowError(
      expect.objectContaining({ ...typed, message: expect.stringContaining('labels[1]') }),
    );
    expect(of(throwing([], 'length'))).toThrowError(
      expect.objectContaining({ ...typed, message: expect.stringContaining('labels.length') }),
    );
    expect(of(new Proxy(new Int32Array(3), {}))).toThrowError(ArgumentError);
    expect(of({ length: 2 ** 53 - 1 })).toThrowError(
      expect.objectContaining({ code: 'ERR_NN_OUT_OF_MEMORY' }),
    );
  });

  it('are read once, so that what was checked is what is used', async () => {
    let reads = 0;
    const flaky = <T>(first: T, later: T) => ({
      enumerable: true,
      get: () => (reads++ === 0 ? first : later),
    });
    const options = { images: new Uint8Array(12), imageShape };
    const given = Object.defineProperty({ ...options }, 'labels', flaky<unknown>(labels, '012'));
    expect([...new TensorDataset(given as data.TensorDatasetOptions).labels]).toEqual(labels);
    reads = 0;
    const list = Object.defineProperty([5, 1, 2], 0, flaky(0, -1));
    expect([...new TensorDataset({ ...options, labels: list }).labels]).toEqual(labels);
    const dataset = custom(() => {
      reads = 0;
      return Object.defineProperty({ image: new Uint8Array(4) }, 'label', flaky(1, -5));
    });
    expect((await collect(new DataLoader(dataset, { batchSize: 3 })))[0]!.label).toEqual([1, 1, 1]);
  });
});

describe('what get() returns', () => {
  /** Neither a promise nor an instance of one. */
  const thenable = (then: PromiseLike<unknown>['then']) => ({ then });

  it('may be anything with then', async () => {
    const dataset = custom((index) => {
      const sample = { image: new Uint8Array(4).fill(index), label: index };
      return thenable((resolve) => Promise.resolve(sample).then(resolve));
    });
    const [batch] = await collect(new DataLoader(dataset, { batchSize: 3 }));
    expect(batch).toMatchObject({ label: labels, image: [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2] });
  });

  it('is passed on where it rejects', async () => {
    const reason = new Error('no such image');
    const dataset = custom(() => thenable((_, reject) => Promise.reject(reason).catch(reject)));
    await expect(collect(new DataLoader(dataset))).rejects.toBe(reason);
  });
});

function revoked(): unknown {
  const { proxy, revoke } = Proxy.revocable(new Uint8Array(4), {});
  revoke();
  return proxy;
}
