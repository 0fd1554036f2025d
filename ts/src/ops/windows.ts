/** Owns convolution and pooling as single operations on host tensors. */
import type { PairLike } from '../arguments.js';
import { type ConvOptions, convAttrs } from '../graph/ops/convolution.js';
import {
  type AvgPoolOptions,
  adaptiveShape,
  avgPoolAttrs,
  type MaxPoolOptions,
  maxPoolAttrs,
  pooledShape,
} from '../graph/ops/pooling.js';
import { at, checkRank, checkShape, type Shape } from '../graph/shapes.js';
import { type OpOptions, run, splitOptions } from './run.js';
import {
  checkTensor,
  type FloatTensor,
  floatTensor,
  type HostTensor,
  type WeightGradOptions,
  type WeightGrads,
  weightGrads,
} from './tensors.js';

const convNames = ['stride', 'padding', 'dilation', 'groups'] as const;
const maxPoolNames = ['stride', 'padding', 'dilation', 'ceilMode'] as const;
const avgPoolNames = ['stride', 'padding', 'ceilMode', 'countIncludePad'] as const;

function convolution(who: string, weight: Shape, options: ConvOptions & OpOptions) {
  checkRank(who, 'weight', weight, ['K', 'C/groups', 'kh', 'kw']);
  const [own, common] = splitOptions(who, options, convNames);
  return { attrs: convAttrs(who, own, [at(weight, 2), at(weight, 3)]), common };
}

/**
 * 2-D convolution (formula: torch.nn.Conv2d).
 * @param x [N, C, H, W]
 * @param w [K, C/groups, kh, kw]
 * @param b [K]
 * @returns [N, K, H', W'] with H' = floor((H + 2 padding - dilation (kh - 1) - 1) / stride) + 1
 * @throws {ArgumentError} What should be a tensor is none, or an option is unknown or out of range.
 * @throws {ShapeError} Sizes do not fit each other, or not the number of values.
 * @throws {DTypeError} A tensor has another element type than stated; f32 where none is.
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

/**
 * Gradient of {@link conv2d} with respect to its input.
 * @param gy [N, K, H', W']
 * @param w [K, C/groups, kh, kw]
 * @param inputShape [N, C, H, W], the shape of the result
 * @throws {ArgumentError} What should be a tensor is none, or an option is unknown or out of range.
 * @throws {ShapeError} Sizes do not fit each other, or not the number of values.
 * @throws {DTypeError} A tensor has another element type than stated; f32 where none is.
 */
export async function conv2dInputGrad(
  gy: FloatTensor,
  w: FloatTensor,
  inputShape: Shape,
  options: ConvOptions & OpOptions = {},
): Promise<FloatTensor> {
  const who = 'conv2dInputGrad';
  const { shape } = checkTensor(who, 'w', w);
  const { attrs, common } = convolution(who, shape, options);
  const settings = { ...common, shapes: { gx: checkShape(who, 'inputShape', inputShape) } };
  return floatTensor('gx', (await run(who, { gy, w }, attrs, settings)).gx);
}

/**
 * Gradients of {@link conv2d} with respect to its weight and, unless `bias` is false, to its bias.
 * @param x [N, C, H, W]
 * @param gy [N, K, H', W']
 * @param weightShape [K, C/groups, kh, kw]
 * @returns gw, of the weight's shape, and gb [K]
 * @throws {ArgumentError} What should be a tensor is none, or an option is unknown or out of range.
 * @throws {ShapeError} Sizes do not fit each other, or not the number of values.
 * @throws {DTypeError} A tensor has another element type than stated; f32 where none is.
 */
export async function conv2dWeightGrad<Bias extends boolean = true>(
  x: FloatTensor,
  gy: FloatTensor,
  weightShape: Shape,
  options: ConvOptions & OpOptions & WeightGradOptions<Bias> = {},
): Promise<WeightGrads<Bias>> {
  const who = 'conv2dWeightGrad';
  const shape = checkShape(who, 'weightShape', weightShape);
  const [{ bias, ...window }, common] = splitOptions(who, options, [...convNames, 'bias']);
  const { attrs } = convolution(who, shape, window);
  const settings = { ...common, shapes: { gw: shape } };
  return weightGrads(who, bias, (outputs) => run(who, { x, gy }, attrs, { ...settings, outputs }));
}

/**
 * Largest value of each window, and its place in the window, which {@link maxPool2dGrad} takes
 * (formula: torch.nn.MaxPool2d).
 * @param x [N, C, H, W]
 * @returns y and indices [N, C, H', W']
 * @throws {ArgumentError} What should be a tensor is none, or an option is unknown or out of range.
 * @throws {ShapeError} Sizes do not fit each other, or not the number of values.
 * @throws {DTypeError} A tensor has another element type than stated; f32 where none is.
 */
export async function maxPool2d(
  x: FloatTensor,
  kernelSize: PairLike,
  options: MaxPoolOptions & OpOptions = {},
): Promise<{ y: FloatTensor; indices: HostTensor }> {
  const who = 'maxPool2d';
  const [own, common] = splitOptions(who, options, maxPoolNames);
  const { attrs, ceilMode } = maxPoolAttrs(who, kernelSize, own);
  const shape = pooledShape(who, checkTensor(who, 'x', x).shape, attrs, ceilMode);
  const outputs = await run(who, { x }, attrs, { ...common, shapes: { y: shape } });
  const y = floatTensor('y', outputs.y);
  return { y, indices: checkTensor(who, 'indices', outputs.indices) };
}

