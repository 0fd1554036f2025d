/** CIFAR-10, CIFAR-100, KMNIST, QMNIST and EMNIST, from small files of the same formats. */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { deflateRawSync, gzipSync } from 'node:zlib';
import { data } from 'neuronode';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type CifarEntry, loadCifarFiles } from '../../dist/data/datasets/cifar-files.js';
// Inside view: the entries of the real data sets are too large to be made here.
import { cifar10 } from '../../dist/data/datasets/cifar10.js';
import { cifar100 } from '../../dist/data/datasets/cifar100.js';
import { loadEmnistFiles } from '../../dist/data/datasets/emnist.js';
import { idxBytes, temporaryFolder } from './data-support.js';

const { CIFAR10, CIFAR100, EMNIST, KMNIST, QMNIST } = data;

const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex');

/** A tar archive; a name that ends in / is a folder. */
function tar(files: Record<string, Uint8Array>, change: (header: Buffer) => void = () => {}) {
  const parts: Uint8Array[] = [];
  for (const [name, bytes] of Object.entries(files)) {
    const header = Buffer.alloc(512);
    header.write(name, 0, 100, 'latin1');
    header.write('0000644\0', 100, 'latin1');
    header.write(`${bytes.length.toString(8).padStart(11, '0')} `, 124, 'latin1');
    header.write(name.endsWith('/') ? '5' : '0', 156, 'latin1');
    header.write('ustar\x0000', 257, 'latin1');
    header.fill(' ', 148, 156);
    const sum = header.reduce((a, b) => a + b);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    change(header);
    parts.push(header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512));
  }
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

/** A zip archive of deflated (or stored) files. */
function zip(files: Record<string, Uint8Array>, method = 8): Buffer {
  const parts: Buffer[] = [];
  const list: Buffer[] = [];
  let offset = 0;
  for (const [name, bytes] of Object.entries(files)) {
    const packed = method === 8 ? deflateRawSync(bytes) : Buffer.from(bytes);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(name.length, 26);
    local.writeUInt16LE(3, 28);
    const central = Buffer.alloc(46);
    central.writeUInt32LE(0x02014b50, 0);
    central.writeUInt16LE(method, 10);
    central.writeUInt32LE(packed.length, 20);
    central.writeUInt32LE(bytes.length, 24);
    central.writeUInt16LE(name.length, 28);
    central.writeUInt16LE(2, 32);
    central.writeUInt32LE(offset, 42);
    parts.push(local, Buffer.from(name), Buffer.from('abc'), packed);
    list.push(central, Buffer.from(name), Buffer.from('ab'));
    offset += 33 + name.length + packed.length;
  }
  const directory = Buffer.concat(list);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, directory, end, Buffer.from('a comment')]);
}

async function put(folder: string, files: Record<string, Uint8Array>): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(folder, name), bytes);
}

/** Serves files until the test's end. */
async function serve(files: Record<string, Uint8Array>): Promise<string> {
  const http = createServer((request, response) => {
    const bytes = files[(request.url ?? '').slice(1)];
    if (bytes === undefined) response.writeHead(404).end();
    else response.end(bytes);
  });
  await new Promise<void>((resolve) => {
    http.listen(0, '127.0.0.1', resolve);
  });
  onTestFinished(() => {
    http.close();
  });
  return `http://127.0.0.1:${(http.address() as { port: number }).port}/`;
}

const IMAGE = 3072;

/** Records of a CIFAR file: `heads` are the label bytes of each. */
function records(heads: readonly (readonly number[])[], seed = 0): Uint8Array {
  return Buffer.concat(
    heads.map((head, n) => {
      const pixels = Uint8Array.from({ length: IMAGE }, (_, i) => (i * 7 + n * 31 + seed) % 251);
      return Buffer.concat([Uint8Array.from(head), pixels]);
    }),
  );
}

