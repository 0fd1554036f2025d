/** Owns the float64 tensor that the reference interpreter computes with. */
import type { Attrs } from '../../../dist/graph/spec.js';

/** Values in row-major order, in float64 whatever the graph's element type. */
export interface Tensor64 {
  readonly data: Float64Array;
  readonly shape: readonly number[];
}

/** One operation in plain loops: fills the outputs' data, or updates inputs in place. */
export type Kernel = (
  inputs: readonly Tensor64[],
  outputs: readonly Tensor64[],
  attrs: Attrs,
) => void;

/** An attribute that is a pair. */
export function pair(attrs: Attrs, name: string): [number, number] {
  return attrs[name] as [number, number];
}

/** An attribute that is a number. */
export function number(attrs: Attrs, name: string): number {
  return attrs[name] as number;
}

/** The four sizes of an image batch or a weight. */
export function sizes(tensor: Tensor64): [number, number, number, number] {
  return tensor.shape as unknown as [number, number, number, number];
}
