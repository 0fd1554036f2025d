/**
 * Owns the safetensors format (https://github.com/huggingface/safetensors, README "Format"): an
 * 8-byte header length, a JSON header, and the tensors' bytes, little-endian as every machine that
 * Node.js runs on today.
 *
 * Policy: a file is checked whole before any tensor is read: lengths, names, types, shapes, and that
 * the tensors' byte ranges cover the data without a gap or an overlap. A header is parsed in slices,
 * within bounds: 100 MB as in the reference implementation, 100,000 tensors, 4 MiB for one of them.
 */

import { setImmediate } from 'node:timers/promises';
import { show } from './arguments.js';
import { ArgumentError, DataError, DTypeError, FileError } from './errors.js';
import { type FilePart, sliceBytes } from './files.js';
import { elementCount, formatShape, type Shape } from './graph/shapes.js';
import { isObjectAt, type Member, membersOf, parsePart } from './json-members.js';
import {
  type StoredType,
  storedTypes,
  type TensorArray,
  typeOfArray,
} from './safetensors-types.js';

/** One tensor of a file. */
export interface StoredTensor {
  /** Values in row-major order. */
  readonly data: TensorArray;
  readonly shape: Shape;
}

/** Longest header that is accepted, as in the reference implementation. */
const longestHeader = 100_000_000;

/** Most tensors that a file may have. */
const mostTensors = 100_000;

/** Most bytes of one tensor's description, or of one text of the metadata. */
const longestMember = 4 << 20;

/** Deepest nesting of one: a tensor's is an object that has lists. */
const deepestMember = 16;

/** Place and type of one tensor in a file. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: string;
  readonly shape: Shape;
  /** First byte and the byte behind the last, counted from the end of the header. */
  readonly begin: number;
  readonly end: number;
}

