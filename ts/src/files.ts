/**
 * Owns how the package opens, reads, writes and replaces the files it makes itself.
 *
 * Policy: files are read and written in slices, each by a thread of Node's pool, and what is written
 * is copied first: neither the event loop nor a checksum ever meets an array that changes meanwhile.
 * Only regular files are touched; a FIFO, a device or a directory is refused before anything is
 * opened for writing. A symbolic link stays: what it points to is replaced. Failures are plain
 * errors, whose message says why; callers give them their type.
 */
import { createHash, type Hash, randomBytes } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { type FileHandle, mkdir, open, readlink, rename, rm, stat } from 'node:fs/promises';
import { dirname, isAbsolute } from 'node:path';
import { ArgumentError } from './errors.js';

/** Bytes that are read, hashed or copied without a pause: about a quarter of a millisecond. */
export const sliceBytes = 1 << 18;

/** Links that are followed from one path; as many as Linux follows. */
const mostLinks = 40;

/** Size and checksum of a file. */
export interface Digest {
  readonly bytes: number;
  /** In hexadecimal digits, as `sha256sum` prints it. */
  readonly sha256: string;
}

/** Bytes to write. */
export interface FilePart {
  /** What the bytes are, for messages. */
  readonly name: string;
  /** The bytes; a view, which loses its length if its buffer is transferred. */
  readonly bytes: Uint8Array;
  /** Their number. */
  readonly length: number;
}

/** Whether an error says that there is no such file. */
export function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}

/** Opens a regular file for reading; never waits for the other end of a FIFO. */
export async function openRegular(path: string): Promise<FileHandle> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    checkRegular(await file.stat());
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

function checkRegular(found: Stats): void {
  if (found.isFile()) return;
  const kinds: [boolean, string][] = [
    [found.isDirectory(), 'a directory'],
    [found.isFIFO(), 'a FIFO'],
    [found.isSocket(), 'a socket'],
    [found.isCharacterDevice() || found.isBlockDevice(), 'a device'],
  ];
  const kind = kinds.find(([is]) => is)?.[1] ?? 'no file';
  throw new Error(`expected a regular file, got ${kind}`);
}

/**
 * Fills an array from a position of a file.
 *
 * @param hash Takes the bytes in as they come.
 * @throws Error where the file ends before.
 */
export async function readInto(
  file: FileHandle,
  target: Uint8Array,
  position: number,
  hash?: Hash,
): Promise<void> {
  for (let done = 0; done < target.length; ) {
    const length = Math.min(target.length - done, sliceBytes);
    const { bytesRead } = await file.read(target, done, length, position + done);
    if (bytesRead === 0) throw new Error(`it ended at byte ${position + done} while being read`);
    hash?.update(target.subarray(done, done + bytesRead));
    done += bytesRead;
  }
}

/** Reads a small file. @throws Error where it has more than `most` bytes. */
export async function readSmall(path: string, most: number): Promise<Buffer<ArrayBuffer>> {
  const file = await openRegular(path);
  try {
    const { size } = await file.stat();
    if (size > most) throw new Error(`expected at most ${most} bytes, got ${size}`);
    const bytes = Buffer.alloc(size);
    await readInto(file, bytes, 0);
    return bytes;
  } finally {
    await file.close();
  }
}

/**
 * Writes a new file and syncs it.
 *
 * @throws Error where the path is taken.
 * @throws ArgumentError where a part's array is transferred or shrinks meanwhile.
 */
export async function writeNew(
  path: string,
  parts: readonly FilePart[],
  mode?: number,
): Promise<Digest> {
  const file = await open(path, 'wx');
  try {
    if (mode !== undefined) await file.chmod(mode);
    const digest = await writeParts(file, parts);
    await file.sync();
    return digest;
  } finally {
    await file.close();
  }
}

async function writeParts(file: FileHandle, parts: readonly FilePart[]): Promise<Digest> {
  const hash = createHash('sha256');
  const slice = Buffer.allocUnsafeSlow(sliceBytes);
  let bytes = 0;
  for (const { name, bytes: source, length } of parts) {
    for (let begin = 0; begin < length; begin += sliceBytes) {
      if (source.length !== length) {
        throw new ArgumentError(
          `the array of ${name} was transferred or resized while it was being written: ` +
            `expected ${length} bytes, got ${source.length}. Keep it until the promise is settled.`,
        );
      }
      const size = Math.min(length - begin, sliceBytes);
      slice.set(source.subarray(begin, begin + size));
      const filled = slice.subarray(0, size);
      hash.update(filled);
      await writeAll(file, filled);
    }
    bytes += length;
  }
  return { bytes, sha256: hash.digest('hex') };
}

async function writeAll(file: FileHandle, source: Uint8Array): Promise<void> {
  for (let done = 0; done < source.length; ) {
    done += (await file.write(source, done, source.length - done)).bytesWritten;
  }
}

/**
 * Replaces a file, or makes it: a reader sees the old one or the new one, whole.
 *
 * @throws Error where the path is there and is no regular file; the file is as it was then, as after
 *   every other failure.
 */
export async function replaceFile(path: string, parts: readonly FilePart[]): Promise<void> {
  const before = await existing(path);
  if (before !== undefined) checkRegular(before);
  const target = await followLinks(path);
  const temporary = `${target}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await writeNew(temporary, parts, before === undefined ? undefined : before.mode & 0o7777);
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function existing(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Where a path's symbolic links lead, whether or not there is something. */
async function followLinks(path: string): Promise<string> {
  let place = path;
  for (let links = 0; links <= mostLinks; links++) {
    let next: string;
    try {
      next = await readlink(place);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // EINVAL: it is there and is no link.
      if (code === 'EINVAL' || code === 'ENOENT') return place;
      throw error;
    }
    // As it is: `..` behind a link to a directory is for the system to follow.
    place = isAbsolute(next) ? next : `${dirname(place)}/${next}`;
  }
  throw new Error(`expected at most ${mostLinks} symbolic links, one to the next`);
}

/**
 * Makes a directory with all above it. Where that cannot be, it says so: `mkdir` of Node with
 * `recursive` tries for ever where the system answers that the parent is missing though it is there,
 * as under /proc.
 */
export async function makeDirectories(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') {
      if ((await stat(path)).isDirectory()) return;
      throw error;
    }
    const parent = dirname(path);
    if (code !== 'ENOENT' || parent === path) throw error;
    await makeDirectories(parent);
    await mkdir(path).catch((failure: unknown) => {
      if ((failure as NodeJS.ErrnoException).code !== 'EEXIST') throw failure;
    });
  }
}
