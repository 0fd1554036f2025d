/** Fashion-MNIST's real files, where files are looked for, and files that do not belong together. */
import { createHash } from 'node:crypto';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { data } from 'neuronode';
import { describe, expect, it } from 'vitest';
// Inside view: a data set of a few images, which no public name loads.
import type { CatalogEntry, CatalogFile } from '../../dist/data/datasets/catalog.js';
import { loadMnistFiles } from '../../dist/data/datasets/mnist-files.js';
import { collect, idxBytes, setEnvironment, temporaryFolder } from './data-support.js';

const { FashionMNIST, MNIST, Resize, loadFashionMnist } = data;
const DEBIAN = '/usr/share/datasets/fashion-mnist';

describe('FashionMNIST', () => {
  it('has 60,000 training and 10,000 test samples, the first ones as known', async () => {
    const train = await FashionMNIST.load({ train: true });
    const test = await FashionMNIST.load({ train: false });
    expect(train).toMatchObject({ length: 60_000, imageShape: [1, 28, 28], train: true });
    expect(test).toMatchObject({ length: 10_000, imageShape: [1, 28, 28], train: false });
    expect([...train.labels.subarray(0, 10)]).toEqual([9, 0, 0, 3, 0, 2, 7, 2, 5, 5]);
    expect([...test.labels.subarray(0, 10)]).toEqual([9, 2, 1, 1, 6, 1, 4, 6, 5, 7]);
    expect(FashionMNIST.classes[train.get(0).label]).toBe('Ankle boot');
    for (const part of [train, test]) {
      const counts = new Map<number, number>();
      for (const label of part.labels) counts.set(label, (counts.get(label) ?? 0) + 1);
      expect([...counts.values()]).toEqual(new Array(10).fill(part.length / 10));
    }
  });

  it('has the images of the files', async () => {
    const test = await FashionMNIST.load({ train: false });
    const raw = gunzipSync(await readFile(join(DEBIAN, 't10k-images-idx3-ubyte.gz')));
    for (const i of [0, 1, 9999]) {
      expect(test.get(i).image).toEqual(
        Uint8Array.from(raw.subarray(16 + i * 784, 16 + (i + 1) * 784)),
      );
    }
  });

  it('applies the transform', async () => {
    const dataset = await FashionMNIST.load({ train: false, transform: new Resize(10) });
    expect(dataset.imageShape).toEqual([1, 10, 10]);
    expect(dataset.get(3).image).toHaveLength(100);
  });
});

