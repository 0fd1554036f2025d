/**
 * Owns the safetensors format (https://github.com/huggingface/safetensors, README "Format"): an
 * 8-byte header length, a JSON header, and the tensors' bytes, little-endian as every machine that
 * Node.js runs on today.
 *
 * Policy: a file is checked whole before any tensor is read: lengths, names, types, shapes, and that
 * the tensors' byte ranges cover the data without a gap or an overlap.
 */

import { show } from './arguments.js';
import { ArgumentError, DataError } from './errors.js';
import { elementCount, formatShape, type Shape } from './graph/shapes.js';

/** Arrays that a file's tensors are read into. */
export type TensorArray = Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array;

/** One tensor of a file. */
export interface StoredTensor {
  /** Values in row-major order. */
  readonly data: TensorArray;
  readonly shape: Shape;
}

interface StoredType {
  readonly bytes: number;
  /** The values of `raw`, which is not used for anything else. */
  read(raw: ArrayBuffer): TensorArray;
}

/** Element types that are read. Half precision widens to f32, which is exact. */
const storedTypes: Readonly<Record<string, StoredType>> = {
  F64: { bytes: 8, read: (raw) => new Float64Array(raw) },
  I64: { bytes: 8, read: (raw) => new BigInt64Array(raw) },
  F32: { bytes: 4, read: (raw) => new Float32Array(raw) },
  I32: { bytes: 4, read: (raw) => new Int32Array(raw) },
  F16: { bytes: 2, read: (raw) => Float32Array.from(new Uint16Array(raw), fromHalf) },
  BF16: { bytes: 2, read: (raw) => fromBrainFloat(new Uint16Array(raw)) },
  U8: { bytes: 1, read: (raw) => new Uint8Array(raw) },
};

function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function fromBrainFloat(bits: Uint16Array): Float32Array {
  const words = Uint32Array.from(bits, (half) => half << 16);
  return new Float32Array(words.buffer);
}

/** Longest header that is accepted, as in the reference implementation. */
const longestHeader = 100_000_000;

/** Place and type of one tensor in a file. */
export interface TensorEntry {
  readonly name: string;
  readonly type: string;
  readonly shape: Shape;
  /** First byte and the byte behind the last, counted from the end of the header. */
  readonly begin: number;
  readonly end: number;
}

