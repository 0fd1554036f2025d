/**
 * Owns the IDX format (of the MNIST family's files), plain or gzipped, told apart by their first bytes.
 *
 * Policy: strict. A file is what its header says, to the byte, or it is damaged; an array is not
 * allocated before its size was compared with what the file can hold.
 */
import { createHash } from 'node:crypto';
import { endianness } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import { checkOptions, checkPath, checkSignal, show } from '../../arguments.js';
import { ArgumentError, DataError, NeuronodeError, OutOfMemoryError } from '../../errors.js';
import { checkMemory } from '../../program/memory.js';
import { readContents } from './contents.js';
import { gunzipStart, gunzipWithin, isGzip, isGzipDamage, MAX_RATIO } from './gzip.js';

const types = {
  u8: Uint8Array,
  i8: Int8Array,
  i16: Int16Array,
  i32: Int32Array,
  f32: Float32Array,
  f64: Float64Array,
};

/** Element type of an IDX file. */
export type IdxDType = keyof typeof types;

/** A decoded IDX file. */
export interface IdxArray {
  readonly dtype: IdxDType;
  /** Sizes of the dimensions, outermost first. */
  readonly shape: readonly number[];
  /** Elements in row-major order, in the machine's byte order. */
  readonly data: Uint8Array | Int8Array | Int16Array | Int32Array | Float32Array | Float64Array;
}

/** Options of {@link readIdx}. */
export interface ReadIdxOptions {
  /** MD5 (32 hexadecimal digits, in either case) that the decompressed file must have. */
  md5?: string;
  /** Cancels the reading. */
  signal?: AbortSignal;
}

const dtypes: Record<number, { name: IdxDType; bytes: number }> = {
  8: { name: 'u8', bytes: 1 },
  9: { name: 'i8', bytes: 1 },
  11: { name: 'i16', bytes: 2 },
  12: { name: 'i32', bytes: 4 },
  13: { name: 'f32', bytes: 4 },
  14: { name: 'f64', bytes: 8 },
};

/** A header of the most dimensions. */
const MAX_HEADER_BYTES = 4 + 4 * 255;

/**
 * Decodes IDX bytes, gzipped or plain. Runs on the calling thread: for whole data sets, use
 * {@link readIdx}. Of a gzip file no more is unpacked than its IDX header announces.
 *
 * @param name Stands for the bytes in error messages.
 * @throws {ArgumentError} where `bytes` is no Uint8Array.
 * @throws {DataError} ERR_NN_DATA_CORRUPT where the bytes are not a whole IDX file.
 * @throws {OutOfMemoryError} where there is no memory for the array.
 */
export function decodeIdx(bytes: Uint8Array, name = 'IDX data'): IdxArray {
  if (!(bytes instanceof Uint8Array)) {
    throw new ArgumentError(`decodeIdx expects bytes to be a Uint8Array, got ${show(bytes)}`);
  }
  const decoder = new IdxDecoder(name, (size) => new ArrayBuffer(size));
  if (isGzip(bytes)) {
    unpack(decoder, bytes, name);
  } else {
    decoder.limit = bytes.length;
    decoder.push(bytes);
  }
  const raw = decoder.finish();
  for (const _ of turnRound(raw));
  return typed(raw);
}

/** Gives the decoder the contents of a gzip file: the header first, which says how much there is. */
function unpack(decoder: IdxDecoder, bytes: Uint8Array, name: string): void {
  try {
    decoder.limit = bytes.length * MAX_RATIO;
    const start = gunzipStart(bytes, MAX_HEADER_BYTES);
    const header = parseHeader(start, name);
    // Where the header is cut, there is nothing behind it.
    const announced = header === null ? start.length : decoder.announced(header);
    const contents = gunzipWithin(bytes, announced);
    if (contents === null && header !== null) throw decoder.tooLong(header);
    decoder.push(contents ?? start);
  } catch (error) {
    throw readError(name, error);
  }
}

/**
 * Reads an IDX file, gzipped or plain, piece by piece, so that the event loop stays free. The array
 * lies in shared memory, where a loader's workers can read it without a copy.
 *
 * @throws {ArgumentError} for what is no path, and where an option is unknown or not what it should be.
 * @throws {DataError} ERR_NN_DATA_MISSING where the file cannot be opened or read;
 *   ERR_NN_DATA_CORRUPT where it is not a whole IDX file or has another checksum.
 * @throws {OutOfMemoryError} where there is no memory for the array.
 */
