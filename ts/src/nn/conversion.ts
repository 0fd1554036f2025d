/**
 * Owns the conversion of what is loaded to the element type of a parameter or buffer.
 *
 * Policy: floats are rounded to f32, as PyTorch does. Integers are kept exactly or refused: a count
 * that was cut off would be wrong without anybody noticing.
 */
import { types } from 'node:util';
import { copyInSlices } from '../program/copy.js';
import type { HostArray } from '../program/host-values.js';
import type { ModuleDType } from '../program/module-tensor.js';
import { isBigInts, type TensorArray } from '../safetensors-types.js';

/** The first value that the element type cannot hold exactly, where it must. */
export function unrepresentable(
  data: TensorArray,
  dtype: ModuleDType,
): number | bigint | undefined {
  if (dtype === 'f32' || types.isInt32Array(data)) return undefined;
  for (const value of data) {
    const number = Number(value);
    if ((number | 0) !== number) return value;
  }
  return undefined;
}

/** The values in the element type's array: the array itself where it is one. */
export function converted(data: TensorArray, dtype: ModuleDType): HostArray {
  if (dtype === 'f32' ? types.isFloat32Array(data) : types.isInt32Array(data)) {
    return data as HostArray;
  }
  const numbers = isBigInts(data) ? Float64Array.from(data, Number) : data;
  return dtype === 'f32' ? Float32Array.from(numbers) : Int32Array.from(numbers);
}

/** A copy of the values in the element type's array; the event loop gets turns in between. */
export async function convertedInSlices(data: TensorArray, dtype: ModuleDType): Promise<HostArray> {
  return dtype === 'f32' ? copyInSlices(data) : converted(data.slice(), dtype);
}
