/** IDX files: what is read, and every way in which a file can be damaged. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type FileHandle, open, truncate, writeFile } from 'node:fs/promises';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { gzipSync, type ZlibOptions } from 'node:zlib';
import { data } from 'neuronode';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { idxBytes, temporaryFolder } from './data-support.js';

const { decodeIdx, readIdx } = data;
const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex');

const elements = Uint8Array.from({ length: 24 }, (_, i) => i * 10);
const plain = idxBytes([2, 3, 4], elements);
const gzipped = gzipSync(plain);

/** The module object whose functions the package's imports follow after syncBuiltinESMExports. */
const builtinZlib = () =>
  createRequire(import.meta.url)('node:zlib') as {
    gunzipSync: (bytes: Uint8Array, options?: ZlibOptions) => Buffer;
  };

function changed(bytes: Uint8Array, at: number, to: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[at] = to;
  return copy;
}

describe('decodeIdx', () => {
  it.each([
    ['plain', plain],
    ['gzipped', gzipped],
  ])('reads a %s file', (_, bytes) => {
    expect(decodeIdx(bytes)).toEqual({ dtype: 'u8', shape: [2, 3, 4], data: elements });
  });

  it.each([
    ['i8', 0x09, [0xff, 0x7f], new Int8Array([-1, 127])],
    ['i16', 0x0b, [0xff, 0xfe, 0x01, 0x02], new Int16Array([-2, 258])],
    ['i32', 0x0c, [0xff, 0xff, 0xff, 0xfd, 0, 1, 0, 0], new Int32Array([-3, 65536])],
    ['f32', 0x0d, [0x3f, 0x80, 0, 0, 0xc0, 0x20, 0, 0], new Float32Array([1, -2.5])],
    [
      'f64',
      0x0e,
      [0x3f, 0xf0, 0, 0, 0, 0, 0, 0, 0xc0, 0x04, 0, 0, 0, 0, 0, 0],
      new Float64Array([1, -2.5]),
    ],
  ])('reads %s elements, which are big-endian', (dtype, code, bytes, expected) => {
    const file = Uint8Array.from([0, 0, code, 1, 0, 0, 0, 2, ...bytes]);
    expect(decodeIdx(file)).toEqual({ dtype, shape: [2], data: expected });
  });

  it('reads a dimension of size 0', () => {
    expect(decodeIdx(idxBytes([0, 3], new Uint8Array(0)))).toMatchObject({ shape: [0, 3] });
  });

  it('reads a view that does not begin at its buffer’s start', () => {
    const buffer = Buffer.concat([Buffer.alloc(3), plain]);
    expect(decodeIdx(buffer.subarray(3)).data).toEqual(elements);
  });
});

/** What is wrong, the bytes, and what the message must say. */
const damaged: [string, Uint8Array, string][] = [
  ['an empty file', new Uint8Array(0), 'got a file of 0 bytes'],
  ['a file cut in the magic number', plain.subarray(0, 3), 'got a file of 3 bytes'],
  ['a file cut in the sizes', plain.subarray(0, 14), 'got a file of 14 bytes'],
  ['a file cut after the header', plain.subarray(0, 16), 'expected 24 bytes of data'],
  ['a file cut in the data', plain.subarray(0, 39), 'expected 24 bytes of data'],
  [
    'a file with more data',
    Buffer.concat([plain, Buffer.alloc(1)]),
    'of data for shape [2, 3, 4], got more',
  ],
  ['a wrong magic number', changed(plain, 0, 1), 'got first bytes 01 00 08 03'],
  ['an unknown type', changed(plain, 2, 0x0a), 'got first bytes 00 00 0a 03'],
  ['no dimension', changed(plain, 3, 0), 'got first bytes 00 00 08 00'],
  ['a size that no memory holds', changed(plain, 4, 0xff), 'for shape [4278190082, 3, 4]'],
  ['a gzip file cut in its header', gzipped.subarray(0, 5), 'expected a whole gzip file'],
  ['a gzip file cut in its data', gzipped.subarray(0, 25), 'expected a whole gzip file'],
  ['a gzip file cut in its checksum', gzipped.subarray(0, -5), 'expected a whole gzip file'],
  ['a gzip file with a wrong checksum', changed(gzipped, gzipped.length - 8, 1), 'gzip'],
  ['a gzip file of a cut IDX file', gzipSync(plain.subarray(0, 39)), 'expected 24 bytes of data'],
  [
    'a gzip file of a long IDX file',
    gzipSync(Buffer.concat([plain, plain])),
    'of data for shape [2, 3, 4], got more',
  ],
  ['a gzip file of another format', gzipSync(Buffer.from('hello')), 'got first bytes 68 65 6c 6c'],
  [
    'a gzip file that claims more than gzip can hold',
    gzipSync(changed(plain, 4, 0xff)),
    'for shape [4278190082, 3, 4]',
  ],
];

