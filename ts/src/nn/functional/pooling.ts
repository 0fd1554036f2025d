/** Owns the stateless forms of pooling. */
import type { PairLike } from '../../arguments.js';
import {
  type AvgPoolOptions,
  adaptiveShape,
  avgPoolAttrs,
  type MaxPoolOptions,
  maxPoolAttrs,
  pooledShape,
} from '../../graph/ops/pooling.js';
import { first, type Tensor } from '../../graph/tensor.js';
import { asTensor } from '../../graph/trace.js';

export type { AvgPoolOptions, MaxPoolOptions } from '../../graph/ops/pooling.js';

/** Size for both axes, or [height, width]; null keeps the input's. */
export type AdaptiveSize = number | null | readonly [number | null, number | null];

/**
 * Largest value of each window.
 * @param x [N, C, H, W]
 * @returns [N, C, H', W'] with H' = floor((H + 2 padding - dilation (kh - 1) - 1) / stride) + 1, or, with
 *   `ceilMode`, rounded up where the last window still begins inside the input or its left padding
 * @throws ArgumentError for unknown options and values out of range, ShapeError for a window that is
 *   larger than the padded input.
 */
export function maxPool2d(
  x: Tensor,
  kernelSize: PairLike,
  options: MaxPoolOptions = {},
  who = 'maxPool2d',
): Tensor {
  const input = asTensor(who, x);
  const { attrs, ceilMode } = input.tracer.check(() => maxPoolAttrs(who, kernelSize, options));
  const shape = input.tracer.check(() => pooledShape(who, input.shape, attrs, ceilMode));
  return first(input.tracer.record('maxPool2d', [input], attrs, { who, shapes: [shape, shape] }));
}

/**
 * Mean of each window.
 * @param x [N, C, H, W]
 * @returns [N, C, H', W'] with H' = floor((H + 2 padding - kh) / stride) + 1, or, with
 *   `ceilMode`, rounded up where the last window still begins inside the input or its left padding
 * @throws ArgumentError for unknown options and values out of range, ShapeError for a window that is
 *   larger than the padded input.
 */
export function avgPool2d(
  x: Tensor,
  kernelSize: PairLike,
  options: AvgPoolOptions = {},
  who = 'avgPool2d',
): Tensor {
  const input = asTensor(who, x);
  const { attrs, ceilMode } = input.tracer.check(() => avgPoolAttrs(who, kernelSize, options));
  const shape = input.tracer.check(() => pooledShape(who, input.shape, attrs, ceilMode));
  return first(input.tracer.record('avgPool2d', [input], attrs, { who, shapes: [shape] }));
}

/**
 * Means over windows chosen so that the output has the size wanted; null keeps an axis.
 * @param x [N, C, H, W]
 * @returns [N, C, H', W'] of the size wanted
 * @throws ArgumentError for a size that is not positive, ShapeError for an input of another rank.
 */
export function adaptiveAvgPool2d(
  x: Tensor,
  outputSize: AdaptiveSize,
  who = 'adaptiveAvgPool2d',
): Tensor {
  const input = asTensor(who, x);
  const shape = input.tracer.check(() => adaptiveShape(who, input.shape, outputSize));
  return first(input.tracer.record('adaptiveAvgPool2d', [input], {}, { who, shapes: [shape] }));
}
