import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import {
  ArgumentError,
  CheckpointError,
  DataError,
  DTypeError,
  FileError,
  models,
  nn,
  OutOfMemoryError,
  safetensors,
} from 'neuronode';
import { afterAll, describe, expect, it } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'neuronode-safetensors-'));
afterAll(() => rmSync(folder, { recursive: true }));
const place = (name: string) => join(folder, name);

/** A file of this header (bytes, text or an object) and these bytes. */
function file(name: string, header: unknown, data: Uint8Array | number): string {
  const text = Buffer.isBuffer(header)
    ? header
    : Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const bytes = typeof data === 'number' ? Buffer.alloc(data) : data;
  writeFileSync(place(name), Buffer.concat([length, text, bytes]));
  return place(name);
}

describe('save and load', () => {
  it('carry a network', async () => {
    const [from, to] = [models.lenet(), models.lenet()];
    await safetensors.save(place('lenet'), from.stateDict(), { epoch: '3', note: 'ünï' });
    to.loadStateDict(await safetensors.load(place('lenet')));
    expect(to.stateDict()).toEqual(from.stateDict());
    expect(await safetensors.metadata(place('lenet'))).toEqual({ epoch: '3', note: 'ünï' });
  });

  it('carry every element type, scalars and empty tensors', async () => {
    const tensors = {
      bytes: { data: Uint8Array.of(1, 2, 255), shape: [3] },
      f32: { data: Float32Array.of(0.1, -0, Infinity), shape: [3, 1] },
      f64: { data: Float64Array.of(1 / 3), shape: [] },
      i32: { data: Int32Array.of(-(2 ** 31), 7), shape: [1, 2] },
      i64: { data: BigInt64Array.of(-(2n ** 63n)), shape: [1] },
      none: { data: new Float32Array(0), shape: [0, 4] },
    };
    await safetensors.save(place('types'), tensors);
    expect(await safetensors.load(place('types'))).toEqual(tensors);
    expect(await safetensors.metadata(place('types'))).toEqual({});
  });

  it('aligns tensors to their element size', async () => {
    const { data: byte } = { data: Uint8Array.of(9) };
    await safetensors.save(place('aligned'), {
      a: { data: byte, shape: [1] },
      b: { data: Float64Array.of(1), shape: [1] },
    });
    const bytes = readFileSync(place('aligned'));
    const header = Number(bytes.readBigUInt64LE(0));
    expect(header % 8).toBe(0);
    const { b } = JSON.parse(bytes.toString('utf8', 8, 8 + header));
    expect(b.data_offsets).toEqual([0, 8]);
  });

  it('stores a view without its surroundings', async () => {
    const data = Float32Array.of(1, 2, 3, 4).subarray(1, 3);
    await safetensors.save(place('view'), { view: { data, shape: [2] } });
    expect([...(await safetensors.load(place('view'))).view!.data]).toEqual([2, 3]);
  });

  it('widens half precision exactly', async () => {
    const bits = Uint16Array.of(0x3e00, 0xae66, 0x0001, 0x7bff, 0x7c00, 0xfc00, 0x8000, 0x03ff);
    const header = { h: { dtype: 'F16', shape: [8], data_offsets: [0, 16] } };
    const { h } = await safetensors.load(file('f16', header, new Uint8Array(bits.buffer)));
    expect([...h!.data]).toEqual([
      1.5,
      -0.0999755859375,
      2 ** -24,
      65504,
      Infinity,
      -Infinity,
      -0,
      1023 * 2 ** -24,
    ]);
    const brain = Uint16Array.of(0x4049, 0x8da2, 0x7f80);
    const bf16 = { b: { dtype: 'BF16', shape: [3], data_offsets: [0, 6] } };
    const { b } = await safetensors.load(file('bf16', bf16, new Uint8Array(brain.buffer)));
    expect([...b!.data]).toEqual([3.140625, -9.98402083170343e-31, Infinity]);
  });

  it('replaces a file whole, and leaves nothing beside it', async () => {
    const tensor = (value: number) => ({ x: { data: Float32Array.of(value), shape: [1] } });
    await safetensors.save(place('replaced'), tensor(1));
    await safetensors.save(place('replaced'), tensor(2));
    expect((await safetensors.load(place('replaced'))).x!.data[0]).toBe(2);
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('fails to write into no folder, with the reason', async () => {
    const call = safetensors.save(join(folder, 'no', 'file'), {});
    await expect(call).rejects.toThrow(CheckpointError);
    await expect(call).rejects.toThrow(/could not be written: ENOENT/);
  });

  it.each<[string, unknown, unknown, string]>([
    [
      'an array of another kind',
      { x: { data: new Uint8ClampedArray(1), shape: [1] } },
      {},
      'Uint8ClampedArray',
    ],
    [
      'a Proxy of an array',
      { x: { data: new Proxy(new Float32Array(1), {}), shape: [1] } },
      {},
      'got a Proxy',
    ],
    ['no array', { x: 3 }, {}, 'got undefined'],
    ['another number of values', { x: { data: new Float32Array(2), shape: [3] } }, {}, '2 values'],
    ['the reserved name', JSON.parse('{"__metadata__": {}}'), {}, "'__metadata__'"],
    ['metadata that is no text', {}, { epoch: 3 }, "got 3 for 'epoch'"],
    ['null for tensors', null, {}, 'an object of tensors by name, got null'],
    ['a list of tensors', [], {}, 'an object of tensors by name, got []'],
    ['null for metadata', {}, null, 'an object of metadata by name, got null'],
  ])('refuse %s', async (_title, tensors, metadata, message) => {
    const call = safetensors.save(place('refused'), tensors as never, metadata as never);
    await expect(call).rejects.toThrow(ArgumentError);
    await expect(call).rejects.toThrow(message);
    expect(readdirSync(folder)).not.toContain('refused');
  });

  it('take arrays of another context', async () => {
    const data = runInNewContext('new Float32Array([1, 2])') as Float32Array;
    expect(data).not.toBeInstanceOf(Float32Array);
    await safetensors.save(place('foreign'), { x: { data, shape: [2] } });
    expect([...(await safetensors.load(place('foreign'))).x!.data]).toEqual([1, 2]);
    const linear = new nn.Linear(2, 1, { bias: false });
    linear.loadStateDict({ weight: { data, shape: [1, 2] } });
    expect([...linear.weight.data]).toEqual([1, 2]);
  });

  it.each([undefined, null, 3, ''])('refuse the path %j', async (path) => {
    const message = "expects path to be a file's path, got";
    for (const call of [
      safetensors.save(path as string, {}),
      safetensors.load(path as string),
      safetensors.metadata(path as string),
    ]) {
      await expect(call).rejects.toThrow(ArgumentError);
      await expect(call).rejects.toThrow(message);
    }
  });
});

describe('every element type', () => {
  const le = (type: new (values: number[]) => ArrayBufferView, ...values: number[]) =>
    new Uint8Array(new type(values).buffer);
  it.each<[string, Uint8Array, string, (number | bigint)[]]>([
    ['BOOL', Uint8Array.of(1, 0), 'Uint8Array', [1, 0]],
    ['U8', Uint8Array.of(0, 255), 'Uint8Array', [0, 255]],
    ['I8', Uint8Array.of(0x80, 0x7f), 'Int8Array', [-128, 127]],
    ['I16', le(Int16Array, -32768, 5), 'Int16Array', [-32768, 5]],
    ['U16', le(Uint16Array, 65535, 5), 'Uint16Array', [65535, 5]],
    ['I32', le(Int32Array, -5, 7), 'Int32Array', [-5, 7]],
    ['U32', le(Uint32Array, 2 ** 32 - 1, 7), 'Uint32Array', [2 ** 32 - 1, 7]],
    ['F32', le(Float32Array, 1.5, -2), 'Float32Array', [1.5, -2]],
    ['F64', le(Float64Array, 1 / 3, -2), 'Float64Array', [1 / 3, -2]],
    ['I64', new Uint8Array(BigInt64Array.of(-1n, 2n).buffer), 'BigInt64Array', [-1n, 2n]],
    [
      'U64',
      new Uint8Array(BigUint64Array.of(2n ** 64n - 1n, 2n).buffer),
      'BigUint64Array',
      [2n ** 64n - 1n, 2n],
    ],
    // As torch.tensor(bits, dtype=torch.uint8).view(torch.float8_e4m3fn).float() gives them.
    [
      'F8_E4M3',
      Uint8Array.of(0x38, 0x7e, 0x01, 0xb8, 0x7f),
      'Float32Array',
      [1, 448, 2 ** -9, -1, NaN],
    ],
    [
      'F8_E5M2',
      Uint8Array.of(0x3c, 0x7b, 0x01, 0x7c, 0xfe),
      'Float32Array',
      [1, 57344, 2 ** -16, Infinity, NaN],
    ],
    ['F8_E8M0', Uint8Array.of(127, 0, 255), 'Float32Array', [1, 2 ** -127, NaN]],
  ])('%s is read', async (dtype, bytes, kind, values) => {
    const header = { x: { dtype, shape: [values.length], data_offsets: [0, bytes.length] } };
    const { x } = await safetensors.load(file(`type-${dtype}`, header, bytes));
    expect(x!.data.constructor.name).toBe(kind);
    expect([...x!.data]).toEqual(values);
    // What is read can be saved.
    await safetensors.save(place('again'), { x: x! });
    expect((await safetensors.load(place('again'))).x).toEqual(x);
  });

  it('that is not read is named, with its tensor', async () => {
    const header = {
      ok: { dtype: 'U8', shape: [1], data_offsets: [0, 1] },
      'fft.w': { dtype: 'C64', shape: [1], data_offsets: [1, 9] },
    };
    const call = safetensors.load(file('complex', header, 9));
    await expect(call).rejects.toThrow(DTypeError);
    await expect(call).rejects.toThrow(/the tensor 'fft\.w' is of the element type 'C64'.*BF16/);
    expect(await safetensors.metadata(place('complex'))).toEqual({});
  });

  it('of half precision is widened the same across slices', async () => {
    const bits = Uint16Array.from({ length: 300_000 }, (_, i) => i);
    const header = { h: { dtype: 'F16', shape: [300_000], data_offsets: [0, 600_000] } };
    const { h } = await safetensors.load(file('long', header, new Uint8Array(bits.buffer)));
    expect(h!.data[65536 + 0x3e00]).toBe(1.5);
    expect(h!.data[4 * 65536 + 0x7bff]).toBe(65504);
  });
});

describe('a file of another kind', () => {
  it.each<[string, Buffer, RegExp]>([
    [
      '.pth',
      Buffer.from('PK\x03\x04\x00\x00\x08\x08\x00\x00archive/data.pkl'),
      /zip archive, as torch\.save's \.pth/,
    ],
    ['a pickle', Buffer.from('\x80\x02}q\x00(X\x06\x00\x00\x00', 'latin1'), /a pickle/],
    ['.npy', Buffer.from('\x93NUMPY\x01\x00v\x00{}      ', 'latin1'), /\.npy/],
    ['a pointer', Buffer.from('version https://git-lfs.github.com/spec/v1\n'), /git lfs pull/],
  ])('is recognised: %s', async (name, bytes, message) => {
    writeFileSync(place(`other${name}`), bytes);
    const call = safetensors.load(place(`other${name}`));
    await expect(call).rejects.toThrow(FileError);
    await expect(call).rejects.toThrow(message);
  });

  it('is no mistake for a header of as many bytes as a pickle begins with', async () => {
    const text = `{"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`.padEnd(0x280);
    expect(readFileSync(file('640', text, 0)).subarray(0, 2)).toEqual(Buffer.of(0x80, 2));
    expect(Object.keys(await safetensors.load(place('640')))).toEqual(['x']);
  });
});

describe('a damaged file', () => {
  const good = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };

  it('is not opened where it is missing', async () => {
    const call = safetensors.load(place('missing'));
    await expect(call).rejects.toThrow(DataError);
    await expect(call).rejects.toMatchObject({ code: 'ERR_NN_DATA_MISSING' });
  });

  it.each<[string, unknown, number, RegExp]>([
    ['text that is no JSON', '{"x"', 0, /header is not JSON/],
    ['no header', '', 0, /header is not a JSON object/],
    ['bytes that are no UTF-8', Buffer.from('{"\xff":0}', 'latin1'), 0, /header is not JSON/],
    ['a list', '[]', 0, /not a JSON object/],
    ['metadata of numbers', { __metadata__: { a: 1 } }, 0, /metadata is not an object of strings/],
    ['a tensor that is no object', { x: 3 }, 0, /not described by an object/],
    ['a type that is no text', { x: { ...good, dtype: 3 } }, 8, /'x' has the type 3/],
    ['a negative size', { x: { ...good, shape: [-2] } }, 8, /shape \[-2\]/],
    ['three offsets', { x: { ...good, data_offsets: [0, 4, 8] } }, 8, /offsets/],
    ['a range of another length', { x: { ...good, shape: [3] } }, 8, /needs 12 bytes, has 8/],
    [
      'a range backwards',
      { x: { ...good, shape: [0], data_offsets: [8, 0] } },
      8,
      /ends before it begins/,
    ],
    ['an overlap', { x: good, y: { ...good, data_offsets: [4, 12] } }, 12, /overlaps/],
    ['a gap', { x: good, y: { ...good, data_offsets: [12, 20] } }, 20, /leaves a gap/],
    ['a gap at the start', { x: { ...good, data_offsets: [8, 16] } }, 16, /leaves a gap/],
    [
      'an empty tensor inside another',
      { x: good, y: { ...good, shape: [0], data_offsets: [4, 4] } },
      8,
      /'y' at byte 4 overlaps/,
    ],
    [
      'a name that comes twice',
      `{"x":${JSON.stringify(good)},"x":${JSON.stringify(good)}}`,
      8,
      /'x' is there twice/,
    ],
    ['more behind its header', `{"x":${JSON.stringify(good)}}]`, 8, /header is not JSON/],
    ['a value cut short', '{"x":{"dtype":"F32"', 8, /header is not JSON/],
    ['brackets that do not match', '{"x":{"shape":[2}]}', 8, /header is not JSON/],
    [
      'deep nesting',
      `{"x":${'['.repeat(1e6)}${']'.repeat(1e6)}}`,
      8,
      /nested deeper than 16 levels/,
    ],
    [
      'deep nesting in its metadata',
      `{"__metadata__":{"x":${'{"a":'.repeat(1e5)}`,
      8,
      /nested deeper/,
    ],
    [
      'a text of 5 MB',
      { __metadata__: { x: 'a'.repeat(5e6) } },
      0,
      /more than 4194304 bytes for one/,
    ],
    ['much white space', `{${' '.repeat(5e6)}}`, 0, /more than 4194304 bytes for one/],
    [
      'too many tensors',
      `{${Array.from({ length: 100_001 }, (_, i) => `"${i}":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`)}}`,
      0,
      /more than 100000 tensors/,
    ],
    ['bytes too few', { x: good }, 7, /need 8 bytes, but 7 follow/],
    ['bytes too many', { x: good }, 9, /need 8 bytes, but 9 follow/],
  ])('with %s', async (title, header, data, message) => {
    const path = file(title.replaceAll(' ', '-'), header, data);
    const call = safetensors.load(path);
    await expect(call).rejects.toMatchObject({ code: 'ERR_NN_DATA_CORRUPT' });
    await expect(call).rejects.toThrow(message);
    await expect(call).rejects.toThrow(path);
  });

  it('cut at any byte is never taken for whole', async () => {
    await safetensors.save(place('whole'), { x: { data: Float32Array.of(1, 2), shape: [2] } });
    const bytes = readFileSync(place('whole'));
    for (let length = 0; length < bytes.length; length++) {
      writeFileSync(place('cut'), bytes.subarray(0, length));
      await expect(safetensors.load(place('cut')), `${length} bytes`).rejects.toMatchObject({
        code: 'ERR_NN_DATA_CORRUPT',
      });
    }
  });

  it('that is larger than memory is refused, by the tensor', async () => {
    for (const [dtype, bytes] of [
      ['F32', 4],
      ['BF16', 2],
    ] as const) {
      const size = 2 ** 40;
      const header = { x: { dtype, shape: [size / bytes], data_offsets: [0, size] } };
      const path = file('huge', header, 0);
      truncateSync(path, statSync(path).size + size);
      const loading = safetensors.load(path);
      await expect(loading).rejects.toBeInstanceOf(OutOfMemoryError);
      await expect(loading).rejects.toThrow(/huge: the tensor 'x' needs \d+ (bytes|MiB)/);
    }
  });

  it('that claims a huge header is refused before anything is allocated', async () => {
    const bytes = Buffer.alloc(16);
    bytes.writeBigUInt64LE(2n ** 63n);
    writeFileSync(place('huge'), bytes);
    await expect(safetensors.load(place('huge'))).rejects.toThrow(
      /header claims 9223372036854775808/,
    );
  });
});