describe('CIFAR', () => {
  const files = {
    'a.bin': records([[1], [0], [2]]),
    'b.bin': records([[2], [2], [1]], 5),
    'c.bin': records([[0], [1]], 9),
  };
  const folder = 'small-bin';
  const below = Object.fromEntries(
    Object.entries(files).map(([name, bytes]) => [`${folder}/${name}`, bytes as Uint8Array]),
  );
  const inTar = { [`${folder}/`]: new Uint8Array(), 'other.txt': Buffer.alloc(700, 7), ...below };
  const entryFor = (archive: Uint8Array): CifarEntry => ({
    ...cifar10,
    archive: { name: 'small.tar.gz', md5: md5(archive) },
    filesFolder: folder,
    labels: [{ what: 'class', classes: 3 }],
    train: ['a.bin', 'b.bin'],
    test: ['c.bin'],
    samples: { train: 3, test: 2 },
    mirrors: [],
  });
  const archive = gzipSync(tar(inTar));
  const entry = entryFor(archive);
  const train = { train: true } as const;

  function expectTrain({ images, labels }: { images: Uint8Array; labels: readonly Uint8Array[] }) {
    expect(labels.map((each) => [...each])).toEqual([[1, 0, 2, 2, 2, 1]]);
    expect(images).toHaveLength(6 * IMAGE);
    expect(images.buffer).toBeInstanceOf(SharedArrayBuffer);
    const wanted = Buffer.concat(
      [files['a.bin'], files['b.bin']].flatMap((bytes) =>
        [0, 1, 2].map((n) => bytes.subarray(n * 3073 + 1, (n + 1) * 3073)),
      ),
    );
    expect(Buffer.compare(images, wanted)).toBe(0);
  }

  it.each(['', 'cifar-10', 'CIFAR10/raw'])('is read from its archive in root/%s', async (where) => {
    const root = await temporaryFolder();
    await put(join(root, where), { 'small.tar.gz': archive });
    expectTrain(await loadCifarFiles(entry, { ...train, root }));
    const test = await loadCifarFiles(entry, { train: false, root });
    expect([...test.labels[0]!]).toEqual([0, 1]);
    expect(await readdir(join(root, where))).toEqual(['small.tar.gz']);
  });

  it.each(['', folder])('is read from unpacked files in root/%s', async (where) => {
    const root = await temporaryFolder();
    await put(join(root, where), files);
    expectTrain(await loadCifarFiles(entry, { ...train, root }));
  });

  it('is fetched as an archive, whose checksum is verified', async () => {
    const root = await temporaryFolder();
    const mirror = await serve({ 'small.tar.gz': archive });
    const options = { ...train, root, download: true, mirrors: [mirror] };
    expectTrain(await loadCifarFiles(entry, options));
    expect(await readdir(root)).toEqual(['small.tar.gz']);
    const again = gzipSync(tar(inTar), { level: 1 });
    const other = await serve({ 'small.tar.gz': again });
    const elsewhere = { ...options, root: await temporaryFolder(), mirrors: [other] };
    await expect(loadCifarFiles(entry, elsewhere)).rejects.toMatchObject({
      code: 'ERR_NN_DATA_DOWNLOAD',
      message: expect.stringContaining(
        `expected MD5 ${md5(archive)} of the file, got ${md5(again)}`,
      ),
    });
  });

  it('that is nowhere is told of, with the folders', async () => {
    const root = await temporaryFolder();
    await expect(loadCifarFiles(entry, { ...train, root })).rejects.toMatchObject({
      code: 'ERR_NN_DATA_MISSING',
      message: expect.stringMatching(
        /^CIFAR-10: expected small\.tar\.gz in one of these folders, and found it in none:/,
      ),
    });
  });

  const plain = tar(inTar);
  it.each<[string, Buffer | Uint8Array, string]>([
    ['cut in the middle of a file', plain.subarray(0, 6000), 'ends in the middle'],
    ['cut in a header', plain.subarray(0, 700), 'ends in the middle'],
    [
      'without a file',
      tar({ [`${folder}/a.bin`]: files['a.bin'] }),
      'expected small-bin/b.bin in it',
    ],
    [
      'with a file of another size',
      tar({ ...inTar, [`${folder}/b.bin`]: Buffer.alloc(9) }),
      'expected small-bin/b.bin of 9219 bytes, got one of 9',
    ],
    [
      'with a damaged header',
      tar(inTar, (header) => {
        header[5]! ^= 1;
      }),
      'expected the header of a file',
    ],
    [
      'of labels beyond the classes',
      tar({ ...inTar, [`${folder}/b.bin`]: records([[2], [3], [1]]) }),
      'expected class labels from 0 to 2, got 3 for sample 4',
    ],
  ])('whose archive is %s is damaged', async (_, bytes, message) => {
    const root = await temporaryFolder();
    const packed = gzipSync(bytes);
    await put(root, { 'small.tar.gz': packed });
    await expect(loadCifarFiles(entryFor(packed), { ...train, root })).rejects.toMatchObject({
      code: 'ERR_NN_DATA_CORRUPT',
      message: expect.stringContaining(message),
    });
  });

  it('whose gzip is cut, or of another checksum, is damaged', async () => {
    const root = await temporaryFolder();
    const cut = archive.subarray(0, archive.length - 20);
    await put(root, { 'small.tar.gz': cut });
    const damaged = expect.objectContaining({ code: 'ERR_NN_DATA_CORRUPT' });
    await expect(loadCifarFiles(entryFor(cut), { ...train, root })).rejects.toThrowError(damaged);
    await expect(loadCifarFiles(entry, { ...train, root })).rejects.toMatchObject({
      code: 'ERR_NN_DATA_CORRUPT',
      message: expect.stringContaining(`expected MD5 ${md5(archive)} of the file`),
    });
  });

  it('whose unpacked file is cut, or has wrong labels, names the file', async () => {
    const root = await temporaryFolder();
    await put(root, { ...files, 'b.bin': files['b.bin'].subarray(1) });
    await expect(loadCifarFiles(entry, { ...train, root })).rejects.toMatchObject({
      code: 'ERR_NN_DATA_CORRUPT',
      message: expect.stringContaining(`${join(root, 'b.bin')}: expected 9219 bytes, got 9218`),
    });
    await put(root, { 'b.bin': records([[0], [0], [9]]) });
    await expect(loadCifarFiles(entry, { ...train, root })).rejects.toMatchObject({
      message: `${join(root, 'b.bin')}: expected class labels from 0 to 2, got 9 for sample 5`,
    });
  });

  it('refuses options that it does not have, and stops with the signal', async () => {
    await expect(CIFAR10.load({ train: 1 } as never)).rejects.toMatchObject({
      message: expect.stringContaining('CIFAR-10 expects train to be true or false'),
    });
    await expect(CIFAR10.load({ train: true, fine: 1 } as never)).rejects.toMatchObject({
      code: 'ERR_NN_ARGUMENT',
    });
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    await expect(CIFAR10.load({ train: true, signal })).rejects.toBe(reason);
  });

  it('has the published names and checksums', () => {
    expect(cifar10.archive).toEqual({
      name: 'cifar-10-binary.tar.gz',
      md5: 'c32a1d4ab5d03f1284b67883e8d87530',
    });
    expect(cifar100.archive).toEqual({
      name: 'cifar-100-binary.tar.gz',
      md5: '03b5dce01913d631647c71ecec9e9cb8',
    });
    expect([CIFAR10.classes.length, CIFAR10.classes[3]]).toEqual([10, 'cat']);
    expect([CIFAR100.classes.length, CIFAR100.coarseClasses.length]).toEqual([100, 20]);
    expect([CIFAR100.classes[99], CIFAR100.coarseClasses[19]]).toEqual(['worm', 'vehicles_2']);
  });

  it('10 is a dataset of its class, with a transform', async () => {
    const root = await temporaryFolder();
    const heads = Array.from({ length: 10_000 }, (_, i) => [i % 10]);
    await put(root, { 'test_batch.bin': records(heads) });
    const transform = new data.RandomHorizontalFlip(1);
    const dataset = await CIFAR10.load({ train: false, root, transform });
    expect(dataset).toMatchObject({ length: 10_000, imageShape: [3, 32, 32], train: false });
    const { image, label } = dataset.get(9_998);
    expect(label).toBe(8);
    expect(image[0]).toBe((31 * 7 + 9_998 * 31) % 251);
  });

  it('100 has fine and coarse labels', async () => {
    const root = await temporaryFolder();
    const heads = Array.from({ length: 10_000 }, (_, i) => [i % 20, i % 100]);
    await put(join(root, 'cifar-100', 'cifar-100-binary'), { 'test.bin': records(heads) });
    const fine = await CIFAR100.load({ train: false, root });
    const coarse = await CIFAR100.load({ train: false, root, labels: 'coarse' });
    expect([fine.get(73).label, coarse.get(73).label]).toEqual([73, 13]);
    expect([fine.coarseLabels[73], coarse.fineLabels[73]]).toEqual([13, 73]);
    expect(fine.get(73).image[1]).toBe((7 + 73 * 31) % 251);
    await expect(CIFAR100.load({ train: false, labels: 'both' as never })).rejects.toMatchObject({
      code: 'ERR_NN_ARGUMENT',
    });
  });
});

