/**
 * Owns fetching one file from the first mirror that has it.
 *
 * Policy: bytes go to `<name>.part`, which a later call resumes; the file gets its name only after
 * its checksum was computed from the disk, so that a file with its name is always a whole one. Where
 * that is the checksum of the contents, how a mirror compressed them is the mirror's affair. A partial file that turns out wrong
 * is deleted. A mirror that sends nothing for a while has failed, as one that refuses: the next one
 * goes on with what has come.
 */
import { createHash } from 'node:crypto';
import { open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '../../errors.js';
import { makeDirectories } from '../../files.js';
import { fileMd5 } from './checksum.js';
import { readContents } from './contents.js';
import { isGzipDamage } from './gzip.js';

/** How far a download has come. */
export interface DownloadProgress {
  /** Name of the file. */
  readonly file: string;
  /** Bytes on disk so far, those of an earlier attempt included. */
  readonly received: number;
  /** Bytes of the whole file, where the server says so. */
  readonly total: number | undefined;
}

/** Arguments of {@link downloadFile}. */
export interface DownloadTask {
  readonly file: string;
  /** Folder to put the file into; made where it is missing. */
  readonly directory: string;
  /** Addresses of folders that hold the file, tried in order. */
  readonly mirrors: readonly string[];
  readonly md5: string;
  /** Whether the MD5 is that of the decompressed contents, or that of the file as it is. */
  readonly md5Of: 'contents' | 'file';
  /** Milliseconds without a byte after which a mirror has failed. */
  readonly stallTimeout: number;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: (progress: DownloadProgress) => void;
}

/**
 * Fetches a file and returns its path.
 *
 * @throws {DataError} ERR_NN_DATA_DOWNLOAD where no mirror served the right bytes; the reasons are
 *   in its message and its cause.
 */
export async function downloadFile(task: DownloadTask): Promise<string> {
  const { file, directory, mirrors, signal } = task;
  signal?.throwIfAborted();
  const failures: { url: string; error: unknown }[] = [];
  for (const mirror of mirrors) {
    const url = `${mirror.replace(/\/*$/, '/')}${file}`;
    try {
      await makeDirectories(directory);
      return await fetchWhole(task, url);
    } catch (error) {
      signal?.throwIfAborted();
      failures.push({ url, error });
    }
  }
  const reasons = failures.map(({ url, error }) => `\n  ${url}: ${describe(error)}`);
  throw new DataError(
    'ERR_NN_DATA_DOWNLOAD',
    `${file}: no mirror served it.${reasons.join('')}\nTry again (a partial file is resumed), or put ` +
      `the file into ${directory} yourself.`,
    {
      cause:
        failures.length === 1
          ? failures[0]!.error
          : new AggregateError(failures.map((f) => f.error)),
    },
  );
}

async function fetchWhole(task: DownloadTask, url: string): Promise<string> {
  const target = join(task.directory, task.file);
  const part = `${target}.part`;
  const resumedFrom = await sizeOf(part);
  await receive(task, url, part, resumedFrom);
  const fault = await faultOf(task, part);
  if (fault === undefined) {
    await rename(part, target);
    return target;
  }
  await rm(part, { force: true });
  // The earlier attempt's bytes may be the wrong ones: once more, from the start.
  if (resumedFrom > 0) return fetchWhole(task, url);
  throw fault;
}

/** Appends to `part` what is missing after its first `have` bytes. */
async function receive(task: DownloadTask, url: string, part: string, have: number): Promise<void> {
  const watch = new StallWatch(task);
  try {
    await receiveWatched(task, url, part, have, watch);
  } catch (error) {
    throw watch.stall ?? error;
  } finally {
    watch.end();
  }
}

async function receiveWatched(
  task: DownloadTask,
  url: string,
  part: string,
  have: number,
  watch: StallWatch,
): Promise<void> {
  // Compression on the way would make the byte positions of a resumed transfer meaningless.
  const headers: Record<string, string> = { 'accept-encoding': 'identity' };
  if (have > 0) headers.range = `bytes=${have}-`;
  watch.wait();
  const response = await fetch(url, { headers, signal: watch.signal });
  watch.came();
  if (response.status === 416 && have > 0) {
    // Nothing comes after what is there: the checksum decides whether it is all.
    await response.body?.cancel();
    return;
  }
  const isRest =
    response.status === 206 && response.headers.get('content-range')?.startsWith(`bytes ${have}-`);
  if (!isRest && response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`the server answered ${response.status} ${response.statusText}`.trimEnd());
  }
  let received = isRest ? have : 0;
  const length = response.headers.get('content-length');
  const total = length === null ? undefined : received + Number(length);
  // Positioned writes: two processes that fetch the same file write the same bytes.
  const handle = await open(part, isRest ? 'r+' : 'w');
  try {
    watch.wait();
    for await (const chunk of response.body ?? []) {
      watch.came(); // the disk may take its time
      await handle.write(chunk, 0, chunk.length, received);
      received += chunk.length;
      task.onProgress({ file: task.file, received, total });
      watch.wait();
    }
    watch.came();
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Aborts a request when its mirror is silent for too long, or when the caller aborts. */
class StallWatch {
  readonly #task: DownloadTask;
  readonly #controller = new AbortController();
  readonly #onAbort = () => this.#controller.abort(this.#task.signal?.reason);
  #timer: NodeJS.Timeout | undefined;
  /** Why the request was aborted, where the mirror was silent. */
  stall: Error | undefined;

  constructor(task: DownloadTask) {
    this.#task = task;
    task.signal?.addEventListener('abort', this.#onAbort, { once: true });
    if (task.signal?.aborted) this.#onAbort();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** From now on something is to come. */
  wait(): void {
    const { stallTimeout } = this.#task;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.stall = new Error(`no byte came for ${stallTimeout / 1000} seconds`);
      this.#controller.abort(this.stall);
    }, stallTimeout);
  }

  /** Something came. */
  came(): void {
    clearTimeout(this.#timer);
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#task.signal?.removeEventListener('abort', this.#onAbort);
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}

/** Why the file's contents are not those wanted; undefined where they are. */
async function faultOf(task: DownloadTask, path: string): Promise<Error | undefined> {
  const { md5, md5Of, signal } = task;
  if (md5Of === 'file') {
    const got = await fileMd5(path, signal);
    return got === md5 ? undefined : new Error(`expected MD5 ${md5} of the file, got ${got}`);
  }
  const hash = createHash('md5');
  try {
    await readContents(path, signal, async (chunks) => {
      for await (const chunk of chunks) hash.update(chunk);
    });
  } catch (error) {
    if (!isGzipDamage(error)) throw error;
    return new Error(`expected a whole gzip file, got a damaged one (${error.message})`, {
      cause: error,
    });
  }
  const got = hash.digest('hex');
  if (got === md5) return undefined;
  return new Error(`expected MD5 ${md5} of the decompressed file, got ${got}`);
}

/** fetch hides the reason (refused, not found, reset) in the error's cause. */
function describe(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? `${message}: ${cause.message}` : message;
}
