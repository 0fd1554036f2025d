/** Downloads, against a server on this machine that can misbehave. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type DataError, data } from 'neuronode';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
// Inside view: files of a few kilobytes, which no public name loads.
import type { CatalogEntry } from '../../dist/data/datasets/catalog.js';
import { loadMnistFiles } from '../../dist/data/datasets/mnist-files.js';
import { progressBar } from '../../dist/data/files/download-progress.js';
import { idxBytes, setEnvironment, temporaryFolder } from './data-support.js';

const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex');

// Noise, so that the compressed file is longer than one packet.
let noise = 1;
const pixels = Uint8Array.from({ length: 400_000 }, () => {
  noise = Math.imul(noise, 1664525) + 1013904223;
  return noise >>> 24;
});
const images = idxBytes([1000, 20, 20], pixels);
const labels = idxBytes([1000], new Uint8Array(1000));
const served: Record<string, Buffer> = {
  'some-images.gz': gzipSync(images),
  'some-labels.gz': gzipSync(labels),
};
const part = {
  images: { name: 'some-images', md5: md5(images) },
  labels: { name: 'some-labels', md5: md5(labels) },
};
const entry: CatalogEntry = {
  title: 'Small',
  folder: 'small',
  torchvisionFolder: 'Small',
  systemFolders: [],
  hint: 'make them',
  mirrors: ['http://127.0.0.1:9/'],
  classes: ['a'],
  train: part,
  test: part,
};

type Handler = (file: string, request: IncomingMessage, response: ServerResponse) => void;

/** Serves a file, or the rest of it that a Range header asks for. */
const serve: Handler = (file, request, response) => {
  const bytes = served[file];
  if (bytes === undefined) {
    response.writeHead(404).end('no such file');
    return;
  }
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  if (from >= bytes.length) {
    response.writeHead(416).end();
    return;
  }
  const range = { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` };
  response
    .writeHead(from > 0 ? 206 : 200, {
      'content-length': bytes.length - from,
      ...(from > 0 ? range : {}),
    })
    .end(bytes.subarray(from));
};

/** Starts a server; `log` has what was asked for. */
async function server(handler: Handler = serve): Promise<{ mirror: string; log: string[] }> {
  const log: string[] = [];
  const http = createServer((request, response) => {
    const file = (request.url ?? '').replace(/^\/data\//, '');
    log.push(`${file} ${request.headers.range ?? 'whole'}`);
    handler(file, request, response);
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  onTestFinished(() => {
    http.closeAllConnections();
    http.close();
  });
  return { mirror: `http://127.0.0.1:${(http.address() as AddressInfo).port}/data`, log };
}

async function download(root: string, mirrors: string[], options: Partial<data.MnistOptions> = {}) {
  return loadMnistFiles(entry, { train: true, root, mirrors, download: true, ...options });
}

describe('download', () => {
  it('fetches both files once, and leaves nothing else behind', async () => {
    const root = join(await temporaryFolder(), 'not', 'yet', 'there');
    const { mirror, log } = await server();
    const loaded = await download(root, [mirror]);
    expect(md5(Uint8Array.from(loaded.images))).toBe(md5(pixels));
    expect(log).toEqual(['some-images.gz whole', 'some-labels.gz whole']);
    expect((await readdir(root)).toSorted()).toEqual(['some-images.gz', 'some-labels.gz']);
    await download(root, [mirror]);
    expect(log).toHaveLength(2);
  });

  it('is not begun unless asked for', async () => {
    const { mirror, log } = await server();
    const root = await temporaryFolder();
    const options = { train: true, root, mirrors: [mirror] };
    await expect(loadMnistFiles(entry, options)).rejects.toMatchObject({
      code: 'ERR_NN_DATA_MISSING',
    });
    expect(log).toEqual([]);
  });

  it('goes to NEURONODE_DATA_DIR, or to the cache directory', async () => {
    const { mirror } = await server();
    const cache = await temporaryFolder();
    const environment = await temporaryFolder();
    setEnvironment('XDG_CACHE_HOME', cache);
    setEnvironment('NEURONODE_DATA_DIR', undefined);
    const options = { train: true, mirrors: [mirror], download: true };
    await loadMnistFiles(entry, options);
    expect(await readdir(join(cache, 'neuronode', 'small'))).toHaveLength(2);
    setEnvironment('XDG_CACHE_HOME', join(cache, 'other'));
    setEnvironment('NEURONODE_DATA_DIR', environment);
    await loadMnistFiles(entry, options);
    expect(await readdir(join(environment, 'small'))).toHaveLength(2);
  });

  it('fetches only what is missing', async () => {
    const { mirror, log } = await server();
    const root = await temporaryFolder();
    await writeFile(join(root, 'some-images'), images);
    await download(root, [mirror]);
    expect(log).toEqual(['some-labels.gz whole']);
  });

  it.each([
    ['otherwise', (bytes: Uint8Array) => gzipSync(bytes, { memLevel: 1 })],
    ['not at all', (bytes: Uint8Array) => Buffer.from(bytes)],
  ])('takes files that a mirror compressed %s', async (_, compress) => {
    const { mirror } = await server((file, __, response) => {
      response.end(compress(file === 'some-images.gz' ? images : labels));
    });
    const root = await temporaryFolder();
    const loaded = await download(root, [mirror]);
    expect(md5(Uint8Array.from(loaded.images))).toBe(md5(pixels));
    expect((await readdir(root)).toSorted()).toEqual(['some-images.gz', 'some-labels.gz']);
  });

  it('reports progress', async () => {
    const { mirror } = await server();
    const reports: data.DownloadProgress[] = [];
    await download(await temporaryFolder(), [mirror], { onProgress: (p) => reports.push(p) });
    const total = served['some-images.gz']!.length;
    const ofImages = reports.filter(({ file }) => file === 'some-images.gz');
    expect(ofImages.at(-1)).toEqual({ file: 'some-images.gz', received: total, total });
    const received = ofImages.map((p) => p.received);
    expect(received).toEqual(received.toSorted((a, b) => a - b));
  });
});

describe('a partial file', () => {
  const whole = served['some-images.gz']!;
  const partial = async (bytes: Uint8Array) => {
    const root = await temporaryFolder();
    await writeFile(join(root, 'some-images.gz.part'), bytes);
    return root;
  };

  it('is resumed', async () => {
    const { mirror, log } = await server();
    const root = await partial(whole.subarray(0, 1234));
    await download(root, [mirror]);
    expect(log).toEqual(['some-images.gz bytes=1234-', 'some-labels.gz whole']);
    expect(whole.equals(await readFile(join(root, 'some-images.gz')))).toBe(true);
  });

  it('is begun anew where the server sends the whole file', async () => {
    const { mirror } = await server((file, request, response) => {
      delete request.headers.range;
      serve(file, request, response);
    });
    const root = await partial(Buffer.alloc(1_000_000, 1)); // longer than the file
    await download(root, [mirror]);
    expect(whole.equals(await readFile(join(root, 'some-images.gz')))).toBe(true);
  });

  it('that was whole already gets its name', async () => {
    const { mirror, log } = await server();
    const root = await partial(whole);
    await download(root, [mirror]);
    expect(log).toEqual([`some-images.gz bytes=${whole.length}-`, 'some-labels.gz whole']);
  });

  it('of another file is thrown away, and the file fetched from its start', async () => {
    const { mirror, log } = await server();
    const root = await partial(Buffer.alloc(500, 7));
    await download(root, [mirror]);
    expect(log).toEqual([
      'some-images.gz bytes=500-',
      'some-images.gz whole',
      'some-labels.gz whole',
    ]);
    expect((await readdir(root)).toSorted()).toEqual(['some-images.gz', 'some-labels.gz']);
  });

  it('of a mirror that compressed it otherwise is thrown away too', async () => {
    const { mirror, log } = await server();
    const root = await partial(gzipSync(images, { memLevel: 1 }).subarray(0, 5000));
    await download(root, [mirror]);
    expect(log.slice(0, 2)).toEqual(['some-images.gz bytes=5000-', 'some-images.gz whole']);
    expect(whole.equals(await readFile(join(root, 'some-images.gz')))).toBe(true);
  });

  it('stays where the connection breaks, and is resumed from another mirror', async () => {
    const half = whole.length >> 1;
    let hangUp = () => {};
    const breaking = await server((_, __, response) => {
      response.writeHead(200, { 'content-length': whole.length });
      response.write(whole.subarray(0, half));
      hangUp = () => response.destroy();
    });
    const root = await temporaryFolder();
    const onProgress = ({ received }: data.DownloadProgress) => {
      if (received === half) hangUp();
    };
    const error = await download(root, [breaking.mirror], { onProgress }).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'ERR_NN_DATA_DOWNLOAD' });
    const part = await readFile(join(root, 'some-images.gz.part'));
    expect(part.equals(whole.subarray(0, half))).toBe(true);
    const good = await server();
    await download(root, [good.mirror]);
    expect(good.log[0]).toBe(`some-images.gz bytes=${half}-`);
  });
});