/** A file's header, checked. */
export interface Header {
  /** In the order of their bytes. */
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

/**
 * Checks the header's length, the file's first 8 bytes.
 *
 * @param first The first bytes of the file, 16 where it has as many.
 * @throws FileError where the file is of another known kind.
 */
export function checkHeaderLength(path: string, first: Uint8Array, fileSize: number): number {
  if (first.length < 8) throw corrupt(path, `it has ${fileSize} bytes, fewer than 8`);
  const length = new DataView(first.buffer, first.byteOffset).getBigUint64(0, true);
  if (length > BigInt(longestHeader) || 8n + length > BigInt(fileSize)) {
    const kind = kindOf(first);
    if (kind !== undefined) {
      throw new FileError(
        `${path}: expected a safetensors file, got ${kind}. In Python, ` +
          'safetensors.torch.save_file(model.state_dict(), path) makes one.',
      );
    }
  }
  if (length > BigInt(longestHeader)) {
    throw corrupt(path, `its header claims ${length} bytes, more than ${longestHeader}`);
  }
  if (8n + length > BigInt(fileSize)) {
    throw corrupt(path, `its header claims ${length} bytes, but the file has ${fileSize} in all`);
  }
  return Number(length);
}

/** First bytes of files that are taken for safetensors files by mistake. */
const otherKinds: readonly [string, string][] = [
  ['PK\x03\x04', "a zip archive, as torch.save's .pth and NumPy's .npz are"],
  ['\x80\x02', 'a pickle, as .pkl and old .pth are'],
  ['\x80\x03', 'a pickle, as .pkl is'],
  ['\x80\x04', 'a pickle, as .pkl is'],
  ['\x80\x05', 'a pickle, as .pkl is'],
  ['\x93NUMPY', "an array of NumPy's (.npy)"],
  ['\x89HDF', 'an HDF5 file, as .h5 is'],
  ['GGUF', 'a GGUF file'],
  ['\x1f\x8b', 'a gzip archive; unpack it first'],
  ['version https://', 'a Git LFS pointer; `git lfs pull` fetches the file'],
  ['<!DOCTYPE', 'a web page, as a download that failed leaves it'],
  ['<html', 'a web page, as a download that failed leaves it'],
];

function kindOf(first: Uint8Array): string | undefined {
  const text = Buffer.from(first).toString('latin1');
  return otherKinds.find(([signature]) => text.startsWith(signature))?.[1];
}

/** Members of a header between two pauses. */
const membersWithoutPause = 512;

/**
 * Parses and checks a header, in slices.
 *
 * @param dataSize Number of bytes behind the header.
 */
export async function parseHeader(
  path: string,
  bytes: Uint8Array,
  dataSize: number,
): Promise<Header> {
  if (!isObjectAt(bytes, 0)) throw corrupt(path, 'its header is not a JSON object');
  const whole = { name: '', begin: 0, end: bytes.length };
  const entries: TensorEntry[] = [];
  let metadata: Record<string, string> = {};
  for await (const member of readMembers(path, bytes, whole)) {
    if (member.name === '__metadata__') metadata = await readMetadata(path, bytes, member);
    else if (entries.length === mostTensors) {
      throw corrupt(path, `it has more than ${mostTensors} tensors, the most that are read`);
    } else entries.push(parseEntry(path, member.name, readPart(path, bytes, member)));
  }
  return { entries: inOrder(path, entries, dataSize), metadata };
}

/** The members of an object in the header, with pauses; none comes twice. */
async function* readMembers(
  path: string,
  bytes: Uint8Array,
  { begin, end }: Member,
): AsyncGenerator<Member, void, undefined> {
  const names = new Set<string>();
  const members = membersOf(bytes, begin, end, { depth: deepestMember, bytes: longestMember });
  let paused = begin;
  for (;;) {
    let next: IteratorResult<Member, void>;
    try {
      next = members.next();
    } catch (error) {
      if (error instanceof RangeError) {
        throw corrupt(path, `its header has ${error.message}`, error);
      }
      throw corrupt(path, 'its header is not JSON', error);
    }
    if (next.done === true) return;
    const member = next.value;
    if (names.has(member.name)) throw corrupt(path, `${show(member.name)} is there twice`);
    names.add(member.name);
    yield member;
    if (names.size % membersWithoutPause === 0 || member.end - paused > sliceBytes) {
      paused = member.end;
      await setImmediate();
    }
  }
}

function readPart(path: string, bytes: Uint8Array, { begin, end }: Member): unknown {
  try {
    return parsePart(bytes, begin, end);
  } catch (error) {
    throw corrupt(path, 'its header is not JSON', error);
  }
}

async function readMetadata(
  path: string,
  bytes: Uint8Array,
  member: Member,
): Promise<Record<string, string>> {
  const what = 'its metadata is not an object of strings';
  if (!isObjectAt(bytes, member.begin)) throw corrupt(path, what);
  const texts: [string, string][] = [];
  for await (const each of readMembers(path, bytes, member)) {
    const text = readPart(path, bytes, each);
    if (typeof text !== 'string') throw corrupt(path, what);
    texts.push([each.name, text]);
  }
  return Object.fromEntries(texts);
}

/**
 * The tensors in the order of their bytes, which cover the data without a gap or an overlap; those
 * without bytes come last.
 */
function inOrder(path: string, entries: readonly TensorEntry[], dataSize: number): TensorEntry[] {
  const full = new Map<number, TensorEntry>();
  const misplaced = ({ name, begin }: TensorEntry, what: string) =>
    corrupt(path, `the tensor ${show(name)} at byte ${begin} ${what}`);
  for (const entry of entries) {
    if (entry.begin === entry.end) continue;
    if (full.has(entry.begin)) throw misplaced(entry, 'overlaps another tensor');
    full.set(entry.begin, entry);
  }
  const ordered: TensorEntry[] = [];
  const borders = new Set([0]);
  let position = 0;
  for (;;) {
    const next = full.get(position);
    if (next === undefined) break;
    ordered.push(next);
    position = next.end;
    borders.add(position);
  }
  if (ordered.length < full.size) {
    const placed = new Set(ordered);
    const left = [...full.values()].filter((entry) => !placed.has(entry));
    const first = left.reduce((a, b) => (b.begin < a.begin ? b : a));
    const overlaps = first.begin < position;
    throw misplaced(first, overlaps ? 'overlaps another tensor' : 'leaves a gap before it');
  }
  if (position !== dataSize) {
    throw corrupt(path, `its tensors need ${position} bytes, but ${dataSize} follow the header`);
  }
  const empty = entries.filter(({ begin, end }) => begin === end);
  const outside = empty.find(({ begin }) => !borders.has(begin));
  if (outside !== undefined) throw misplaced(outside, 'overlaps another tensor');
  return [...ordered, ...empty];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function parseEntry(path: string, name: string, value: unknown): TensorEntry {
  const broken = (what: string) => corrupt(path, `the tensor ${show(name)} ${what}`);
  if (!isRecord(value)) throw broken('is not described by an object');
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string') throw broken(`has the type ${show(dtype)}`);
  if (!isSizes(shape)) throw broken(`has the shape ${show(shape)}`);
  if (!isSizes(offsets) || offsets.length !== 2) throw broken(`has offsets ${show(offsets)}`);
  const [begin = 0, end = 0] = offsets;
  const stored = storedTypes.get(dtype);
  if (end < begin) throw broken(`ends before it begins: ${show(offsets)}`);
  if (stored !== undefined) {
    const wanted = elementCount(shape) * stored.bytes;
    if (end - begin !== wanted) {
      throw broken(`of shape ${formatShape(shape)} needs ${wanted} bytes, has ${end - begin}`);
    }
  }
  return { name, dtype, shape, begin, end };
}

/** @throws DTypeError where a tensor is of a type that is not read. */
export function typeOf(path: string, { name, dtype }: TensorEntry): StoredType {
  const stored = storedTypes.get(dtype);
  if (stored !== undefined) return stored;
  throw new DTypeError(
    `${path}: the tensor ${show(name)} is of the element type ${show(dtype)}, which is not read; ` +
      `those that are: ${[...storedTypes.keys()].join(', ')}. Convert it where it was made.`,
  );
}

/**
 * The parts of a file, in order: the header, then each tensor's bytes (views of the arrays given).
 * Tensors of wider elements come first, so that each is aligned to its element size.
 */
export function fileParts(
  tensors: Readonly<Record<string, StoredTensor>>,
  metadata: Readonly<Record<string, string>>,
): FilePart[] {
  checkRecord('tensors', tensors);
  checkRecord('metadata', metadata);
  const listed = Object.entries(tensors).map(([name, tensor]) => {
    const type = typeOfArray(name, tensor?.data);
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
    { name: 'the header', bytes: head, length: head.length },
    ...listed.map(({ name, data: { buffer, byteOffset, byteLength } }) => ({
      name: show(name),
      bytes: new Uint8Array(buffer, byteOffset, byteLength),
      length: byteLength,
    })),
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
