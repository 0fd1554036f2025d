/**
 * Owns the options of convolutions and pooling as users write them, and their way to attributes.
 * Defaults and rules are PyTorch's. Both layers and single operations go through here.
 */

import {
  checkBoolean,
  checkInteger,
  checkOneOf,
  checkOptions,
  checkPair,
  type Pair,
  type PairLike,
  show,
} from '../arguments.js';
import { ArgumentError } from '../errors.js';
import { at, checkRank, type Shape } from './shapes.js';
import type { Attrs } from './spec.js';

/** Largest size, step, padding or distance of a window along one axis; native code knows it too. */
export const largestWindow = 2 ** 20;

/** Options of a convolution. */
export interface ConvOptions {
  /** Step of the window; 1 by default. */
  stride?: PairLike;
  /** Zeros added on each side (0 by default), or 'valid' (none), or 'same' (keeps the size). */
  padding?: PairLike | 'same' | 'valid';
  /** Distance between the window's cells; 1 by default. */
  dilation?: PairLike;
  /** Groups of channels that do not see each other; 1 by default. */
  groups?: number;
}

/** Options of max pooling. */
export interface MaxPoolOptions {
  /** Step of the window; the window's own size by default. */
  stride?: PairLike;
  /**
   * Cells added on each side that no maximum takes; 0 by default, at most half of kernelSize,
   * whatever the dilation.
   */
  padding?: PairLike;
  /** Distance between the window's cells; 1 by default. */
  dilation?: PairLike;
  /** Whether a last, partial window counts; false by default. */
  ceilMode?: boolean;
}

/** Options of average pooling. */
export interface AvgPoolOptions {
  /** Step of the window; the window's own size by default. */
  stride?: PairLike;
  /** Zeros added on each side; 0 by default, at most half of kernelSize. */
  padding?: PairLike;
  /** Whether a last, partial window counts; false by default. */
  ceilMode?: boolean;
  /** Whether padded zeros count in the divisor; true by default. */
  countIncludePad?: boolean;
}

/** Attributes of a convolution with this kernel. */
export function convAttrs(who: string, options: ConvOptions, kernel: Pair): Attrs {
  checkOptions(who, options, ['stride', 'padding', 'dilation', 'groups']);
  const stride = checkPair(who, 'stride', options.stride ?? 1, 1, largestWindow);
  const dilation = checkPair(who, 'dilation', options.dilation ?? 1, 1, largestWindow);
  const groups = checkInteger(who, 'groups', options.groups ?? 1, 1);
  const padding = convPadding(who, options.padding ?? 0, kernel, stride, dilation);
  return { stride, padding, dilation, groups };
}

function convPadding(
  who: string,
  padding: PairLike | string,
  kernel: Pair,
  stride: Pair,
  dilation: Pair,
): Pair {
  if (typeof padding !== 'string') return checkPair(who, 'padding', padding, 0, largestWindow);
  if (checkOneOf(who, 'padding', padding, ['same', 'valid']) === 'valid') return [0, 0];
  if (stride.some((size) => size !== 1)) {
    throw new ArgumentError(`${who} takes padding 'same' with stride 1 only, got ${show(stride)}`);
  }
  const total: Pair = [dilation[0] * (kernel[0] - 1), dilation[1] * (kernel[1] - 1)];
  if (total.some((size) => size % 2 !== 0)) {
    throw new ArgumentError(
      `${who} takes padding 'same' where it is the same on both sides: kernel ${show(kernel)} ` +
        `with dilation ${show(dilation)} would need ${show(total)} in all; use an odd kernel`,
    );
  }
  return [total[0] / 2, total[1] / 2];
}

/** Attributes of a pooling window, and whether it counts partial windows. */
export interface PoolSettings {
  attrs: Attrs;
  ceilMode: boolean;
}

function poolSettings(
  who: string,
  kernelSize: PairLike,
  options: MaxPoolOptions | AvgPoolOptions,
): PoolSettings {
  const kernel = checkPair(who, 'kernelSize', kernelSize, 1, largestWindow);
  const stride = checkPair(who, 'stride', options.stride ?? kernel, 1, largestWindow);
  const padding = checkPair(who, 'padding', options.padding ?? 0, 0, largestWindow);
  const ceilMode = checkBoolean(who, 'ceilMode', options.ceilMode ?? false);
  return { attrs: { kernelSize: kernel, stride, padding }, ceilMode };
}

/** Attributes of max pooling. */
export function maxPoolAttrs(
  who: string,
  kernelSize: PairLike,
  options: MaxPoolOptions,
): PoolSettings {
  checkOptions(who, options, ['stride', 'padding', 'dilation', 'ceilMode']);
  const { attrs, ceilMode } = poolSettings(who, kernelSize, options);
  const dilation = checkPair(who, 'dilation', options.dilation ?? 1, 1, largestWindow);
  return { attrs: { ...attrs, dilation }, ceilMode };
}

/** Attributes of average pooling. */
export function avgPoolAttrs(
  who: string,
  kernelSize: PairLike,
  options: AvgPoolOptions,
): PoolSettings {
  checkOptions(who, options, ['stride', 'padding', 'ceilMode', 'countIncludePad']);
  const { attrs, ceilMode } = poolSettings(who, kernelSize, options);
  const include = checkBoolean(who, 'countIncludePad', options.countIncludePad ?? true);
  return { attrs: { ...attrs, countIncludePad: include }, ceilMode };
}

/** Checks the size that adaptive pooling is to give; null keeps an axis. */
export function checkAdaptiveSize(
  who: string,
  size: unknown,
): number | null | readonly [number | null, number | null] {
  if (size === null) return null;
  if (typeof size === 'number') return checkInteger(who, 'outputSize', size, 1);
  if (!Array.isArray(size) || size.length !== 2) {
    throw new ArgumentError(
      `${who} expects outputSize to be a number, null or a pair of them, got ${show(size)}`,
    );
  }
  const [height, width] = size.map((item: unknown, axis) =>
    item === null ? null : checkInteger(who, `outputSize[${axis}]`, item, 1),
  );
  return [height ?? null, width ?? null];
}

/** The output's shape of adaptive pooling over x [N, C, H, W]. */
export function adaptiveShape(who: string, x: Shape, outputSize: unknown): Shape {
  const size = checkAdaptiveSize(who, outputSize);
  checkRank(who, 'input', x, ['N', 'C', 'H', 'W']);
  const [height, width] = typeof size === 'object' && size !== null ? size : [size, size];
  return [at(x, 0), at(x, 1), height ?? at(x, 2), width ?? at(x, 3)];
}
