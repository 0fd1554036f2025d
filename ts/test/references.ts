/**
 * Reads PyTorch's outputs from ts/test/fixtures/ops and measures how far a result is from them.
 *
 * Has its own reader of safetensors files, so that a fault in the package's reader cannot hide in
 * the comparison. What the files hold is described in scripts/fixtures/ops.py.
 */
import { readFileSync } from 'node:fs';
import { hashAt, type OpCase, sizeOf } from './op-cases.js';

/** A tensor on the host, as an operation gives it. */
export interface HostArray {
  readonly data: ArrayLike<number>;
  readonly shape: readonly number[];
}

type Tensors = ReadonlyMap<string, HostArray>;

const readers = {
  F32: (view: DataView, at: number) => view.getFloat32(at * 4, true),
  F64: (view: DataView, at: number) => view.getFloat64(at * 8, true),
  I32: (view: DataView, at: number) => view.getInt32(at * 4, true),
};

function readTensors(file: URL): Tensors {
  const bytes = readFileSync(file);
  const headerSize = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerSize)) as Record<
    string,
    { dtype: keyof typeof readers; shape: number[]; data_offsets: [number, number] }
  >;
  const tensors = new Map<string, HostArray>();
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(header)) {
    const [from, to] = data_offsets;
    const start = bytes.byteOffset + 8 + headerSize + from;
    const view = new DataView(bytes.buffer, start, to - from);
    const read = readers[dtype];
    const data = Float64Array.from({ length: sizeOf(shape) }, (_, index) => read(view, index));
    tensors.set(name, { data, shape });
  }
  return tensors;
}

const files = new Map<string, Tensors>();

function referencesOf(op: string): Tensors {
  let tensors = files.get(op);
  if (tensors === undefined) {
    tensors = readTensors(new URL(`fixtures/ops/${op}.safetensors`, import.meta.url));
    files.set(op, tensors);
  }
  return tensors;
}

/** Names of the outputs that PyTorch's file has for a case. */
export function referenceNames(opCase: OpCase): string[] {
  const prefix = `${opCase.name}/`;
  const names = [...referencesOf(opCase.op).keys()].filter((key) => key.startsWith(prefix));
  return [...new Set(names.map((key) => key.slice(prefix.length).replace(/\..*$/, '')))].sort();
}

/**
 * The relative error of an output: the largest |a - b| over the largest |b| of the tensor. For
 * outputs of which a sample is stored, that of the sample and that of the sum and the sum of squares
 * of all elements, whichever is largest. Infinity where the shape is wrong or a NaN came.
 */
export function relativeError(opCase: OpCase, output: string, got: HostArray): number {
  const references = referencesOf(opCase.op);
  const key = `${opCase.name}/${output}`;
  const full = references.get(key);
  if (full !== undefined) {
    if (!sameShape(got, full.shape)) return Number.POSITIVE_INFINITY;
    return worst(got.data, full.data, largest(full.data));
  }
  const sample = references.get(`${key}.sample`);
  const shape = references.get(`${key}.shape`);
  const moments = references.get(`${key}.moments`);
  if (sample === undefined || shape === undefined || moments === undefined) {
    throw new Error(`no reference for ${opCase.op}/${key}: run npm run fixtures -- ops`);
  }
  if (!sameShape(got, Array.from(shape.data))) return Number.POSITIVE_INFINITY;
  const [sum, squares, peak] = Array.from(moments.data) as [number, number, number];
  const samples = sample.data.length;
  const bucket = Math.floor(got.data.length / samples);
  const seed = `${opCase.op}/${key}.sample`;
  const taken = Float64Array.from(
    { length: samples },
    (_, i) => got.data[i * bucket + (hashAt(seed, i) % bucket)]!,
  );
  let gotSum = 0;
  let gotSquares = 0;
  for (let i = 0; i < got.data.length; i++) {
    const value = got.data[i]!;
    gotSum += value;
    gotSquares += value * value;
  }
  // The sum of magnitudes is at most sqrt(n * sum of squares): errors of one relative size cannot
  // move the sum by more than that times the size, nor the sum of squares by more than twice.
  const sumError = Math.abs(gotSum - sum) / Math.sqrt(got.data.length * squares);
  const squaresError = Math.abs(gotSquares - squares) / (2 * squares);
  return largestOf([worst(taken, sample.data, peak), sumError, squaresError]);
}

function sameShape(got: HostArray, shape: readonly number[]): boolean {
  return String(got.shape) === String(shape) && got.data.length === sizeOf(shape);
}

function largest(data: ArrayLike<number>): number {
  return Array.from(data).reduce((peak, value) => Math.max(peak, Math.abs(value)), 0);
}

function worst(a: ArrayLike<number>, b: ArrayLike<number>, peak: number): number {
  let difference = 0;
  for (let i = 0; i < b.length; i++) {
    const here = Math.abs(a[i]! - b[i]!);
    if (!(here <= difference)) difference = Number.isNaN(here) ? Number.POSITIVE_INFINITY : here;
  }
  // A reference of zeros throughout leaves no scale: the result must be zeros too.
  return difference === 0 ? 0 : difference / peak;
}

function largestOf(errors: number[]): number {
  return errors.some(Number.isNaN) ? Number.POSITIVE_INFINITY : Math.max(...errors);
}