describe('a mirror that fails', () => {
  const failing: [string, Handler, string][] = [
    ['has no such file', (_, __, r) => r.writeHead(404).end(), 'the server answered 404 Not Found'],
    ['is out of order', (_, __, r) => r.writeHead(503).end(), 'the server answered 503'],
    ['serves other bytes', (_, __, r) => r.writeHead(200).end('hello'), 'expected MD5'],
    [
      'serves a cut file',
      (file, _, r) => r.writeHead(200).end(served[file]!.subarray(0, -9)),
      'expected a whole gzip file',
    ],
    [
      'serves another file',
      (_, __, r) => r.writeHead(200).end(gzipSync('hello')),
      `expected MD5 ${md5(images)} of the decompressed file`,
    ],
    ['hangs up', (request) => void request, 'fetch failed'],
  ];
  failing.at(-1)![1] = (_, request) => request.destroy();

  it.each(failing)('because it %s is named in the error', async (_, handler, what) => {
    const { mirror } = await server(handler);
    const root = await temporaryFolder();
    const error = (await download(root, [mirror]).catch((e: unknown) => e)) as DataError;
    expect(error).toMatchObject({ name: 'DataError', code: 'ERR_NN_DATA_DOWNLOAD' });
    expect(error.message).toContain(`${mirror}/some-images.gz: `);
    expect(error.message).toContain(what);
    expect(error.message).toContain(root);
    expect(error.cause).toBeInstanceOf(Error);
    expect(await readdir(root)).toEqual([]);
  });

  it.each(failing)('because it %s gives way to the next one', async (_, handler) => {
    const bad = await server(handler);
    const good = await server();
    const loaded = await download(await temporaryFolder(), [bad.mirror, `${good.mirror}/`]);
    expect(loaded.labels).toHaveLength(1000);
  });

  it('has company in the error', async () => {
    const { mirror } = await server((_, __, response) => response.writeHead(404).end());
    const unreachable = 'http://127.0.0.1:1/data/';
    const error = await download(await temporaryFolder(), [mirror, unreachable]).catch(
      (e: unknown) => e as DataError,
    );
    expect((error as DataError).message).toContain('404');
    expect((error as DataError).message).toContain(`${unreachable}some-images.gz: `);
    expect((error as DataError).cause).toBeInstanceOf(AggregateError);
  });

  it('is not the reason where the folder cannot be written', async () => {
    const { mirror } = await server();
    const file = join(await temporaryFolder(), 'file');
    await writeFile(file, '');
    await expect(download(join(file, 'below'), [mirror])).rejects.toMatchObject({
      code: 'ERR_NN_DATA_DOWNLOAD',
      message: expect.stringContaining('ENOTDIR'),
    });
  });

  it('is no reason to try for ever where the folder cannot be', async () => {
    const { mirror } = await server();
    await expect(download('/proc/neuronode/data', [mirror])).rejects.toMatchObject({
      code: 'ERR_NN_DATA_DOWNLOAD',
      message: expect.stringContaining('ENOENT'),
    });
  });

  it('must be one at least', async () => {
    await expect(download(await temporaryFolder(), [])).rejects.toMatchObject({
      code: 'ERR_NN_ARGUMENT',
    });
  });
});

