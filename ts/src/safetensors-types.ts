/**
 * Owns the element types of safetensors files: their sizes, the arrays that they are read into, and
 * which array is stored as what.
 *
 * Policy: every type whose values an array of JavaScript can hold is read. Types of less than 32
 * bits that JavaScript lacks widen to f32, which is exact.
 */
import { types } from 'node:util';
import { show } from './arguments.js';
import { ArgumentError } from './errors.js';

/** Arrays that a file's tensors are read into, and stored from. */
export type TensorArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array;

type ArrayClass = new (buffer: ArrayBuffer) => TensorArray;

/** An element type of the format. */
export interface StoredType {
  /** Bytes of one element in a file. */
  readonly bytes: number;
  /** What it is read into. */
  readonly array: ArrayClass;
  /** The f32 value of each of its bit patterns, for the types that are widened. */
  readonly values?: () => Float32Array;
}

/** Floating-point types in small: sign, exponent and fraction, biased as IEEE 754 does. */
interface SmallFloat {
  readonly exponentBits: number;
  readonly fractionBits: number;
  /** Whether the largest exponent is for infinity and NaN; else for numbers but the largest, NaN. */
  readonly hasInfinity: boolean;
}

function decode(bits: number, { exponentBits, fractionBits, hasInfinity }: SmallFloat): number {
  const most = 2 ** exponentBits - 1;
  const exponent = (bits >> fractionBits) & most;
  const fraction = bits & (2 ** fractionBits - 1);
  const sign = (bits >> (exponentBits + fractionBits)) & 1 ? -1 : 1;
  const bias = 2 ** (exponentBits - 1) - 1;
  if (exponent === most) {
    if (hasInfinity) return fraction === 0 ? sign * Infinity : NaN;
    if (fraction === 2 ** fractionBits - 1) return NaN;
  }
  if (exponent === 0) return sign * fraction * 2 ** (1 - bias - fractionBits);
  return sign * (1 + fraction / 2 ** fractionBits) * 2 ** (exponent - bias);
}

/** A table of values that is made at the first use. */
function lazily(patterns: number, value: (bits: number) => number): () => Float32Array {
  let table: Float32Array | undefined;
  return () => {
    table ??= Float32Array.from({ length: patterns }, (_, bits) => value(bits));
    return table;
  };
}

function small(bytes: number, format: SmallFloat): StoredType {
  return {
    bytes,
    array: Float32Array,
    values: lazily(2 ** (8 * bytes), (bits) => decode(bits, format)),
  };
}

/** A scale of the microscaling formats: a power of two. */
const e8m0 = lazily(256, (bits) => (bits === 255 ? NaN : 2 ** (bits - 127)));

/** The element types that are read, by their names in the format. */
export const storedTypes: ReadonlyMap<string, StoredType> = new Map<string, StoredType>([
  ['BOOL', { bytes: 1, array: Uint8Array }],
  ['U8', { bytes: 1, array: Uint8Array }],
  ['I8', { bytes: 1, array: Int8Array }],
  ['F8_E5M2', small(1, { exponentBits: 5, fractionBits: 2, hasInfinity: true })],
  ['F8_E4M3', small(1, { exponentBits: 4, fractionBits: 3, hasInfinity: false })],
  ['F8_E8M0', { bytes: 1, array: Float32Array, values: e8m0 }],
  ['I16', { bytes: 2, array: Int16Array }],
  ['U16', { bytes: 2, array: Uint16Array }],
  ['F16', small(2, { exponentBits: 5, fractionBits: 10, hasInfinity: true })],
  ['BF16', small(2, { exponentBits: 8, fractionBits: 7, hasInfinity: true })],
  ['I32', { bytes: 4, array: Int32Array }],
  ['U32', { bytes: 4, array: Uint32Array }],
  ['F32', { bytes: 4, array: Float32Array }],
  ['F64', { bytes: 8, array: Float64Array }],
  ['I64', { bytes: 8, array: BigInt64Array }],
  ['U64', { bytes: 8, array: BigUint64Array }],
]);

/** The types as arrays are stored: one for each kind of array. */
const typesOfArrays: readonly [ArrayClass, string][] = [
  [Float32Array, 'F32'],
  [Float64Array, 'F64'],
  [Int8Array, 'I8'],
  [Int16Array, 'I16'],
  [Int32Array, 'I32'],
  [BigInt64Array, 'I64'],
  [Uint8Array, 'U8'],
  [Uint16Array, 'U16'],
  [Uint32Array, 'U32'],
  [BigUint64Array, 'U64'],
];

/**
 * The type that an array is stored as; undefined for what is no such array. Arrays of other contexts,
 * as test runners have them, are ones; a Proxy, which does not give its elements, is none.
 */
function storedAs(data: unknown): string | undefined {
  if (!types.isTypedArray(data)) return undefined;
  return typesOfArrays.find(([array]) => array.name === data[Symbol.toStringTag])?.[1];
}

/** Whether a value is one of the arrays. */
export function isTensorArray(data: unknown): data is TensorArray {
  return storedAs(data) !== undefined;
}

/** Whether an array is of 64-bit integers. */
export function isBigInts(data: TensorArray): data is BigInt64Array | BigUint64Array {
  return types.isBigInt64Array(data) || types.isBigUint64Array(data);
}

/**
 * The type that an array is stored as.
 *
 * @param name Of its tensor, for the message.
 * @throws ArgumentError for what is no such array.
 */
export function typeOfArray(name: string, data: unknown): string {
  const found = storedAs(data);
  if (found !== undefined) return found;
  const known = typesOfArrays.map(([array]) => array.name).join(', ');
  throw new ArgumentError(
    `safetensors expects one of ${known} for ${show(name)}, got ${show(data)}`,
  );
}
