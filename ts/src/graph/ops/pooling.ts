/**
 * Owns the pooling operations: options, shapes, gradient rules. Formulas: torch.nn.MaxPool2d,
 * AvgPool2d, AdaptiveAvgPool2d. Ceil mode is not an attribute: the declared output shape says it.
 */
import {
  checkBoolean,
  checkInteger,
  checkOptions,
  checkPair,
  type PairLike,
  show,
} from '../../arguments.js';
import { ArgumentError, ShapeError } from '../../errors.js';
import {
  checkSameShape,
  declaredShape,
  f32,
  formatWindow,
  gradientValue,
  inputShape,
  inputType,
  type Operation,
  pairAttr,
  type ShapeContext,
  type Slot,
} from '../operation.js';
import {
  at,
  checkRank,
  formatShape,
  largestWindow,
  poolOutputSize,
  type Shape,
  sameShape,
} from '../shapes.js';
import type { Attrs, DType } from '../spec.js';

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

/** Names of {@link MaxPoolOptions}. */
export const maxPoolOptionNames = ['stride', 'padding', 'dilation', 'ceilMode'] as const;

/** Names of {@link AvgPoolOptions}. */
export const avgPoolOptionNames = ['stride', 'padding', 'ceilMode', 'countIncludePad'] as const;

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
  checkOptions(who, options, maxPoolOptionNames);
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
  checkOptions(who, options, avgPoolOptionNames);
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

const imageAxes = ['N', 'C', 'H', 'W'];
const windowAttrs = { kernelSize: 'pair', stride: 'pair', padding: 'pair' } as const;
const maxAttrs = { ...windowAttrs, dilation: 'pair' } as const;
const averageAttrs = { ...windowAttrs, countIncludePad: 'boolean' } as const;
const indices: Slot = { name: 'indices', dtypes: ['u8', 'i32'] };

/** Element type of max-pool indices: bytes hold a place in a window of up to 256 cells. */
export function indicesType(attrs: Attrs): DType {
  const [kh, kw] = pairAttr(attrs, 'kernelSize');
  return kh * kw <= 256 ? 'u8' : 'i32';
}

/**
 * The output's shape of a pooling window over x, by rounding down or up.
 *
 * @throws ShapeError where the window is larger than its padded input.
 */
export function pooledShape(who: string, x: Shape, attrs: Attrs, ceilMode: boolean): Shape {
  const shape = roundedShape(who, x, attrs, ceilMode);
  if (shape.some((size) => size < 1)) {
    const window = formatWindow(pairAttr(attrs, 'kernelSize'), attrs);
    throw new ShapeError(
      `${who} has a window of ${window} that is larger than its padded input ` +
        `${formatShape(x)}; use a larger image, more padding or a smaller window`,
    );
  }
  return shape;
}

/** As {@link pooledShape}; sizes below 1 where the window is too large. */
function roundedShape(who: string, x: Shape, attrs: Attrs, ceilMode: boolean): Shape {
  checkRank(who, 'input', x, imageAxes);
  const size = [0, 1].map((axis) => {
    const kernel = at(pairAttr(attrs, 'kernelSize'), axis);
    const stride = at(pairAttr(attrs, 'stride'), axis);
    const padding = at(pairAttr(attrs, 'padding'), axis);
    const dilation = attrs.dilation === undefined ? 1 : at(pairAttr(attrs, 'dilation'), axis);
    if (kernel < 1 || stride < 1 || dilation < 1 || padding < 0) {
      throw new ArgumentError(
        `${who} expects kernelSize, stride and dilation of at least 1 and padding of at least 0, ` +
          `got kernelSize ${kernel}, stride ${stride}, dilation ${dilation}, padding ${padding}`,
      );
    }
    // As PyTorch: half the kernel, however far dilation spreads it.
    if (padding > Math.floor(kernel / 2)) {
      throw new ArgumentError(
        `${who} expects padding of at most half the kernel, got padding ${padding} ` +
          `with kernelSize ${kernel}`,
      );
    }
    return poolOutputSize(at(x, 2 + axis), kernel, stride, padding, dilation, ceilMode);
  });
  return [at(x, 0), at(x, 1), ...size];
}