describe('a damaged file', () => {
  it.each(damaged)('decodeIdx refuses %s', (_, bytes, what) => {
    expect(() => decodeIdx(bytes, 'some-file')).toThrowError(
      expect.objectContaining({
        name: 'DataError',
        code: 'ERR_NN_DATA_CORRUPT',
        message: expect.stringMatching(/^some-file: /),
      }),
    );
    expect(() => decodeIdx(bytes)).toThrowError(what);
  });

  it.each(damaged)('readIdx refuses %s, and names the file', async (_, bytes, what) => {
    const path = join(await temporaryFolder(), 'file');
    await writeFile(path, bytes);
    const error = await readIdx(path).catch((e: unknown) => e);
    expect(error).toMatchObject({ name: 'DataError', code: 'ERR_NN_DATA_CORRUPT' });
    expect((error as Error).message).toContain(path);
    expect((error as Error).message).toContain(what);
  });

  it('is refused wherever it is cut', () => {
    for (let length = 0; length < plain.length; length++) {
      expect(() => decodeIdx(plain.subarray(0, length))).toThrowError(/got/);
    }
    for (let length = 2; length < gzipped.length; length++) {
      expect(() => decodeIdx(gzipped.subarray(0, length))).toThrowError(/gzip/);
    }
  });
});