/**
 * Gradient of {@link maxPool2d} with respect to its input.
 * @param gy [N, C, H', W']
 * @param indices those of maxPool2d, of the shape of gy
 * @param inputShape [N, C, H, W], the shape of the result
 * @throws {ArgumentError} What should be a tensor is none, or an option is unknown or out of range.
 * @throws {ShapeError} Sizes do not fit each other, or not the number of values.
 * @throws {DTypeError} A tensor has another element type than stated; f32 where none is.
 */
export async function maxPool2dGrad(
  gy: FloatTensor,
  indices: HostTensor,
  inputShape: Shape,
  kernelSize: PairLike,
  options: Omit<MaxPoolOptions, 'ceilMode'> & OpOptions = {},
): Promise<FloatTensor> {
  const who = 'maxPool2dGrad';
  const [own, common] = splitOptions(who, options, ['stride', 'padding', 'dilation']);
  const { attrs } = maxPoolAttrs(who, kernelSize, own);
  const settings = { ...common, shapes: { gx: checkShape(who, 'inputShape', inputShape) } };
  return floatTensor('gx', (await run(who, { gy, indices }, attrs, settings)).gx);
}

/**
 * Mean of each window (formula: torch.nn.AvgPool2d).
 * @param x [N, C, H, W]
 * @returns [N, C, H', W']
 * @throws {ArgumentError} What should be a tensor is none, or an option is unknown or out of range.
 * @throws {ShapeError} Sizes do not fit each other, or not the number of values.
 * @throws {DTypeError} A tensor has another element type than stated; f32 where none is.
 */
export async function avgPool2d(
  x: FloatTensor,
  kernelSize: PairLike,
  options: AvgPoolOptions & OpOptions = {},
): Promise<FloatTensor> {
  const who = 'avgPool2d';
  const [own, common] = splitOptions(who, options, avgPoolNames);
  const { attrs, ceilMode } = avgPoolAttrs(who, kernelSize, own);
  const shape = pooledShape(who, checkTensor(who, 'x', x).shape, attrs, ceilMode);
  return floatTensor('y', (await run(who, { x }, attrs, { ...common, shapes: { y: shape } })).y);
}

/**
 * Gradient of {@link avgPool2d} with respect to its input.
 * @param gy [N, C, H', W']
 * @param inputShape [N, C, H, W], the shape of the result
 * @throws {ArgumentError} What should be a tensor is none, or an option is unknown or out of range.
 * @throws {ShapeError} Sizes do not fit each other, or not the number of values.
 * @throws {DTypeError} A tensor has another element type than stated; f32 where none is.
 */
export async function avgPool2dGrad(
  gy: FloatTensor,
  inputShape: Shape,
  kernelSize: PairLike,
  options: Omit<AvgPoolOptions, 'ceilMode'> & OpOptions = {},
): Promise<FloatTensor> {
  const who = 'avgPool2dGrad';
  const [own, common] = splitOptions(who, options, ['stride', 'padding', 'countIncludePad']);
  const { attrs } = avgPoolAttrs(who, kernelSize, own);
  const settings = { ...common, shapes: { gx: checkShape(who, 'inputShape', inputShape) } };
  return floatTensor('gx', (await run(who, { gy }, attrs, settings)).gx);
}

/**
 * Means over windows chosen so that the output has `outputSize` (formula:
 * torch.nn.AdaptiveAvgPool2d).
 * @param x [N, C, H, W]
 * @param outputSize Size for both axes, or [height, width]; null keeps the input's.
 * @returns [N, C, H', W']
 * @throws {ArgumentError} What should be a tensor is none, or an option is unknown or out of range.
 * @throws {ShapeError} Sizes do not fit each other, or not the number of values.
 * @throws {DTypeError} A tensor has another element type than stated; f32 where none is.
 */
export async function adaptiveAvgPool2d(
  x: FloatTensor,
  outputSize: number | null | readonly [number | null, number | null],
  options: OpOptions = {},
): Promise<FloatTensor> {
  const who = 'adaptiveAvgPool2d';
  const [, common] = splitOptions(who, options);
  const shape = adaptiveShape(who, checkTensor(who, 'x', x).shape, outputSize);
  return floatTensor('y', (await run(who, { x }, {}, { ...common, shapes: { y: shape } })).y);
}

/**
 * Gradient of {@link adaptiveAvgPool2d} with respect to its input.
 * @param gy [N, C, H', W']
 * @param inputShape [N, C, H, W], the shape of the result
 * @throws {ArgumentError} What should be a tensor is none, or an option is unknown or out of range.
 * @throws {ShapeError} Sizes do not fit each other, or not the number of values.
 * @throws {DTypeError} A tensor has another element type than stated; f32 where none is.
 */
export async function adaptiveAvgPool2dGrad(
  gy: FloatTensor,
  inputShape: Shape,
  options: OpOptions = {},
): Promise<FloatTensor> {
  const who = 'adaptiveAvgPool2dGrad';
  const [, common] = splitOptions(who, options);
  const settings = { ...common, shapes: { gx: checkShape(who, 'inputShape', inputShape) } };
  return floatTensor('gx', (await run(who, { gy }, {}, settings)).gx);
}
