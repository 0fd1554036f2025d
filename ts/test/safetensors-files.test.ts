/** Safetensors and the file system: links, devices, transfers meanwhile, and the event loop. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ArgumentError, CheckpointError, safetensors } from 'neuronode';
import { afterAll, describe, expect, it } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'neuronode-safetensors-'));
afterAll(() => rmSync(folder, { recursive: true }));
const place = (name: string) => join(folder, name);

describe('what is no regular file', () => {
  const tensors = { x: { data: Float32Array.of(1), shape: [1] } };
  const fifo = place('fifo');

  it('is not read', async () => {
    execFileSync('mkfifo', [fifo]);
    for (const [path, kind] of [
      [folder, 'a directory'],
      [fifo, 'a FIFO'],
      ['/dev/zero', 'a device'],
    ] as const) {
      const call = safetensors.load(path);
      await expect(call).rejects.toMatchObject({ code: 'ERR_NN_DATA_MISSING' });
      await expect(call).rejects.toThrow(`expected a regular file, got ${kind}`);
    }
  });

  it('is not replaced', async () => {
    symlinkSync('/dev/null', place('null'));
    const server = createServer().listen(place('socket'));
    await once(server, 'listening');
    const before = readdirSync(folder);
    for (const [path, kind] of [
      [fifo, 'a FIFO'],
      [place('null'), 'a device'],
      [place('socket'), 'a socket'],
      [folder, 'a directory'],
    ] as const) {
      const call = safetensors.save(path, tensors);
      await expect(call).rejects.toThrow(CheckpointError);
      await expect(call).rejects.toThrow(`expected a regular file, got ${kind}`);
    }
    expect(lstatSync(fifo).isFIFO()).toBe(true);
    expect(readlinkSync(place('null'))).toBe('/dev/null');
    expect(readdirSync(folder)).toEqual(before);
    server.close();
  });

  it('but a link leads to one, which is replaced', async () => {
    mkdirSync(place('away'));
    await safetensors.save(place('away/target'), { old: tensors.x });
    chmodSync(place('away/target'), 0o600);
    symlinkSync('target', place('away/second'));
    symlinkSync('away/second', place('first'));
    await safetensors.save(place('first'), tensors);
    expect(readlinkSync(place('first'))).toBe('away/second');
    expect(readlinkSync(place('away/second'))).toBe('target');
    expect(Object.keys(await safetensors.load(place('away/target')))).toEqual(['x']);
    expect(lstatSync(place('away/target')).mode & 0o777).toBe(0o600);
    // A link to nothing yet: the file comes to where it points.
    symlinkSync('away/new', place('ahead'));
    await safetensors.save(place('ahead'), tensors);
    expect(readlinkSync(place('ahead'))).toBe('away/new');
    expect(readdirSync(place('away')).sort()).toEqual(['new', 'second', 'target']);
    symlinkSync('circle', place('circle'));
    await expect(safetensors.save(place('circle'), tensors)).rejects.toThrow(CheckpointError);
  });
});

describe('the event loop', () => {
  /** Turns of the loop while a promise is waited for. */
  async function turnsDuring(work: () => Promise<unknown>): Promise<number> {
    let turns = 0;
    let isOver = false;
    const turn = () => {
      turns += 1;
      if (!isOver) setImmediate(turn);
    };
    setImmediate(turn);
    await work();
    isOver = true;
    return turns;
  }

  it('turns while large tensors are written and read', async () => {
    const data = new Float32Array(1 << 22);
    const tensors = { x: { data, shape: [data.length] } };
    // 16 MiB, in slices of at most a MiB.
    expect(await turnsDuring(() => safetensors.save(place('large'), tensors))).toBeGreaterThan(16);
    expect(await turnsDuring(() => safetensors.load(place('large')))).toBeGreaterThan(16);
  });

  it('turns while a header of many names is parsed', async () => {
    const empty = { data: new Uint8Array(0), shape: [0] };
    const many = Array.from({ length: 40_000 }, (_, i) => [`n${i}`, empty]);
    await safetensors.save(place('names'), Object.fromEntries(many));
    let keys: string[] = [];
    const turns = await turnsDuring(async () => {
      keys = Object.keys(await safetensors.load(place('names')));
    });
    expect(keys).toHaveLength(40_000);
    // Both while the names are parsed and while the tensors, which have no bytes, are made.
    expect(turns).toBeGreaterThan(140);
  });
});

describe('an array that is transferred while it is written', () => {
  it('is an error, and the file stays as it was', async () => {
    const data = new Float32Array(1 << 20);
    await safetensors.save(place('kept'), { old: { data: Float32Array.of(7), shape: [1] } });
    const saving = safetensors.save(place('kept'), { x: { data, shape: [data.length] } });
    structuredClone(data, { transfer: [data.buffer] });
    await expect(saving).rejects.toThrow(ArgumentError);
    await expect(saving).rejects.toThrow(/array of 'x' was transferred .* expected 4194304 bytes/);
    expect((await safetensors.load(place('kept'))).old!.data[0]).toBe(7);
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });
});
