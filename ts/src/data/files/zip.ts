/**
 * Owns extracting one file of a zip archive: deflated or stored, without encryption, below 4 GiB.
 *
 * Policy: the archive's own list of files is believed, and every offset in it checked. What is
 * extracted appears under its name when it is whole.
 */
import { createWriteStream } from 'node:fs';
import { type FileHandle, rename, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createInflateRaw } from 'node:zlib';
import { openRegular } from '../../files.js';

/** Why bytes are no zip archive, or none that can be read. */
export class ZipDamage extends Error {
  override name = 'ZipDamage';
}

/** Bytes of the record at an archive's end, and the longest comment behind it. */
const END_BYTES = 22;
const MOST_COMMENT = 65_535;

interface Entry {
  readonly name: string;
  readonly method: number;
  readonly packed: number;
  readonly size: number;
  readonly offset: number;
}

/**
 * Extracts the file `name` of the archive at `path` to `target`.
 *
 * @throws {ZipDamage} where the archive is damaged, has no such file, or packed it otherwise.
 */
export async function extractFromZip(
  path: string,
  name: string,
  target: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const file = await openRegular(path);
  const part = `${target}.part`;
  try {
    const entry = (await entriesOf(file)).find((each) => each.name === name);
    if (entry === undefined) throw new ZipDamage(`expected ${name} in it, got none`);
    const { method, packed, size, offset } = entry;
    if (method !== 0 && method !== 8) {
      throw new ZipDamage(`expected ${name} to be deflated or stored, got method ${method}`);
    }
    const header = await read(file, offset, 30);
    if (header.readUInt32LE(0) !== 0x04034b50)
      throw new ZipDamage(`${name} is not where it should be`);
    const start = offset + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
    const bytes =
      packed === 0
        ? Readable.from([])
        : file.createReadStream({ start, end: start + packed - 1, autoClose: false });
    const out = createWriteStream(part);
    const options = signal === undefined ? {} : { signal };
    if (method === 8) await pipeline(bytes, createInflateRaw(), out, options);
    else await pipeline(bytes, out, options);
    if (out.bytesWritten !== size) {
      throw new ZipDamage(`expected ${name} of ${size} bytes, got ${out.bytesWritten}`);
    }
    await rename(part, target);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}

async function entriesOf(file: FileHandle): Promise<Entry[]> {
  const { size } = await file.stat();
  const tailStart = Math.max(0, size - END_BYTES - MOST_COMMENT);
  const tail = await read(file, tailStart, size - tailStart);
  const end = tail.lastIndexOf('PK\x05\x06', undefined, 'latin1');
  if (end === -1 || end + END_BYTES > tail.length) {
    throw new ZipDamage('expected a zip archive, got other bytes');
  }
  const list = await read(file, tail.readUInt32LE(end + 16), tail.readUInt32LE(end + 12));
  const entries: Entry[] = [];
  for (let at = 0; at + 46 <= list.length && list.readUInt32LE(at) === 0x02014b50; ) {
    const nameEnd = at + 46 + list.readUInt16LE(at + 28);
    entries.push({
      name: list.toString('utf8', at + 46, nameEnd),
      method: list.readUInt16LE(at + 10),
      packed: list.readUInt32LE(at + 20),
      size: list.readUInt32LE(at + 24),
      offset: list.readUInt32LE(at + 42),
    });
    at = nameEnd + list.readUInt16LE(at + 30) + list.readUInt16LE(at + 32);
  }
  return entries;
}

/** Bytes of a file, all of them. */
async function read(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { size } = await file.stat();
  if (position + length > size) throw new ZipDamage('it is cut');
  const bytes = Buffer.alloc(length);
  await file.read(bytes, 0, length, position);
  return bytes;
}