describe('a gzip file', () => {
  /** Both ways to read it; one of pieces, one of the whole. */
  const readBoth = async (bytes: Uint8Array) => {
    const path = join(await temporaryFolder(), 'file');
    await writeFile(path, bytes);
    return [() => readIdx(path), async () => decodeIdx(bytes)];
  };
  const expectRead = async (bytes: Uint8Array, wanted: Uint8Array) => {
    for (const read of await readBoth(bytes)) {
      expect(Buffer.from((await read()).data.buffer).equals(wanted)).toBe(true);
    }
  };
  /** Noise, of which gzip makes about as many bytes. */
  const noise = (length: number) => {
    let word = 1;
    return Uint8Array.from({ length }, () => {
      word = Math.imul(word, 1664525) + 1013904223;
      return word >>> 24;
    });
  };
  const large = noise(700_000);
  const largeGzipped = gzipSync(idxBytes([700_000], large));
  // Stored as it is, so that its size can be chosen: it ends where the first piece ends.
  const aligned = noise((1 << 18) - 61);
  const alignedGzipped = gzipSync(idxBytes([aligned.length], aligned), { level: 0 });

  it.each([1, 7, 512, 300_000])('may be padded with %i zero bytes', async (count) => {
    const padding = Buffer.alloc(count);
    await expectRead(Buffer.concat([gzipped, padding]), elements);
    await expectRead(Buffer.concat([largeGzipped, padding]), large);
    await expectRead(Buffer.concat([alignedGzipped, padding]), aligned);
  });

  it('may have a piece’s size', () => {
    expect(alignedGzipped.length).toBe(1 << 18);
  });

  it.each([1, 20, 100_000, 400_000])(
    'may have several members, the first of %i bytes',
    async (at) => {
      const file = idxBytes([700_000], large);
      const members = [file.subarray(0, at), file.subarray(at, at + 9), file.subarray(at + 9)];
      const bytes = Buffer.concat(members.map((member) => gzipSync(member)));
      await expectRead(bytes, large);
      await expectRead(Buffer.concat([bytes, Buffer.alloc(1000)]), large);
    },
  );

  it('may have a member that ends with a piece', async () => {
    const rest = noise(5000);
    const file = idxBytes([aligned.length + 5000], Buffer.concat([aligned, rest]));
    const cut = file.length - 5000;
    const bytes = Buffer.concat([
      gzipSync(file.subarray(0, cut), { level: 0 }),
      gzipSync(file.subarray(cut)),
    ]);
    await expectRead(bytes, Buffer.concat([aligned, rest]));
  });

  it('may have a long name in its header', async () => {
    const name = Buffer.alloc(50_000, 'n');
    name[name.length - 1] = 0;
    const header = changed(gzipped.subarray(0, 10), 3, 8);
    await expectRead(Buffer.concat([header, name, gzipped.subarray(10)]), elements);
  });

  it.each([
    ['right behind it', Buffer.from('x'), /expected a whole gzip file, got a damaged one/],
    ['behind padding', Buffer.from('\0\0x'), /\(bytes other than zero follow its end\)/],
    [
      'far behind',
      Buffer.alloc(600_001).fill('x', 600_000),
      /\(bytes other than zero follow its end\)/,
    ],
    ['as a cut member', gzipped.subarray(0, 20), /got more|got a damaged one/],
  ])('is damaged by other bytes %s', async (_, bytes, what) => {
    for (const start of [gzipped, largeGzipped, alignedGzipped]) {
      for (const read of await readBoth(Buffer.concat([start, bytes]))) {
        await expect(read()).rejects.toMatchObject({
          code: 'ERR_NN_DATA_CORRUPT',
          message: expect.stringMatching(what),
        });
      }
    }
  });

  it('is unpacked no further than its header announces', async () => {
    const file = Buffer.concat([idxBytes([10], new Uint8Array(10)), Buffer.alloc(20_000_000)]);
    const bytes = gzipSync(file);
    const zlib = builtinZlib();
    const { gunzipSync } = zlib;
    onTestFinished(() => {
      zlib.gunzipSync = gunzipSync;
      syncBuiltinESMExports();
    });
    const limits: number[] = [];
    zlib.gunzipSync = (input, options) => {
      limits.push(Math.min(options?.maxOutputLength ?? Infinity, input.length * 1032));
      return gunzipSync(input, options);
    };
    syncBuiltinESMExports();
    expect(() => decodeIdx(bytes)).toThrowError(
      'expected 10 bytes of data for shape [10], got more',
    );
    // A kilobyte of the file for the header, then the 18 bytes that there should be.
    expect(limits.length).toBeGreaterThanOrEqual(2);
    expect(Math.max(...limits)).toBeLessThanOrEqual(1024 * 1032);
    expect(limits.at(-1)).toBe(18);
  });
});