/** Images of 2x2 pixels in an IDX file. */
const images = (count: number) =>
  idxBytes(
    [count, 2, 2],
    Uint8Array.from({ length: 4 * count }, (_, i) => i % 256),
  );

describe('KMNIST', () => {
  it('is read from plain files, and compressed ones must have the published checksums', async () => {
    const root = await temporaryFolder();
    const labels = idxBytes([3], Uint8Array.of(9, 0, 4));
    const raw = join(root, 'KMNIST', 'raw');
    await put(raw, { 't10k-images-idx3-ubyte': images(3), 't10k-labels-idx1-ubyte': labels });
    const dataset = await KMNIST.load({ train: false, root });
    expect([...dataset.labels]).toEqual([9, 0, 4]);
    expect([...dataset.get(1).image]).toEqual([4, 5, 6, 7]);
    expect(KMNIST.classes).toHaveLength(10);
    const packed = { 'train-images-idx3-ubyte.gz': gzipSync(images(3)) };
    await put(raw, { ...packed, 'train-labels-idx1-ubyte': labels });
    await expect(KMNIST.load({ train: true, root })).rejects.toMatchObject({
      code: 'ERR_NN_DATA_CORRUPT',
      message: expect.stringContaining('expected MD5 bdb82020997e1d708af4cf47b453dcf7 of the file'),
    });
  });
});