describe('a mirror that stalls', () => {
  const whole = served['some-images.gz']!;
  const half = whole.length >> 1;
  const sendsHalf: Handler = (_, __, response) => {
    response.writeHead(200, { 'content-length': whole.length });
    response.write(whole.subarray(0, half)); // and no more
  };

  it.each<[string, Handler, string]>([
    ['before it answers', () => {}, 'some-images.gz whole'],
    ['in the middle of the file', sendsHalf, `some-images.gz bytes=${half}-`],
    [
      'behind its headers',
      (_, __, response) => response.writeHead(200).flushHeaders(),
      'some-images.gz whole',
    ],
  ])('%s, gives way to the next one, which goes on', async (_, handler, asked) => {
    const stalling = await server(handler);
    const good = await server();
    const root = await temporaryFolder();
    await download(root, [stalling.mirror, good.mirror], { stallTimeout: 1000 });
    expect(stalling.log).toEqual(['some-images.gz whole', 'some-labels.gz whole']);
    expect(good.log[0]).toBe(asked);
    expect(whole.equals(await readFile(join(root, 'some-images.gz')))).toBe(true);
  });

  it('is named in the error where there is no other', async () => {
    const { mirror } = await server(sendsHalf);
    const root = await temporaryFolder();
    await expect(download(root, [mirror], { stallTimeout: 500 })).rejects.toMatchObject({
      code: 'ERR_NN_DATA_DOWNLOAD',
      message: expect.stringContaining(`${mirror}/some-images.gz: no byte came for 0.5 seconds`),
    });
    expect(await readdir(root)).toEqual(['some-images.gz.part']);
  });

  it('has 30 seconds for each piece, and no timer is left', async () => {
    const { setTimeout, clearTimeout } = globalThis;
    const running = new Map<unknown, () => void>();
    let started = 0;
    vi.spyOn(globalThis, 'setTimeout').mockImplementation(((call: () => void, ms: number) => {
      const timer = setTimeout(call, ms);
      if (ms === 30_000) {
        started += 1;
        running.set(timer, call);
      }
      return timer;
    }) as typeof setTimeout);
    vi.spyOn(globalThis, 'clearTimeout').mockImplementation((timer) => {
      running.delete(timer);
      clearTimeout(timer);
    });
    onTestFinished(() => {
      vi.restoreAllMocks();
    });
    const stalling = await server(sendsHalf);
    const good = await server();
    let pieces = 0;
    const onProgress = ({ received }: data.DownloadProgress) => {
      pieces += 1;
      if (received !== half) return;
      // The one timer that waits for the next piece runs out.
      setTimeout(() => {
        for (const call of running.values()) call();
      }, 0);
    };
    const root = await temporaryFolder();
    await writeFile(join(root, 'some-labels'), labels);
    await download(root, [stalling.mirror, good.mirror], { onProgress });
    expect(good.log).toEqual([`some-images.gz bytes=${half}-`]);
    // One for each mirror's answer, one for the piece after each piece, one for each first piece.
    expect(started).toBe(2 + pieces + 2);
    expect(running.size).toBe(0);
  });

  it.each([0, -1, 0.5, Number.NaN, 2 ** 31, '5'])('is not given a time of %s', async (wrong) => {
    const options = { stallTimeout: wrong as number };
    await expect(download(await temporaryFolder(), [], options)).rejects.toMatchObject({
      code: 'ERR_NN_ARGUMENT',
    });
    const loading = data.loadMnist({ ...options, root: '/nowhere' });
    await expect(loading).rejects.toThrow('expects stallTimeout to be an integer from 1 to');
  });
});