describe('a file that memory does not hold', () => {
  /** Until the test's end, no buffer of `size` bytes can be had. */
  const refuse = (name: 'ArrayBuffer' | 'SharedArrayBuffer', size: number) => {
    const Original = globalThis[name];
    const refusing = new Proxy(Original, {
      construct(target, args) {
        if (args[0] === size) throw new RangeError('Array buffer allocation failed');
        return Reflect.construct(target, args);
      },
    });
    vi.stubGlobal(name, refusing);
    onTestFinished(() => {
      vi.unstubAllGlobals();
    });
  };
  const outOfMemory = {
    name: 'OutOfMemoryError',
    code: 'ERR_NN_OUT_OF_MEMORY',
    message: expect.stringMatching(/no memory for its 24 bytes/),
    cause: expect.any(RangeError),
  };

  it.each([
    ['plain', plain],
    ['gzipped', gzipped],
  ])('is refused, %s', async (_, bytes) => {
    const path = join(await temporaryFolder(), 'file');
    await writeFile(path, bytes);
    refuse('SharedArrayBuffer', 24);
    await expect(readIdx(path)).rejects.toMatchObject(outOfMemory);
    refuse('ArrayBuffer', 24);
    expect(() => decodeIdx(bytes)).toThrowError(expect.objectContaining(outOfMemory));
  });

  it('is refused before any is taken', async () => {
    const path = join(await temporaryFolder(), 'file');
    const header = Buffer.from(idxBytes([0, 0], new Uint8Array(0)));
    header.writeUInt32BE(2 ** 31, 4);
    header.writeUInt32BE(2 ** 8, 8);
    await writeFile(path, header);
    await truncate(path, header.length + 2 ** 39);
    const reading = readIdx(path);
    await expect(reading).rejects.toMatchObject({ code: 'ERR_NN_OUT_OF_MEMORY' });
    await expect(reading).rejects.toThrow(/file: its data needs 524288 MiB of memory, but/);
  });

  it('is refused where zlib has no memory for its contents', () => {
    const [zlib, { gunzipSync }] = [builtinZlib(), builtinZlib()];
    onTestFinished(() => {
      zlib.gunzipSync = gunzipSync;
      syncBuiltinESMExports();
    });
    for (const fault of [
      new RangeError('Array buffer allocation failed'),
      Object.assign(new Error('insufficient memory'), { code: 'Z_MEM_ERROR' }),
    ]) {
      zlib.gunzipSync = () => {
        throw fault;
      };
      syncBuiltinESMExports();
      expect(() => decodeIdx(gzipped, 'some-file')).toThrowError(
        expect.objectContaining({ code: 'ERR_NN_OUT_OF_MEMORY', cause: fault }),
      );
    }
  });
});

/** Until the test's end, calls back for each piece that a stream of a file is given. */
async function onEachPiece(call: () => void): Promise<void> {
  const handle = await open(new URL(import.meta.url));
  const prototype = Object.getPrototypeOf(handle) as FileHandle;
  await handle.close();
  const { createReadStream } = prototype;
  onTestFinished(() => {
    prototype.createReadStream = createReadStream;
  });
  prototype.createReadStream = function (this: FileHandle, options) {
    const stream = createReadStream.call(this, options);
    const { push } = stream;
    stream.push = (...args: Parameters<typeof push>) => {
      call();
      return push.apply(stream, args);
    };
    return stream;
  };
}

