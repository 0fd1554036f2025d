/**
 * Owns reading and writing .safetensors files. PyTorch's `safetensors.torch` reads what is written
 * here and the other way round.
 *
 * Policy: a file is written beside its place, flushed, and renamed, so that a reader sees the old
 * file or the new one, whole. Reading allocates each tensor once and never the file as a whole.
 */
import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { show } from './arguments.js';
import { ArgumentError, CheckpointError, DataError } from './errors.js';
import {
  checkHeaderLength,
  corrupt,
  fileParts,
  type Header,
  parseHeader,
  readTensor,
  type StoredTensor,
} from './safetensors-format.js';

export type { StoredTensor, TensorArray } from './safetensors-format.js';

/**
 * Writes tensors to a file, such as a module's weights:
 * `await safetensors.save('net.safetensors', net.stateDict())`.
 *
 * @param metadata Texts to store beside the tensors.
 * @throws ArgumentError for what is no path and arrays that cannot be stored, CheckpointError if writing fails; the file
 *   at `path` is then as it was.
 */
export async function save(
  path: string,
  tensors: Readonly<Record<string, StoredTensor>>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  checkPath('save', path);
  const parts = fileParts(tensors, metadata);
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const file = await open(temporary, 'wx');
    try {
      for (const part of parts) await writeAll(file, part);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    const reason = error instanceof Error ? error.message : String(error);
    throw new CheckpointError(`${path} could not be written: ${reason}`, { cause: error });
  }
}

/**
 * Reads all tensors of a file: `net.loadStateDict(await safetensors.load('net.safetensors'))`.
 * F16 and BF16 are widened to Float32Array.
 *
 * @throws ArgumentError for what is no path.
 * @throws DataError ERR_NN_DATA_MISSING if the file cannot be opened, ERR_NN_DATA_CORRUPT if it is
 *   damaged or has types that are not read.
 */
export async function load(path: string): Promise<Record<string, StoredTensor>> {
  return withFile(path, async (file) => {
    const { header, dataStart } = await readHeader(path, file);
    const tensors: [string, StoredTensor][] = [];
    for (const entry of header.entries) {
      const raw = new Uint8Array(entry.end - entry.begin);
      await readAll(path, file, raw, dataStart + entry.begin);
      tensors.push([entry.name, readTensor(entry, raw.buffer)]);
    }
    return Object.fromEntries(tensors);
  });
}

/**
 * Reads the texts that are stored beside the tensors of a file.
 * @throws ArgumentError, DataError as {@link load}.
 */
export async function metadata(path: string): Promise<Record<string, string>> {
  return withFile(path, async (file) => ({ ...(await readHeader(path, file)).header.metadata }));
}

function checkPath(who: string, path: unknown): void {
  if (typeof path !== 'string' || path === '') {
    throw new ArgumentError(
      `safetensors.${who} expects path to be a file's path, got ${show(path)}`,
    );
  }
}

async function withFile<T>(path: string, body: (file: FileHandle) => Promise<T>): Promise<T> {
  checkPath('load', path);
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new DataError('ERR_NN_DATA_MISSING', `${path} could not be opened: ${reason}`, {
      cause: error,
    });
  }
  try {
    return await body(file);
  } finally {
    await file.close();
  }
}

async function readHeader(
  path: string,
  file: FileHandle,
): Promise<{ header: Header; dataStart: number }> {
  const { size } = await file.stat();
  const first = new Uint8Array(Math.min(8, size));
  await readAll(path, file, first, 0);
  const bytes = new Uint8Array(checkHeaderLength(path, first, size));
  await readAll(path, file, bytes, 8);
  const dataStart = 8 + bytes.length;
  return { header: parseHeader(path, bytes, size - dataStart), dataStart };
}

async function readAll(
  path: string,
  file: FileHandle,
  target: Uint8Array,
  start: number,
): Promise<void> {
  for (let done = 0; done < target.length; ) {
    const length = Math.min(target.length - done, 2 ** 30);
    const { bytesRead } = await file.read(target, done, length, start + done);
    if (bytesRead === 0) throw corrupt(path, `it ended at byte ${start + done} while being read`);
    done += bytesRead;
  }
}

async function writeAll(file: FileHandle, source: Uint8Array): Promise<void> {
  for (let done = 0; done < source.length; ) {
    const length = Math.min(source.length - done, 2 ** 30);
    done += (await file.write(source, done, length)).bytesWritten;
  }
}
