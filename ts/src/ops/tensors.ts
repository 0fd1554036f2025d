/** Owns the host tensors that single operations take and return, and their checks. */

import { types } from 'node:util';
import { checkBoolean, readMember, show } from '../arguments.js';
import { ArgumentError, DTypeError, ShapeError } from '../errors.js';
import { checkShape, elementCount, formatShape, type Shape } from '../graph/shapes.js';
import type { DType } from '../graph/spec.js';
import { describePixels, isDetached } from '../pixels.js';
import type { NativeArray } from '../program/native.js';

/** A tensor on the host: values in row-major order, and sizes. */
export interface HostTensor<Data extends NativeArray = NativeArray> {
  readonly data: Data;
  readonly shape: Shape;
}

/** A tensor of 32-bit floats. */
export type FloatTensor = HostTensor<Float32Array>;

/** Options of the operations that give the gradients with respect to a weight and a bias. */
export interface WeightGradOptions<Bias extends boolean = boolean> {
  /** Whether the gradient with respect to the bias is wanted; true by default. */
  bias?: Bias;
}

/** Gradients with respect to a weight and, where it is wanted, a bias. */
export type WeightGrads<Bias extends boolean = boolean> = { gw: FloatTensor } & (Bias extends true
  ? { gb: FloatTensor }
  : { gb?: FloatTensor });

/** Element type of an array. */
export function arrayType(data: NativeArray): DType {
  if (data instanceof Float32Array) return 'f32';
  if (data instanceof Float64Array) return 'f64';
  if (data instanceof Int32Array) return 'i32';
  return 'u8';
}

/** Told by what it is, and not by its prototype, which a Proxy shares. */
function isNativeArray(value: unknown): value is NativeArray {
  return (
    types.isFloat32Array(value) ||
    types.isFloat64Array(value) ||
    types.isInt32Array(value) ||
    types.isUint8Array(value)
  );
}

/** Checks that `value` is a host tensor whose shape fits its values. */
export function checkTensor(who: string, name: string, value: unknown): HostTensor {
  const members = Object(value ?? {}) as { data?: unknown; shape?: unknown };
  const data = readMember(`${who}: ${name}`, members, 'data');
  const shape = readMember(`${who}: ${name}`, members, 'shape');
  if (!isNativeArray(data) || isDetached(data)) {
    throw new ArgumentError(
      `${who} expects ${name} to be { data, shape } with a Float32Array, Int32Array or Uint8Array, ` +
        `got ${show(value)} with data ${describePixels(data)}`,
    );
  }
  const sizes = checkShape(who, `${name}.shape`, shape);
  if (elementCount(sizes) !== data.length) {
    throw new ShapeError(
      `${who} expects ${name} of shape ${formatShape(sizes)} to have ${elementCount(sizes)} ` +
        `values, got ${data.length}`,
    );
  }
  return { data, shape: sizes };
}

/** The tensor as one of floats. */
export function floatTensor(name: string, tensor: HostTensor | undefined): FloatTensor {
  if (tensor === undefined) throw new ArgumentError(`there is no output ${name}`);
  const { data, shape } = tensor;
  if (data instanceof Float32Array) return { data, shape };
  throw new DTypeError(`expected ${name} to be f32, got ${arrayType(data)}`);
}

/** Asks an operation for the gradients that are wanted. */
export async function weightGrads<Bias extends boolean>(
  who: string,
  bias: Bias | undefined,
  ask: (outputs: readonly string[]) => Promise<Record<string, HostTensor>>,
): Promise<WeightGrads<Bias>> {
  const wantsBias = checkBoolean(who, 'bias', bias ?? true);
  const { gw, gb } = await ask(wantsBias ? ['gw', 'gb'] : ['gw']);
  const grads = { gw: floatTensor('gw', gw) };
  return (wantsBias ? { ...grads, gb: floatTensor('gb', gb) } : grads) as WeightGrads<Bias>;
}