describe('readIdx', () => {
  it.each([
    ['plain', plain],
    ['gzipped', gzipped],
  ])('reads a %s file into shared memory', async (_, bytes) => {
    const path = join(await temporaryFolder(), 'file');
    await writeFile(path, bytes);
    const array = await readIdx(path, { md5: md5(plain) });
    expect(array).toMatchObject({ dtype: 'u8', shape: [2, 3, 4] });
    expect([...array.data]).toEqual([...elements]);
    expect(array.data.buffer).toBeInstanceOf(SharedArrayBuffer);
  });

  it('refuses unknown options, and decodeIdx what is no array of bytes', async () => {
    for (const wrong of [null, { MD5: md5(plain) }, { signal: {} }]) {
      await expect(readIdx('none', wrong as data.ReadIdxOptions)).rejects.toMatchObject({
        code: 'ERR_NN_ARGUMENT',
      });
    }
    for (const path of [undefined, '', Symbol('path'), new URL('file:///none')]) {
      await expect(readIdx(path as string)).rejects.toMatchObject({
        code: 'ERR_NN_ARGUMENT',
        message: expect.stringContaining('readIdx expects path to be a path, got'),
      });
    }
    expect(() => decodeIdx(undefined as unknown as Uint8Array)).toThrowError(
      'decodeIdx expects bytes to be a Uint8Array, got undefined',
    );
  });

  it('finds every flipped bit by the checksum', async () => {
    const path = join(await temporaryFolder(), 'file');
    for (let at = 16; at < plain.length; at++) {
      await writeFile(path, changed(plain, at, plain[at]! ^ 1));
      await expect(readIdx(path, { md5: md5(plain) })).rejects.toMatchObject({
        code: 'ERR_NN_DATA_CORRUPT',
        message: expect.stringContaining(`expected MD5 ${md5(plain)} of the decompressed file`),
      });
    }
  });

  it('turns large numbers round in slices, with turns of the event loop between', async () => {
    const count = 2_000_000;
    const file = Buffer.alloc(8 + 4 * count);
    file.set([0, 0, 0x0c, 1]);
    file.writeUInt32BE(count, 4);
    for (let i = 0; i < count; i++) file.writeInt32BE(i - 5, 8 + 4 * i);
    const path = join(await temporaryFolder(), 'file');
    await writeFile(path, file);
    let turns = 0;
    let isOver = false;
    const countTurns = () => {
      turns += 1;
      if (!isOver) setImmediate(countTurns);
    };
    setImmediate(countTurns);
    await onEachPiece(() => {
      turns = 0; // what counts is what comes after the last one
    });
    const { data: numbers } = await readIdx(path);
    isOver = true;
    expect(numbers).toBeInstanceOf(Int32Array);
    expect(numbers.every((number, i) => number === i - 5)).toBe(true);
    expect(turns).toBeGreaterThanOrEqual(8); // 8 MB
  });

  it('takes a checksum in upper case, and refuses what is none', async () => {
    const path = join(await temporaryFolder(), 'file');
    await writeFile(path, gzipped);
    const array = await readIdx(path, { md5: md5(plain).toUpperCase() });
    expect([...array.data]).toEqual([...elements]);
    for (const wrong of ['', 'abc', `${md5(plain)}0`, 5, null]) {
      const options = { md5: wrong as string };
      await expect(readIdx(path, options)).rejects.toMatchObject({
        code: 'ERR_NN_ARGUMENT',
        message: expect.stringContaining('expects md5 to be 32 hexadecimal digits, got'),
      });
    }
  });

  it('reports a file that is not there, with the cause', async () => {
    const path = join(await temporaryFolder(), 'none');
    await expect(readIdx(path)).rejects.toMatchObject({
      code: 'ERR_NN_DATA_MISSING',
      message: expect.stringContaining(path),
      cause: { code: 'ENOENT' },
    });
  });

  it('reports what is no regular file, and waits for none', async () => {
    const folder = await temporaryFolder();
    const fifo = join(folder, 'fifo');
    execFileSync('mkfifo', [fifo]);
    for (const [path, what] of [
      [folder, 'a directory'],
      [fifo, 'a FIFO'],
      ['/dev/zero', 'a device'],
    ] as const) {
      await expect(readIdx(path)).rejects.toMatchObject({
        code: 'ERR_NN_DATA_MISSING',
        message: expect.stringContaining(`expected a regular file, got ${what}`),
      });
    }
  });

  it('stops with the signal’s reason', async () => {
    const reason = new Error('enough');
    const file = '/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz';
    await expect(readIdx(file, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const beforeOpen = new AbortController();
    const reading = readIdx(file, { signal: beforeOpen.signal });
    beforeOpen.abort(reason);
    await expect(reading).rejects.toBe(reason);
    // Later, when the second piece of the file has come.
    const midway = new AbortController();
    let pieces = 0;
    await onEachPiece(() => {
      pieces += 1;
      if (pieces === 2) midway.abort(reason);
    });
    await expect(readIdx(file, { signal: midway.signal })).rejects.toBe(reason);
    expect(pieces).toBeLessThan(10); // of a hundred
  });

  it('equals decodeIdx on a real file', async () => {
    const file = '/usr/share/datasets/fashion-mnist/t10k-labels-idx1-ubyte.gz';
    const { data: labels } = await readIdx(file);
    expect([...labels]).toEqual([...decodeIdx(readFileSync(file)).data]);
  });
});