/** A file's header, checked. */
export interface Header {
  readonly entries: readonly TensorEntry[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** An error about a damaged file. */
export function corrupt(path: string, what: string, cause?: unknown): DataError {
  return new DataError(
    'ERR_NN_DATA_CORRUPT',
    `${path} is not a whole safetensors file: ${what}. Copy or save it again.`,
    cause === undefined ? {} : { cause },
  );
}

/** Checks the header's length, the file's first 8 bytes. */
export function checkHeaderLength(path: string, first: Uint8Array, fileSize: number): number {
  if (first.length < 8) throw corrupt(path, `it has ${fileSize} bytes, fewer than 8`);
  const length = new DataView(first.buffer, first.byteOffset).getBigUint64(0, true);
  if (length > BigInt(longestHeader)) {
    throw corrupt(path, `its header claims ${length} bytes, more than ${longestHeader}`);
  }
  if (8n + length > BigInt(fileSize)) {
    throw corrupt(path, `its header claims ${length} bytes, but the file has ${fileSize} in all`);
  }
  return Number(length);
}

/**
 * Parses and checks a header.
 * @param dataSize Number of bytes behind the header.
 */
export function parseHeader(path: string, bytes: Uint8Array, dataSize: number): Header {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw corrupt(path, 'its header is not JSON', error);
  }
  if (!isRecord(json)) throw corrupt(path, 'its header is not a JSON object');
  const entries: TensorEntry[] = [];
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(json)) {
    if (name === '__metadata__') metadata = checkMetadata(path, value);
    else entries.push(parseEntry(path, name, value));
  }
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let position = 0;
  for (const { name, begin, end } of entries) {
    if (begin !== position) {
      const what = begin < position ? 'overlaps another tensor' : 'leaves a gap before it';
      throw corrupt(path, `the tensor ${show(name)} at byte ${begin} ${what}`);
    }
    position = end;
  }
  if (position !== dataSize) {
    throw corrupt(path, `its tensors need ${position} bytes, but ${dataSize} follow the header`);
  }
  return { entries, metadata };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function checkMetadata(path: string, value: unknown): Record<string, string> {
  if (!isRecord(value) || Object.values(value).some((text) => typeof text !== 'string')) {
    throw corrupt(path, 'its metadata is not an object of strings');
  }
  return value as Record<string, string>;
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function parseEntry(path: string, name: string, value: unknown): TensorEntry {
  const broken = (what: string) => corrupt(path, `the tensor ${show(name)} ${what}`);
  if (!isRecord(value)) throw broken('is not described by an object');
  const { dtype, shape, data_offsets: offsets } = value;
  const stored =
    typeof dtype === 'string' && Object.hasOwn(storedTypes, dtype) ? storedTypes[dtype] : undefined;
  if (typeof dtype !== 'string' || stored === undefined) {
    throw broken(
      `has the type ${show(dtype)}; types that are read: ${Object.keys(storedTypes).join(', ')}`,
    );
  }
  if (!isSizes(shape)) throw broken(`has the shape ${show(shape)}`);
  if (!isSizes(offsets) || offsets.length !== 2) throw broken(`has offsets ${show(offsets)}`);
  const [begin = 0, end = 0] = offsets;
  const wanted = elementCount(shape) * stored.bytes;
  if (end - begin !== wanted) {
    throw broken(`of shape ${formatShape(shape)} needs ${wanted} bytes, has ${end - begin}`);
  }
  return { name, type: dtype, shape, begin, end };
}

/** The values of a tensor's bytes. */
export function readTensor(entry: TensorEntry, raw: ArrayBuffer): StoredTensor {
  const stored = storedTypes[entry.type];
  if (stored === undefined) throw new ArgumentError(`unknown type ${entry.type}`);
  return { data: stored.read(raw), shape: entry.shape };
}

function typeOf(name: string, data: unknown): string {
  if (data instanceof Float32Array) return 'F32';
  if (data instanceof Float64Array) return 'F64';
  if (data instanceof Int32Array) return 'I32';
  if (data instanceof BigInt64Array) return 'I64';
  if (data instanceof Uint8Array) return 'U8';
  throw new ArgumentError(
    `safetensors expects Float32Array, Float64Array, Int32Array, BigInt64Array or Uint8Array ` +
      `for ${show(name)}, got ${show(data)}`,
  );
}

/**
 * The parts of a file, in order: the header, then each tensor's bytes (views of the arrays given).
 * Tensors of wider elements come first, so that each is aligned to its element size.
 */
export function fileParts(
  tensors: Readonly<Record<string, StoredTensor>>,
  metadata: Readonly<Record<string, string>>,
): Uint8Array[] {
  checkRecord('tensors', tensors);
  checkRecord('metadata', metadata);
  const listed = Object.entries(tensors).map(([name, tensor]) => {
    const type = typeOf(name, tensor?.data);
    const { data, shape } = tensor;
    if (!isSizes(shape) || elementCount(shape) !== data.length) {
      throw new ArgumentError(
        `safetensors expects the shape of ${show(name)} to have its ${data.length} values, ` +
          `got ${show(shape)}`,
      );
    }
    if (name === '__metadata__') {
      throw new ArgumentError(`safetensors cannot store a tensor named ${show(name)}`);
    }
    return { name, type, data, shape };
  });
  listed.sort((a, b) => b.data.BYTES_PER_ELEMENT - a.data.BYTES_PER_ELEMENT);
  const header: [string, unknown][] = [];
  if (Object.keys(metadata).length > 0) header.push(['__metadata__', checkTexts(metadata)]);
  let position = 0;
  for (const { name, type, data, shape } of listed) {
    const end = position + data.byteLength;
    header.push([name, { dtype: type, shape, data_offsets: [position, end] }]);
    position = end;
  }
  const text = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const length = Math.ceil(text.length / 8) * 8;
  const head = new Uint8Array(8 + length).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(length), true);
  head.set(text, 8);
  return [
    head,
    ...listed.map(({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
  ];
}

function checkRecord(what: string, value: unknown): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ArgumentError(`safetensors expects an object of ${what} by name, got ${show(value)}`);
  }
}

function checkTexts(metadata: Readonly<Record<string, string>>): Record<string, string> {
  for (const [name, text] of Object.entries(metadata)) {
    if (typeof text !== 'string') {
      throw new ArgumentError(
        `safetensors expects metadata to be strings, got ${show(text)} for ${show(name)}`,
      );
    }
  }
  return { ...metadata };
}