export async function readIdx(path: string, options: ReadIdxOptions = {}): Promise<IdxArray> {
  checkPath('readIdx', 'path', path);
  const given = checkOptions('readIdx', options, ['md5', 'signal']);
  const signal = checkSignal('readIdx', given.signal);
  const wanted = checkMd5(given.md5);
  signal?.throwIfAborted();
  const decoder = new IdxDecoder(path, (size) => new SharedArrayBuffer(size));
  const hash = wanted === undefined ? null : createHash('md5');
  let damage: unknown;
  try {
    await readContents(path, signal, async (chunks, { size, isCompressed }) => {
      decoder.limit = isCompressed ? size * MAX_RATIO : size;
      try {
        for await (const chunk of chunks) {
          hash?.update(chunk);
          decoder.push(chunk);
        }
      } catch (error) {
        damage = error;
        throw error;
      }
    });
  } catch (error) {
    signal?.throwIfAborted();
    // Stopping a pipeline midway can make it report that instead of the reason.
    throw readError(path, damage ?? error);
  }
  const raw = decoder.finish();
  const md5 = hash?.digest('hex');
  if (md5 !== wanted) {
    throw new DataError(
      'ERR_NN_DATA_CORRUPT',
      `${path}: expected MD5 ${wanted} of the decompressed file, got ${md5}. ` +
        'Delete the file and fetch it again.',
    );
  }
  for (const _ of turnRound(raw)) await setImmediate();
  return typed(raw);
}

/** The digest in the case that `createHash` writes. */
function checkMd5(md5: unknown): string | undefined {
  if (md5 === undefined) return undefined;
  if (typeof md5 === 'string' && /^[0-9a-f]{32}$/i.test(md5)) return md5.toLowerCase();
  throw new ArgumentError(`readIdx expects md5 to be 32 hexadecimal digits, got ${show(md5)}`);
}

/** Collects the pieces of one IDX file. */
class IdxDecoder {
  /** Bytes that the file can hold at most, header included. */
  limit = 0;
  readonly #name: string;
  readonly #allocate: (bytes: number) => ArrayBufferLike;
  #header: IdxHeader | null = null;
  /** The first bytes, up to the end of the header. */
  #start: Uint8Array = new Uint8Array(0);
  #body: Uint8Array = new Uint8Array(0);
  #received = 0;

  constructor(name: string, allocate: (bytes: number) => ArrayBufferLike) {
    this.#name = name;
    this.#allocate = allocate;
  }

  push(chunk: Uint8Array): void {
    let rest = chunk;
    if (this.#header === null) {
      this.#start = Buffer.concat([this.#start, chunk]);
      const header = parseHeader(this.#start, this.#name);
      if (header === null) return;
      this.announced(header);
      this.#header = header;
      this.#body = this.#bytes(header.bodyBytes);
      rest = this.#start.subarray(header.headerBytes);
    }
    if (this.#received + rest.length > this.#body.length) throw this.tooLong(this.#header);
    this.#body.set(rest, this.#received);
    this.#received += rest.length;
  }

  /** Bytes of the whole file that a header announces; throws where there cannot be as many. */
  announced(header: IdxHeader): number {
    const { bodyBytes, headerBytes } = header;
    if (headerBytes + bodyBytes > this.limit) {
      const most = Math.max(0, this.limit - headerBytes);
      throw this.#unequal(header, `a file that holds ${most} at most`);
    }
    return headerBytes + bodyBytes;
  }

  tooLong(header: IdxHeader): DataError {
    return this.#unequal(header, 'more');
  }

  /** The array's bytes, all of them, as they lie in the file. */
  finish(): RawArray {
    if (this.#header === null) {
      throw this.#corrupt(`expected an IDX header, got a file of ${this.#start.length} bytes`);
    }
    const { dtype, elementBytes, shape } = this.#header;
    if (this.#received !== this.#body.length) {
      throw this.#unequal(this.#header, `${this.#received}`);
    }
    return { dtype, elementBytes, shape, bytes: this.#body };
  }

  /** Memory for the data. The header's claim alone decides how much, so that it may be too much. */
  #bytes(count: number): Uint8Array {
    checkMemory(`${this.#name}: its data`, count);
    try {
      return new Uint8Array(this.#allocate(count));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new OutOfMemoryError(
        `${this.#name}: there is no memory for its ${count} bytes of data. Free some memory, or ` +
          'fetch the file again if it should not be as large.',
        { cause: error },
      );
    }
  }

  #unequal({ bodyBytes, shape }: IdxHeader, got: string): DataError {
    return this.#corrupt(
      `expected ${bodyBytes} bytes of data for shape [${shape.join(', ')}], got ${got}`,
    );
  }

