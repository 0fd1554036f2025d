/** Owns pooling as single operations on host tensors. */
import type { PairLike } from '../arguments.js';
import {
  type AvgPoolOptions,
  adaptiveShape,
  avgPoolAttrs,
  avgPoolOptionNames,
  type MaxPoolOptions,
  maxPoolAttrs,
  maxPoolOptionNames,
  pooledShape,
} from '../graph/ops/pooling.js';
import { checkShape, type Shape } from '../graph/shapes.js';
import { type OpOptions, run, splitOptions } from './run.js';
import { checkTensor, type FloatTensor, floatTensor, type HostTensor } from './tensors.js';

/**
 * Largest value of each window, and its place in the window, which {@link maxPool2dGrad} takes
 * (formula: torch.nn.MaxPool2d).
 * @param x [N, C, H, W]
 * @returns y and indices [N, C, H', W']
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than stated; f32 where none is.
 */
export async function maxPool2d(
  x: FloatTensor,
  kernelSize: PairLike,
  options: MaxPoolOptions & OpOptions = {},
): Promise<{ y: FloatTensor; indices: HostTensor }> {
  const who = 'maxPool2d';
  const [own, common] = splitOptions(who, options, maxPoolOptionNames);
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
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than stated; f32 where none is.
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
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than stated; f32 where none is.
 */
export async function avgPool2d(
  x: FloatTensor,
  kernelSize: PairLike,
  options: AvgPoolOptions & OpOptions = {},
): Promise<FloatTensor> {
  const who = 'avgPool2d';
  const [own, common] = splitOptions(who, options, avgPoolOptionNames);
  const { attrs, ceilMode } = avgPoolAttrs(who, kernelSize, own);
  const shape = pooledShape(who, checkTensor(who, 'x', x).shape, attrs, ceilMode);
  return floatTensor('y', (await run(who, { x }, attrs, { ...common, shapes: { y: shape } })).y);
}

/**
 * Gradient of {@link avgPool2d} with respect to its input.
 * @param gy [N, C, H', W']
 * @param inputShape [N, C, H, W], the shape of the result
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than stated; f32 where none is.
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
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than stated; f32 where none is.
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
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than stated; f32 where none is.
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