describe('loadFashionMnist', () => {
  it('makes both loaders: training shuffled, test in order', async () => {
    const { train, test } = await loadFashionMnist({ batchSize: 500, resize: 8, seed: 1 });
    expect(train).toMatchObject({ batchSize: 500, shuffle: true, seed: 1, length: 120 });
    expect(test).toMatchObject({ batchSize: 500, shuffle: false, length: 20 });
    for await (const batch of test) {
      expect(batch).toMatchObject({ imageShape: [500, 1, 8, 8], mean: [0], std: [1] });
      expect([...batch.label.subarray(0, 4)]).toEqual([9, 2, 1, 1]);
      break;
    }
  });

  it('reads the same batches with workers', async () => {
    const first = async (numWorkers: number) => {
      const { train } = await loadFashionMnist({ batchSize: 64, resize: 32, seed: 4, numWorkers });
      await using loader = train;
      const hash = createHash('sha256');
      for await (const batch of loader) {
        hash.update(batch.image).update(batch.label);
        if (batch.index === 20) break;
      }
      return hash.digest('hex');
    };
    expect(await first(2)).toBe(await first(0));
  });

  it('varies training images alone, before they are resized', async () => {
    const augment = new data.Pad(1, { fill: 255 });
    const { train, test } = await loadFashionMnist({ batchSize: 2, resize: 30, augment });
    const plain = await loadFashionMnist({ batchSize: 2, resize: 30 });
    const first = async (loader: data.DataLoader) => {
      for await (const batch of loader) return [...batch.image];
      return [];
    };
    expect((await first(train)).slice(0, 30)).toEqual(new Array(30).fill(255));
    expect(await first(test)).toEqual(await first(plain.test));
    const tooLarge = loadFashionMnist({ augment: new data.RandomCrop(29) });
    await expect(tooLarge).rejects.toMatchObject({ code: 'ERR_NN_SHAPE' });
    const ended = loadFashionMnist({ augment: new data.ToTensor(), resize: 30 });
    await expect(ended).rejects.toMatchObject({ code: 'ERR_NN_ARGUMENT' });
  });

  it('refuses options before it reads', async () => {
    await expect(loadFashionMnist({ resize: 0 })).rejects.toMatchObject({
      code: 'ERR_NN_ARGUMENT',
    });
    await expect(loadFashionMnist({ batchSize: -1 })).rejects.toMatchObject({
      code: 'ERR_NN_ARGUMENT',
    });
    await expect(FashionMNIST.load({} as data.MnistOptions)).rejects.toMatchObject({
      code: 'ERR_NN_ARGUMENT',
    });
    const wrong: [object | null, string][] = [
      [{ root: '' }, "root to be a folder's path, got ''"],
      [{ download: 'yes' }, 'download to be true or false'],
      [{ mirrors: [] }, 'at least one address'],
      [{ mirrors: 'http://127.0.0.1:9/' }, 'mirrors to be a list'],
      [{ onProgress: 1 }, 'onProgress to be a function'],
      [{ signal: {} }, 'signal to be an AbortSignal'],
      [{ transform: 224 }, 'got 224'],
      [{ transforms: new data.Resize(224) }, "no option 'transforms'"],
    ];
    for (const [options, message] of wrong) {
      const loading = FashionMNIST.load({ train: true, ...options } as data.MnistOptions);
      await expect(loading).rejects.toMatchObject({
        code: 'ERR_NN_ARGUMENT',
        message: expect.stringContaining(message),
      });
    }
    await expect(loadFashionMnist({ batch_size: 4 } as data.LoadOptions)).rejects.toMatchObject({
      code: 'ERR_NN_ARGUMENT',
      message: expect.stringContaining("loadFashionMnist has no option 'batch_size'"),
    });
    await expect(loadFashionMnist(null as unknown as data.LoadOptions)).rejects.toMatchObject({
      code: 'ERR_NN_ARGUMENT',
    });
  });

  it('stops with the signal’s reason', async () => {
    const reason = new Error('enough');
    await expect(loadFashionMnist({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});

/** A data set of three 2x2 images per part, and its files. */
function smallEntry(change: { labels?: number[]; imageShape?: number[]; labelShape?: number[] }) {
  const { labels = [0, 1, 2], imageShape = [3, 2, 2], labelShape = [labels.length] } = change;
  const pixels = Uint8Array.from({ length: imageShape.reduce((a, b) => a * b) }, (_, i) => i);
  const contents = {
    images: idxBytes(imageShape, pixels),
    labels: idxBytes(labelShape, Uint8Array.from(labels)),
  };
  const file = (name: string, bytes: Uint8Array): CatalogFile => ({
    name,
    md5: createHash('md5').update(bytes).digest('hex'),
  });
  const part = {
    images: file('some-images', contents.images),
    labels: file('some-labels', contents.labels),
  };
  const entry: CatalogEntry = {
    title: 'Small',
    folder: 'small',
    torchvisionFolder: 'Small',
    systemFolders: [],
    hint: 'make them',
    mirrors: [],
    classes: ['a', 'b', 'c'],
    train: part,
    test: part,
  };
  const write = async (folder: string, options: { gzip?: boolean; only?: 'images' } = {}) => {
    const encode = options.gzip ? gzipSync : (bytes: Uint8Array) => bytes;
    const end = options.gzip ? '.gz' : '';
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, `some-images${end}`), encode(contents.images));
    if (options.only !== undefined) return;
    await writeFile(join(folder, `some-labels${end}`), encode(contents.labels));
  };
  return { entry, write };
}

describe('files are looked for', () => {
  it.each(['', 'small', 'Small/raw'])('in root and its known subfolders: "%s"', async (below) => {
    const root = await temporaryFolder();
    const { entry, write } = smallEntry({});
    await write(join(root, below), { gzip: below === 'small' });
    const loaded = await loadMnistFiles(entry, { train: true, root });
    expect(loaded).toMatchObject({ imageShape: [1, 2, 2], numClasses: 3 });
    expect([...loaded.images]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect([...(loaded.labels as Uint8Array)]).toEqual([0, 1, 2]);
  });

  it('in NEURONODE_DATA_DIR, then in the cache directory, then where the system has them', async () => {
    const [environment, cache, system] = [
      await temporaryFolder(),
      await temporaryFolder(),
      await temporaryFolder(),
    ];
    setEnvironment('NEURONODE_DATA_DIR', environment);
    setEnvironment('XDG_CACHE_HOME', cache);
    const { entry, write } = smallEntry({});
    const inSystem = { ...entry, systemFolders: [system] };
    const where = async () => {
      // A damaged file tells which folder was read.
      const error = await loadMnistFiles(inSystem, { train: true }).catch((e: Error) => e);
      return dirname(String((error as Error).message).split(':')[0]!);
    };
    for (const folder of [
      system,
      join(cache, 'neuronode', 'small'),
      join(environment, 'Small', 'raw'),
      join(environment, 'small'),
    ]) {
      await write(folder);
      await writeFile(join(folder, 'some-images'), 'damaged');
      expect(await where()).toBe(folder);
    }
  });

  it('in ~/.cache where XDG_CACHE_HOME is not an absolute path', async () => {
    const home = await temporaryFolder();
    setEnvironment('HOME', home);
    setEnvironment('NEURONODE_DATA_DIR', undefined);
    const { entry, write } = smallEntry({});
    await write(join(home, '.cache', 'neuronode', 'small'));
    for (const xdg of [undefined, 'relative']) {
      setEnvironment('XDG_CACHE_HOME', xdg);
      expect((await loadMnistFiles(entry, { train: true })).labels).toHaveLength(3);
    }
  });

  it('as a pair: a folder with one of them is passed over', async () => {
    const root = await temporaryFolder();
    const { entry, write } = smallEntry({});
    await write(root, { only: 'images' });
    await expect(loadMnistFiles(entry, { train: true, root })).rejects.toMatchObject({
      code: 'ERR_NN_DATA_MISSING',
    });
    await write(join(root, 'small'));
    expect((await loadMnistFiles(entry, { train: true, root })).labels).toHaveLength(3);
  });

  it('and where they are in none, the error says what to put where', async () => {
    const root = await temporaryFolder();
    const error = await FashionMNIST.load({ train: true, root }).catch((e: unknown) => e);
    expect(error).toMatchObject({ name: 'DataError', code: 'ERR_NN_DATA_MISSING' });
    for (const part of [
      'train-images-idx3-ubyte(.gz) and train-labels-idx1-ubyte(.gz)',
      `\n  ${root}`,
      `\n  ${join(root, 'FashionMNIST', 'raw')}`,
      'dataset-fashion-mnist',
      'download: true',
    ]) {
      expect((error as Error).message).toContain(part);
    }
    setEnvironment('HOME', root);
    setEnvironment('XDG_CACHE_HOME', undefined);
    setEnvironment('NEURONODE_DATA_DIR', '');
    const missing = await MNIST.load({ train: false }).catch((e: unknown) => e);
    expect(missing).toMatchObject({ code: 'ERR_NN_DATA_MISSING' });
    expect((missing as Error).message).toContain('t10k-images-idx3-ubyte(.gz)');
    expect((missing as Error).message).toContain('NEURONODE_DATA_DIR');
  });
});

describe('files that are damaged or do not belong together', () => {
  it('a real file with a flipped byte', async () => {
    const root = await temporaryFolder();
    const labels = gunzipSync(await readFile(join(DEBIAN, 't10k-labels-idx1-ubyte.gz')));
    labels[5000]! ^= 1;
    await copyFile(
      join(DEBIAN, 't10k-images-idx3-ubyte.gz'),
      join(root, 't10k-images-idx3-ubyte.gz'),
    );
    await writeFile(join(root, 't10k-labels-idx1-ubyte'), labels);
    await expect(FashionMNIST.load({ train: false, root })).rejects.toMatchObject({
      code: 'ERR_NN_DATA_CORRUPT',
      message: expect.stringMatching(/t10k-labels-idx1-ubyte: expected MD5 15d4.* got /),
    });
  });

  it.each<[string, Parameters<typeof smallEntry>[0], RegExp]>([
    ['fewer labels than images', { labels: [0, 1] }, /some-labels: .* which are 3, got 2$/],
    ['more labels than images', { labels: [0, 1, 2, 0] }, /some-labels: .* which are 3, got 4$/],
    ['a label of no class', { labels: [0, 3, 1] }, /labels from 0 to 2, got 3 at index 1$/],
    ['images without rows', { imageShape: [3, 4] }, /some-images: expected u8 images \[N, H, W\]/],
    ['labels with columns', { labelShape: [3, 1] }, /some-labels: expected u8 labels \[N\]/],
  ])('%s', async (_, change, message) => {
    const root = await temporaryFolder();
    const { entry, write } = smallEntry(change);
    await write(root);
    await expect(loadMnistFiles(entry, { train: true, root })).rejects.toMatchObject({
      code: 'ERR_NN_DATA_CORRUPT',
      message: expect.stringMatching(message),
    });
  });
});

it('the reader’s batches are the dataset’s samples', async () => {
  const dataset = await FashionMNIST.load({ train: false, transform: new Resize(4) });
  const loader = new data.DataLoader(dataset, { batchSize: 4096 });
  const flat = (await collect(loader)).flatMap(({ image }) => image);
  expect(flat.slice(-16)).toEqual([...dataset.get(9999).image]);
  expect(flat).toHaveLength(160_000);
});