  #corrupt(what: string): DataError {
    return new DataError(
      'ERR_NN_DATA_CORRUPT',
      `${this.#name}: ${what}. The file is cut or damaged: fetch it again.`,
    );
  }
}

interface RawArray {
  readonly dtype: IdxDType;
  readonly elementBytes: number;
  readonly shape: readonly number[];
  /** From the start of a buffer of its own. */
  readonly bytes: Uint8Array;
}

interface IdxHeader extends Omit<RawArray, 'bytes'> {
  readonly headerBytes: number;
  readonly bodyBytes: number;
}

/** The header at the start of `bytes`, or null where more bytes are needed. */
function parseHeader(bytes: Uint8Array, name: string): IdxHeader | null {
  if (bytes.length < 4) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const dtype = dtypes[bytes[2]!];
  const rank = bytes[3]!;
  if (bytes[0] !== 0 || bytes[1] !== 0 || dtype === undefined || rank === 0) {
    const magic = view.getUint32(0).toString(16).padStart(8, '0');
    throw new DataError(
      'ERR_NN_DATA_CORRUPT',
      `${name}: expected an IDX file (first bytes 00 00, a type of 08, 09, 0b, 0c, 0d or 0e, and ` +
        `the number of dimensions) or a gzipped one, got first bytes ${magic.match(/../g)!.join(' ')}`,
    );
  }
  const headerBytes = 4 + 4 * rank;
  if (bytes.length < headerBytes) return null;
  const shape = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i));
  const bodyBytes = shape.reduce((a, b) => a * b, dtype.bytes);
  return { dtype: dtype.name, elementBytes: dtype.bytes, shape, headerBytes, bodyBytes };
}

/** Bytes that are turned round between two turns of the event loop: less than a millisecond's. */
const SLICE_BYTES = 1 << 20;

/** Turns big-endian elements into the machine's order where they lie, a slice at a time. */
function* turnRound({ bytes, elementBytes }: RawArray): Generator<void> {
  if (elementBytes === 1 || endianness() === 'BE') return;
  const all = Buffer.from(bytes.buffer, 0, bytes.length);
  for (let begin = 0; begin < all.length; begin += SLICE_BYTES) {
    const slice = all.subarray(begin, begin + SLICE_BYTES);
    if (elementBytes === 2) slice.swap16();
    else if (elementBytes === 4) slice.swap32();
    else slice.swap64();
    yield;
  }
}

/** The array of bytes that were turned round. */
function typed({ dtype, shape, bytes }: RawArray): IdxArray {
  return {
    dtype,
    shape,
    data: dtype === 'u8' ? bytes : new types[dtype](bytes.buffer as ArrayBuffer),
  };
}

/** What zlib, the memory or the file system reported, as an error that names the file. */
function readError(name: string, error: unknown): NeuronodeError {
  if (error instanceof NeuronodeError) return error;
  const { code = '', message } = error as NodeJS.ErrnoException;
  // A RangeError is an array that could not be allocated, by zlib's binding or by the engine.
  if (error instanceof RangeError || code === 'Z_MEM_ERROR') {
    return new OutOfMemoryError(`${name}: there is no memory for its contents (${message})`, {
      cause: error,
    });
  }
  if (isGzipDamage(error)) {
    return new DataError(
      'ERR_NN_DATA_CORRUPT',
      `${name}: expected a whole gzip file, got a damaged one (${message}). ` +
        'The file is cut or damaged: fetch it again.',
      { cause: error },
    );
  }
  return new DataError('ERR_NN_DATA_MISSING', `${name}: it could not be read (${message})`, {
    cause: error,
  });
}