describe('an abort', () => {
  it('rejects with the signal’s reason, keeps the part, and asks no other mirror', async () => {
    const whole = served['some-images.gz']!;
    const slow = await server((_, __, response) => {
      response.writeHead(200, { 'content-length': whole.length });
      response.write(whole.subarray(0, 1000)); // and no more
    });
    const other = await server();
    const controller = new AbortController();
    const reason = new Error('enough');
    const root = await temporaryFolder();
    const run = download(root, [slow.mirror, other.mirror], {
      signal: controller.signal,
      onProgress: () => controller.abort(reason),
    });
    await expect(run).rejects.toBe(reason);
    expect(other.log).toEqual([]);
    expect(await readdir(root)).toEqual(['some-images.gz.part']);
    await download(root, [other.mirror]);
    expect(other.log[0]).toBe('some-images.gz bytes=1000-');
  });

  it('before the start asks nobody', async () => {
    const { mirror, log } = await server();
    const signal = AbortSignal.abort(new Error('early'));
    await expect(download(await temporaryFolder(), [mirror], { signal })).rejects.toThrow('early');
    expect(log).toEqual([]);
  });
});

describe('the progress bar', () => {
  const draw = (isTTY: boolean, reports: data.DownloadProgress[]) => {
    const stream = { isTTY, write: vi.fn() };
    const bar = progressBar(stream as unknown as typeof process.stderr);
    for (const report of reports) bar(report);
    return stream.write.mock.calls.map(([text]) => text as string);
  };
  const report = (received: number, total?: number) => ({ file: 'f.gz', received, total });

  it('is one line on a terminal, drawn again at most ten times a second', () => {
    const lines = draw(true, [report(1e6, 4e6), report(2e6, 4e6), report(4e6, 4e6)]);
    expect(lines).toEqual([
      '\rf.gz [########......................] 1.0 of 4.0 MB\u001b[K',
      '\rf.gz [##############################] 4.0 of 4.0 MB\u001b[K\n',
    ]);
  });

  it('counts where the size is not known', () => {
    expect(draw(true, [report(1.5e6)])).toEqual(['\rf.gz 1.5 MB\u001b[K']);
  });

  it('is nothing elsewhere', () => {
    expect(draw(false, [report(1, 1)])).toEqual([]);
  });
});

it('the public loader passes mirrors on', async () => {
  const { mirror, log } = await server();
  const root = await temporaryFolder();
  await mkdir(root, { recursive: true });
  const loading = data.loadMnist({ root, download: true, mirrors: [mirror] });
  await expect(loading).rejects.toMatchObject({ code: 'ERR_NN_DATA_DOWNLOAD' });
  expect(log).toEqual(['train-images-idx3-ubyte.gz whole']);
});