/** Checks the declared output (or takes the one that rounding down gives). */
function poolingOutput(who: string, x: Shape, attrs: Attrs, declared: Shape | undefined): Shape {
  const floor = roundedShape(who, x, attrs, false);
  const up = roundedShape(who, x, attrs, true);
  // By rounding up a window may fit that does not by rounding down.
  if (declared !== undefined && sameShape(declared, up)) return pooledShape(who, x, attrs, true);
  const shape = pooledShape(who, x, attrs, false);
  if (declared !== undefined && !sameShape(declared, floor)) {
    throw new ShapeError(
      `${who} expects an output of shape ${formatShape(floor)} from input ${formatShape(x)}, ` +
        `got ${formatShape(declared)}`,
    );
  }
  return shape;
}

function adaptiveShapes(who: string, x: Shape, y: Shape): void {
  checkRank(who, 'input', x, imageAxes);
  checkRank(who, 'output', y, imageAxes);
  checkSameShape(who, 'output', y.slice(0, 2), x.slice(0, 2));
  if (y.some((size) => size < 1)) {
    throw new ShapeError(`${who} expects an output of at least 1x1, got ${formatShape(y)}`);
  }
}

function windowGradShape(c: ShapeContext): Shape {
  const shape = declaredShape(c, 0);
  poolingOutput(c.who, shape, c.attrs, inputShape(c, 0));
  return shape;
}

export const poolingOps = {
  maxPool2d: {
    inputs: [f32('x')],
    outputs: [f32('y'), { ...indices, optional: true }],
    attrs: maxAttrs,
    infer: (c) => {
      const shape = poolingOutput(c.who, inputShape(c, 0), c.attrs, c.declared[0]);
      return [
        { dtype: 'f32', shape },
        { dtype: indicesType(c.attrs), shape },
      ];
    },
    gradient: (c) => {
      const gy = gradientValue(c, 0);
      const [x] = c.inputs;
      const [, places] = c.outputs;
      if (gy === undefined || x === undefined || places === undefined || !c.wants(0)) return;
      const [gx] = c.emit('maxPool2dGrad', [gy, places], c.attrs, [c.shapeOf(x)]);
      if (gx !== undefined) c.give(0, gx);
    },
  },
  maxPool2dGrad: {
    inputs: [f32('gy'), indices],
    outputs: [f32('gx')],
    attrs: maxAttrs,
    infer: (c) => {
      const shape = windowGradShape(c);
      const places = inputType(c, 1);
      checkSameShape(c.who, 'indices', places.shape, inputShape(c, 0));
      if (places.dtype !== indicesType(c.attrs)) {
        throw new ArgumentError(
          `${c.who} expects indices of type ${indicesType(c.attrs)}, got ${places.dtype}; ` +
            'pass those of maxPool2d with the same attributes',
        );
      }
      return [{ dtype: 'f32', shape }];
    },
    gradient: null,
  },
  avgPool2d: {
    inputs: [f32('x')],
    outputs: [f32('y')],
    attrs: averageAttrs,
    infer: (c) => {
      const shape = poolingOutput(c.who, inputShape(c, 0), c.attrs, c.declared[0]);
      return [{ dtype: 'f32', shape }];
    },
    gradient: (c) => {
      const gy = gradientValue(c, 0);
      const [x] = c.inputs;
      if (gy === undefined || x === undefined || !c.wants(0)) return;
      const [gx] = c.emit('avgPool2dGrad', [gy], c.attrs, [c.shapeOf(x)]);
      if (gx !== undefined) c.give(0, gx);
    },
  },
  avgPool2dGrad: {
    inputs: [f32('gy')],
    outputs: [f32('gx')],
    attrs: averageAttrs,
    infer: (c) => [{ dtype: 'f32', shape: windowGradShape(c) }],
    gradient: null,
  },
  adaptiveAvgPool2d: {
    inputs: [f32('x')],
    outputs: [f32('y')],
    attrs: {},
    infer: (c) => {
      const shape = declaredShape(c, 0);
      adaptiveShapes(c.who, inputShape(c, 0), shape);
      return [{ dtype: 'f32', shape }];
    },
    gradient: (c) => {
      const gy = gradientValue(c, 0);
      const [x] = c.inputs;
      if (gy === undefined || x === undefined || !c.wants(0)) return;
      const [gx] = c.emit('adaptiveAvgPool2dGrad', [gy], {}, [c.shapeOf(x)]);
      if (gx !== undefined) c.give(0, gx);
    },
  },
  adaptiveAvgPool2dGrad: {
    inputs: [f32('gy')],
    outputs: [f32('gx')],
    attrs: {},
    infer: (c) => {
      const shape = declaredShape(c, 0);
      adaptiveShapes(c.who, shape, inputShape(c, 0));
      return [{ dtype: 'f32', shape }];
    },
    gradient: null,
  },
} satisfies Record<string, Operation>;
