/** Owns convolution and pooling as single operations on host tensors. */
import { checkInteger, type PairLike } from '../graph/arguments.js';
import { pooledShape } from '../graph/rules/pooling.js';
import { at, checkRank, checkShape, type Shape } from '../graph/shapes.js';
import {
  type AvgPoolOptions,
  adaptiveShape,
  avgPoolAttrs,
  type ConvOptions,
  convAttrs,
  type MaxPoolOptions,
  maxPoolAttrs,
} from '../graph/windows.js';
import { type OpOptions, run } from './run.js';
import { checkTensor, type FloatTensor, floatTensor, type HostTensor } from './tensors.js';

type Split<T> = [own: Omit<T, keyof OpOptions>, common: OpOptions];

function split<T extends OpOptions>({ device, algorithm, ...own }: T): Split<T> {
  const common: OpOptions = {};
  if (device !== undefined) common.device = device;
  if (algorithm !== undefined) common.algorithm = algorithm;
  return [own, common];
}

function convolution(who: string, weight: Shape, options: ConvOptions & OpOptions) {
  checkRank(who, 'weight', weight, ['K', 'C/groups', 'kh', 'kw']);
  const [own, common] = split(options);
  return { attrs: convAttrs(who, own, [at(weight, 2), at(weight, 3)]), common };
}

/**
 * 2-D convolution of x [N, C, H, W] with w [K, C/groups, kh, kw] and an optional bias [K].
 * @returns [N, K, H', W']
 */
export async function conv2d(
  x: FloatTensor,
  w: FloatTensor,
  b?: FloatTensor,
  options: ConvOptions & OpOptions = {},
): Promise<FloatTensor> {
  const { shape } = checkTensor('conv2d', 'w', w);
  const { attrs, common } = convolution('conv2d', shape, options);
  return floatTensor('y', (await run('conv2d', { x, w, b }, attrs, common)).y);
}

/** Gradient of {@link conv2d} by its input, which has the shape `inputShape`. */
export async function conv2dInputGrad(
  gy: FloatTensor,
  w: FloatTensor,
  inputShape: Shape,
  options: ConvOptions & OpOptions = {},
): Promise<FloatTensor> {
  const { shape } = checkTensor('conv2dInputGrad', 'w', w);
  const { attrs, common } = convolution('conv2dInputGrad', shape, options);
  const settings = { ...common, shapes: { gx: inputShape } };
  return floatTensor('gx', (await run('conv2dInputGrad', { gy, w }, attrs, settings)).gx);
}

/** Gradients of {@link conv2d} by its weight, which has the shape `weightShape`, and its bias. */
export async function conv2dWeightGrad(
  x: FloatTensor,
  gy: FloatTensor,
  weightShape: Shape,
  options: ConvOptions & OpOptions = {},
): Promise<{ gw: FloatTensor; gb: FloatTensor }> {
  const shape = checkShape('conv2dWeightGrad', 'weightShape', weightShape);
  const { attrs, common } = convolution('conv2dWeightGrad', shape, options);
  const settings = { ...common, shapes: { gw: shape } };
  const { gw, gb } = await run('conv2dWeightGrad', { x, gy }, attrs, settings);
  return { gw: floatTensor('gw', gw), gb: floatTensor('gb', gb) };
}

/**
 * Largest value of each window of x [N, C, H, W], and its place in the window, which
 * {@link maxPool2dGrad} takes.
 */
export async function maxPool2d(
  x: FloatTensor,
  kernelSize: PairLike,
  options: MaxPoolOptions & OpOptions = {},
): Promise<{ y: FloatTensor; indices: HostTensor }> {
  const who = 'maxPool2d';
  const [own, common] = split(options);
  const { attrs, ceilMode } = maxPoolAttrs(who, kernelSize, own);
  const shape = pooledShape(who, checkTensor(who, 'x', x).shape, attrs, ceilMode);
  const outputs = await run(who, { x }, attrs, { ...common, shapes: { y: shape } });
  const y = floatTensor('y', outputs.y);
  return { y, indices: checkTensor(who, 'indices', outputs.indices) };
}