describe('QMNIST', () => {
  const count = 10_003;
  const facts = (n: number, columns = 8) => {
    const body = Buffer.alloc(4 * n * columns);
    for (let i = 0; i < n * columns; i++) {
      body.writeInt32BE(i % columns === 0 ? (i / columns) % 10 : i, 4 * i);
    }
    const bytes = Buffer.from(idxBytes([n, columns], body));
    bytes[2] = 12;
    return bytes;
  };

  it('has the parts of its test files, and what is told of each sample', async () => {
    const root = await temporaryFolder();
    await put(join(root, 'qmnist'), {
      'qmnist-test-images-idx3-ubyte': images(count),
      'qmnist-test-labels-idx2-int': facts(count),
    });
    const load = (what: data.QmnistPart) => QMNIST.load({ what, root });
    const [test, first, rest] = [await load('test'), await load('test10k'), await load('test50k')];
    expect([test.length, first.length, rest.length]).toEqual([count, 10_000, 3]);
    expect([...rest.labels]).toEqual([0, 1, 2]);
    expect(rest.get(1)).toEqual(test.get(10_001));
    expect([...rest.facts.subarray(8, 11)]).toEqual([1, 80_009, 80_010]);
    expect(first.get(9_999)).toEqual(test.get(9_999));
    await using loader = new data.DataLoader(rest, { batchSize: 3, numWorkers: 1 });
    for await (const batch of loader) {
      expect([...batch.image]).toEqual([0, 1, 2].flatMap((i) => [...rest.get(i).image]));
    }
  });

  it('of another format is refused', async () => {
    const root = await temporaryFolder();
    await put(root, {
      'qmnist-train-images-idx3-ubyte': images(3),
      'qmnist-train-labels-idx2-int': facts(3, 7),
    });
    await expect(QMNIST.load({ what: 'train', root })).rejects.toMatchObject({
      code: 'ERR_NN_DATA_CORRUPT',
      message: expect.stringContaining('expected i32 labels [N, 8], got i32 [3, 7]'),
    });
    const bad = facts(3);
    bad.writeInt32BE(-1, 12 + 32);
    await put(root, { 'qmnist-train-labels-idx2-int': bad });
    await expect(QMNIST.load({ what: 'train', root })).rejects.toMatchObject({
      code: 'ERR_NN_DATA_CORRUPT',
      message: expect.stringContaining('at index 1'),
    });
    await expect(QMNIST.load({ what: 'nist' as never, root })).rejects.toMatchObject({
      code: 'ERR_NN_ARGUMENT',
    });
  });
});

