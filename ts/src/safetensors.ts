/**
 * Owns reading and writing .safetensors files. PyTorch's `safetensors.torch` reads what is written
 * here and the other way round.
 *
 * Policy: a file is written beside its place, flushed, and renamed, so that a reader sees the old
 * file or the new one, whole. Reading allocates each tensor once and never the file as a whole.
 * Neither holds the event loop: files.ts works in slices.
 */
import { constants } from 'node:buffer';
import type { Hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { show } from './arguments.js';
import {
  ArgumentError,
  CheckpointError,
  DataError,
  NeuronodeError,
  OutOfMemoryError,
  reasonOf,
} from './errors.js';
import { openRegular, readInto, replaceFile, sliceBytes } from './files.js';
import { checkMemory } from './program/memory.js';
import {
  checkHeaderLength,
  corrupt,
  fileParts,
  type Header,
  parseHeader,
  type StoredTensor,
  type TensorEntry,
  typeOf,
} from './safetensors-format.js';
import type { StoredType, TensorArray } from './safetensors-types.js';

export type { StoredTensor } from './safetensors-format.js';
export type { TensorArray } from './safetensors-types.js';

/** Tensors that are read without a pause. */
const tensorsWithoutPause = 512;

/**
 * Writes tensors to a file, such as a module's weights:
 * `await safetensors.save('net.safetensors', net.stateDict())`. A symbolic link stays, and what it
 * points to is replaced. The arrays must not change until the promise is settled.
 *
 * @param metadata Texts to store beside the tensors.
 * @throws ArgumentError for what is no path, arrays that cannot be stored, and arrays that are
 *   transferred to another thread meanwhile.
 * @throws CheckpointError if writing fails, or `path` is there and is no regular file. Whatever is
 *   thrown, the file at `path` is then as it was.
 */
export async function save(
  path: string,
  tensors: Readonly<Record<string, StoredTensor>>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  checkPath('save', path);
  const parts = fileParts(tensors, metadata);
  try {
    await replaceFile(path, parts);
  } catch (error) {
    if (error instanceof NeuronodeError) throw error;
    throw new CheckpointError(`${path} could not be written: ${reasonOf(error)}`, { cause: error });
  }
}

/**
 * Reads all tensors of a file: `net.loadStateDict(await safetensors.load('net.safetensors'))`.
 * F16, BF16 and the F8 types are widened to Float32Array; BOOL comes as bytes 0 and 1.
 *
 * @throws ArgumentError for what is no path.
 * @throws DataError ERR_NN_DATA_MISSING if the file cannot be opened or is no regular file,
 *   ERR_NN_DATA_CORRUPT if it is damaged.
 * @throws DTypeError where a tensor is of an element type that is not read.
 * @throws OutOfMemoryError that names the tensor for which there is no memory.
 * @throws FileError for a file of another kind, such as a .pth.
 */
export async function load(path: string): Promise<Record<string, StoredTensor>> {
  return (await readFile(path)).tensors;
}

/**
 * What {@link load} does, for the package itself.
 *
 * @param hash Takes in every byte of the file.
 * @returns The tensors and the file's metadata.
 */
export async function readFile(
  path: string,
  hash?: Hash,
): Promise<{ tensors: Record<string, StoredTensor>; metadata: Record<string, string> }> {
  return withFile('load', path, async (file) => {
    const { header, dataStart } = await readHeader(path, file, hash);
    const types = header.entries.map((entry) => typeOf(path, entry));
    const tensors: Record<string, StoredTensor> = {};
    for (const [index, entry] of header.entries.entries()) {
      // Those without bytes are read without one.
      if (index % tensorsWithoutPause === 0) await setImmediate();
      const type = types[index] as StoredType;
      const value = await readTensor(path, file, entry, type, dataStart, hash);
      // Not assigned: a tensor may be called `__proto__`.
      Object.defineProperty(tensors, entry.name, {
        value,
        enumerable: true,
        configurable: true,
        writable: true,
      });
    }
    return { tensors, metadata: { ...header.metadata } };
  });
}

/**
 * Reads the texts that are stored beside the tensors of a file.
 * @throws ArgumentError, DataError, FileError as {@link load}.
 */
export async function metadata(path: string): Promise<Record<string, string>> {
  return withFile('metadata', path, async (file) => ({
    ...(await readHeader(path, file)).header.metadata,
  }));
}

function checkPath(who: string, path: unknown): void {
  if (typeof path !== 'string' || path === '') {
    throw new ArgumentError(
      `safetensors.${who} expects path to be a file's path, got ${show(path)}`,
    );
  }
}

async function withFile<T>(
  who: string,
  path: string,
  body: (file: FileHandle) => Promise<T>,
): Promise<T> {
  checkPath(who, path);
  let file: FileHandle;
  try {
    file = await openRegular(path);
  } catch (error) {
    throw new DataError('ERR_NN_DATA_MISSING', `${path} could not be opened: ${reasonOf(error)}`, {
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
  hash?: Hash,
): Promise<{ header: Header; dataStart: number }> {
  const { size } = await file.stat();
  const first = new Uint8Array(Math.min(16, size));
  await readAll(path, file, first, 0);
  const bytes = Buffer.allocUnsafeSlow(checkHeaderLength(path, first, size));
  hash?.update(first.subarray(0, 8));
  await readAll(path, file, bytes, 8, hash);
  const dataStart = 8 + bytes.length;
  return { header: await parseHeader(path, bytes, size - dataStart), dataStart };
}

async function readTensor(
  path: string,
  file: FileHandle,
  { name, shape, begin, end }: TensorEntry,
  type: StoredType,
  dataStart: number,
  hash: Hash | undefined,
): Promise<StoredTensor> {
  const start = dataStart + begin;
  if (type.values === undefined) {
    const { data, bytes } = allocate(path, name, type.array, end - begin);
    await readAll(path, file, bytes, start, hash);
    return { data, shape };
  }
  const length = 4 * ((end - begin) / type.bytes);
  const data = allocate(path, name, Float32Array, length).data as Float32Array;
  const values = type.values();
  const raw = Buffer.allocUnsafeSlow(Math.min(sliceBytes, end - begin));
  const bits = type.bytes === 1 ? raw : new Uint16Array(raw.buffer);
  for (let done = 0; done < end - begin; done += raw.length) {
    const part = raw.subarray(0, Math.min(raw.length, end - begin - done));
    await readAll(path, file, part, start + done, hash);
    const at = done / type.bytes;
    const count = part.length / type.bytes;
    for (let i = 0; i < count; i++) data[at + i] = values[bits[i] as number] as number;
  }
  return { data, shape };
}

/**
 * An array for a tensor, and its bytes. They are not zeroed, which would hold the event loop: every
 * byte is written.
 *
 * @throws OutOfMemoryError where it does not fit into memory, or no array can be so long.
 */
function allocate(
  path: string,
  name: string,
  ArrayType: StoredType['array'],
  length: number,
): { data: TensorArray; bytes: Uint8Array } {
  const what = `${path}: the tensor ${show(name)}`;
  if (length > constants.MAX_LENGTH) {
    throw new OutOfMemoryError(
      `${what} needs ${length} bytes, but an array of this Node.js has ${constants.MAX_LENGTH} at most`,
    );
  }
  checkMemory(what, length);
  try {
    const bytes = Buffer.allocUnsafeSlow(length);
    return { data: new ArrayType(bytes.buffer), bytes };
  } catch (cause) {
    throw new OutOfMemoryError(`${what}: there is no memory for its ${length} bytes`, { cause });
  }
}

async function readAll(
  path: string,
  file: FileHandle,
  target: Uint8Array,
  start: number,
  hash?: Hash,
): Promise<void> {
  try {
    await readInto(file, target, start, hash);
  } catch (error) {
    throw corrupt(path, reasonOf(error), error);
  }
}