/** Gradient of {@link maxPool2d} by its input, which has the shape `inputShape`. */
export async function maxPool2dGrad(
  gy: FloatTensor,
  indices: HostTensor,
  inputShape: Shape,
  kernelSize: PairLike,
  options: Omit<MaxPoolOptions, 'ceilMode'> & OpOptions = {},
): Promise<FloatTensor> {
  const [own, common] = split(options);
  const { attrs } = maxPoolAttrs('maxPool2dGrad', kernelSize, own);
  const settings = { ...common, shapes: { gx: inputShape } };
  return floatTensor('gx', (await run('maxPool2dGrad', { gy, indices }, attrs, settings)).gx);
}

/** Mean of each window of x [N, C, H, W]. */
export async function avgPool2d(
  x: FloatTensor,
  kernelSize: PairLike,
  options: AvgPoolOptions & OpOptions = {},
): Promise<FloatTensor> {
  const who = 'avgPool2d';
  const [own, common] = split(options);
  const { attrs, ceilMode } = avgPoolAttrs(who, kernelSize, own);
  const shape = pooledShape(who, checkTensor(who, 'x', x).shape, attrs, ceilMode);
  return floatTensor('y', (await run(who, { x }, attrs, { ...common, shapes: { y: shape } })).y);
}

/** Gradient of {@link avgPool2d} by its input, which has the shape `inputShape`. */
export async function avgPool2dGrad(
  gy: FloatTensor,
  inputShape: Shape,
  kernelSize: PairLike,
  options: Omit<AvgPoolOptions, 'ceilMode'> & OpOptions = {},
): Promise<FloatTensor> {
  const [own, common] = split(options);
  const { attrs } = avgPoolAttrs('avgPool2dGrad', kernelSize, own);
  const settings = { ...common, shapes: { gx: inputShape } };
  return floatTensor('gx', (await run('avgPool2dGrad', { gy }, attrs, settings)).gx);
}

/** Means over windows of x [N, C, H, W] chosen so that the output has `outputSize`. */
export async function adaptiveAvgPool2d(
  x: FloatTensor,
  outputSize: number | null | readonly [number | null, number | null],
  options: OpOptions = {},
): Promise<FloatTensor> {
  const who = 'adaptiveAvgPool2d';
  const shape = adaptiveShape(who, checkTensor(who, 'x', x).shape, outputSize);
  return floatTensor('y', (await run(who, { x }, {}, { ...options, shapes: { y: shape } })).y);
}

/** Gradient of {@link adaptiveAvgPool2d} by its input, which has the shape `inputShape`. */
export async function adaptiveAvgPool2dGrad(
  gy: FloatTensor,
  inputShape: Shape,
  options: OpOptions = {},
): Promise<FloatTensor> {
  const settings = { ...options, shapes: { gx: inputShape } };
  return floatTensor('gx', (await run('adaptiveAvgPool2dGrad', { gy }, {}, settings)).gx);
}

/** Where the numbers of a dropout mask come from. */
export interface DropoutOptions {
  /** Low and high 32 bits of the seed; [0, 0] by default. */
  seed?: readonly [number, number];
  /** Number of the dropout in its network; 0 by default. */
  stream?: number;
}

function dropoutAttrs(who: string, p: number, { seed, stream }: DropoutOptions) {
  return { p, seed: seed ?? [0, 0], stream: checkInteger(who, 'stream', stream ?? 0, 0) };
}

/**
 * Sets elements of x to zero with probability p and scales the others by 1 / (1 - p). The mask is a
 * function of (seed, step, stream, element).
 */
export async function dropout(
  x: FloatTensor,
  p: number,
  step: number,
  options: DropoutOptions & OpOptions = {},
): Promise<FloatTensor> {
  const [own, common] = split(options);
  return floatTensor(
    'y',
    (await run('dropout', { x, step }, dropoutAttrs('dropout', p, own), common)).y,
  );
}

/** Gradient of {@link dropout} by its input, with the same mask. */
export async function dropoutGrad(
  gy: FloatTensor,
  p: number,
  step: number,
  options: DropoutOptions & OpOptions = {},
): Promise<FloatTensor> {
  const [own, common] = split(options);
  const attrs = dropoutAttrs('dropoutGrad', p, own);
  return floatTensor('gx', (await run('dropoutGrad', { gy, step }, attrs, common)).gx);
}