describe('EMNIST', () => {
  const names = ['images-idx3-ubyte', 'labels-idx1-ubyte'].map(
    (name) => `emnist-letters-test-${name}`,
  ) as [string, string];
  const labels = idxBytes([3], Uint8Array.of(1, 26, 4));
  const options = { split: 'letters', train: false } as const;
  const source = (archive: Uint8Array) => ({
    title: 'EMNIST',
    folder: 'emnist',
    torchvisionFolder: 'EMNIST',
    systemFolders: [],
    hint: 'make them',
    mirrors: [],
    archive: { name: 'gzip.zip', md5: md5(archive) },
  });
  const packed = {
    'gzip/emnist-mnist-test-images-idx3-ubyte.gz': Buffer.from('not wanted'),
    [`gzip/${names[0]}.gz`]: gzipSync(images(3)),
    [`gzip/${names[1]}.gz`]: gzipSync(labels),
  };

  it('is read from a split’s files, as they are', async () => {
    const root = await temporaryFolder();
    await put(join(root, 'EMNIST', 'raw'), { [names[0]]: images(3), [names[1]]: labels });
    const dataset = await EMNIST.load({ ...options, root });
    expect(dataset).toMatchObject({ split: 'letters', train: false, imageShape: [1, 2, 2] });
    expect([...dataset.labels].map((label) => EMNIST.classes.letters[label])).toEqual([
      'a',
      'z',
      'd',
    ]);
    expect([...dataset.get(2).image]).toEqual([8, 9, 10, 11]);
  });

  it('has torchvision’s classes', () => {
    const text = (split: data.EmnistSplit) => EMNIST.classes[split].join('');
    expect(text('byclass')).toHaveLength(62);
    expect(text('balanced')).toBe('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt');
    expect(text('bymerge')).toBe(text('balanced'));
    expect(text('letters')).toBe('N/Aabcdefghijklmnopqrstuvwxyz');
    expect([text('digits'), text('mnist')]).toEqual(['0123456789', '0123456789']);
  });

  it.each([8, 0])('is extracted from the archive that was fetched (method %i)', async (method) => {
    const archive = zip(packed, method);
    const root = await temporaryFolder();
    const mirrors = [await serve({ 'gzip.zip': archive })];
    const load = () =>
      loadEmnistFiles(source(archive), { ...options, root, download: true, mirrors });
    const { images: pixels, labels: read } = await load();
    expect([...pixels]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect([...(read as Uint8Array)]).toEqual([1, 26, 4]);
    expect((await readdir(root)).sort()).toEqual(
      [...names.map((n) => `${n}.gz`), 'gzip.zip'].sort(),
    );
    const first = await readFile(join(root, `${names[0]}.gz`));
    await load();
    expect(await readFile(join(root, `${names[0]}.gz`))).toEqual(first);
  });

  it.each<[string, Buffer, string]>([
    ['no archive', Buffer.alloc(99, 'x'), 'expected a zip archive, got other bytes'],
    ['cut', Buffer.concat([zip(packed).subarray(0, 40), zip(packed).subarray(-31)]), 'it is cut'],
    ['without the file', zip({}), `expected gzip/${names[0]}.gz in it, got none`],
    ['packed otherwise', zip(packed, 9), 'to be deflated or stored, got method 9'],
  ])('whose archive is %s is damaged', async (_, archive, message) => {
    const root = await temporaryFolder();
    await put(root, { 'gzip.zip': archive });
    await expect(loadEmnistFiles(source(archive), { ...options, root })).rejects.toMatchObject({
      code: 'ERR_NN_DATA_CORRUPT',
      message: expect.stringContaining(message),
    });
    expect(await readdir(root)).toEqual(['gzip.zip']);
  });

  it('whose archive has another checksum is damaged', async () => {
    const root = await temporaryFolder();
    await put(root, { 'gzip.zip': zip(packed) });
    await expect(EMNIST.load({ ...options, root })).rejects.toMatchObject({
      code: 'ERR_NN_DATA_CORRUPT',
      message: expect.stringContaining('expected MD5 58c8d27c78d21e728a6bc7b3cc06412e of the file'),
    });
  });

  it('that is nowhere is told of', async () => {
    const root = await temporaryFolder();
    await expect(EMNIST.load({ ...options, root })).rejects.toMatchObject({
      code: 'ERR_NN_DATA_MISSING',
      message: expect.stringContaining(`expected ${names[0]}(.gz) and ${names[1]}(.gz)`),
    });
    await expect(EMNIST.load({ ...options, split: 'signs' as never })).rejects.toMatchObject({
      code: 'ERR_NN_ARGUMENT',
    });
  });
});

describe('loaders of both parts', () => {
  it('take another data set than Fashion-MNIST', async () => {
    const root = await temporaryFolder();
    const labels = idxBytes([3], Uint8Array.of(9, 0, 4));
    for (const part of ['train', 't10k']) {
      await put(root, {
        [`${part}-images-idx3-ubyte`]: images(3),
        [`${part}-labels-idx1-ubyte`]: labels,
      });
    }
    const { train, test } = await data.loadKmnist({ root, batchSize: 2, resize: 4 });
    expect([train.length, test.length, train.dataset]).toMatchObject([
      2,
      2,
      { imageShape: [1, 4, 4] },
    ]);
    expect(train.dataset).toBeInstanceOf(KMNIST);
    for (const load of [data.loadMnist, data.loadCifar10, data.loadCifar100]) {
      await expect(load({ root: await temporaryFolder() })).rejects.toMatchObject({
        code: 'ERR_NN_DATA_MISSING',
      });
    }
  });
});
