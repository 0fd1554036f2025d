/** Safetensors files: round trips, and every way in which a file can be damaged. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ArgumentError, CheckpointError, DataError, models, safetensors } from 'neuronode';
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
      { x: { data: new Uint16Array(1), shape: [1] } },
      {},
      'Uint16Array',
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

describe('a damaged file', () => {
  const good = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };

  it('is not opened where it is missing', async () => {
    const call = safetensors.load(place('missing'));
    await expect(call).rejects.toThrow(DataError);
    await expect(call).rejects.toMatchObject({ code: 'ERR_NN_DATA_MISSING' });
  });

  it.each<[string, unknown, number, RegExp]>([
    ['text that is no JSON', '{"x"', 0, /header is not JSON/],
    ['no header', '', 0, /header is not JSON/],
    ['bytes that are no UTF-8', Buffer.of(0x22, 0xff, 0x22), 0, /header is not JSON/],
    ['a list', '[]', 0, /not a JSON object/],
    ['metadata of numbers', { __metadata__: { a: 1 } }, 0, /metadata is not an object of strings/],
    ['a tensor that is no object', { x: 3 }, 0, /not described by an object/],
    [
      'a type that is unknown',
      { x: { ...good, dtype: 'F8' } },
      8,
      /type 'F8'; types that are read/,
    ],
    ['a type from the prototype', { x: { ...good, dtype: 'toString' } }, 8, /type 'toString'/],
    ['a negative size', { x: { ...good, shape: [-2] } }, 8, /shape \[-2\]/],
    ['three offsets', { x: { ...good, data_offsets: [0, 4, 8] } }, 8, /offsets/],
    ['a range of another length', { x: { ...good, shape: [3] } }, 8, /needs 12 bytes, has 8/],
    ['a range backwards', { x: { ...good, shape: [0], data_offsets: [8, 0] } }, 8, /has -8/],
    ['an overlap', { x: good, y: { ...good, data_offsets: [4, 12] } }, 12, /overlaps/],
    ['a gap', { x: good, y: { ...good, data_offsets: [12, 20] } }, 20, /leaves a gap/],
    ['a gap at the start', { x: { ...good, data_offsets: [8, 16] } }, 16, /leaves a gap/],
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

  it('that claims a huge header is refused before anything is allocated', async () => {
    const bytes = Buffer.alloc(16);
    bytes.writeBigUInt64LE(2n ** 63n);
    writeFileSync(place('huge'), bytes);
    await expect(safetensors.load(place('huge'))).rejects.toThrow(
      /header claims 9223372036854775808/,
    );
  });
});
