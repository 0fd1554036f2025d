/** Owns convolution as single operations on host tensors. */
import { type ConvOptions, convAttrs, convOptionNames } from '../graph/ops/convolution.js';
import { at, checkRank, checkShape, type Shape } from '../graph/shapes.js';
import { type OpOptions, run, splitOptions } from './run.js';
import {
  checkTensor,
  type FloatTensor,
  floatTensor,
  type WeightGradOptions,
  type WeightGrads,
  weightGrads,
} from './tensors.js';

function convolution(who: string, weight: Shape, options: ConvOptions & OpOptions) {
  checkRank(who, 'weight', weight, ['K', 'C/groups', 'kh', 'kw']);
  const [own, common] = splitOptions(who, options, convOptionNames);
  return { attrs: convAttrs(who, own, [at(weight, 2), at(weight, 3)]), common };
}

/**
 * 2-D convolution (formula: torch.nn.Conv2d).
 * @param x [N, C, H, W]
 * @param w [K, C/groups, kh, kw]
 * @param b [K]
 * @returns [N, K, H', W'] with H' = floor((H + 2 padding - dilation (kh - 1) - 1) / stride) + 1
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than stated; f32 where none is.
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
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than stated; f32 where none is.
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
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than stated; f32 where none is.
 */
export async function conv2dWeightGrad<Bias extends boolean = true>(
  x: FloatTensor,
  gy: FloatTensor,
  weightShape: Shape,
  options: ConvOptions & OpOptions & WeightGradOptions<Bias> = {},
): Promise<WeightGrads<Bias>> {
  const who = 'conv2dWeightGrad';
  const shape = checkShape(who, 'weightShape', weightShape);
  const [{ bias, ...window }, common] = splitOptions(who, options, [...convOptionNames, 'bias']);
  const { attrs } = convolution(who, shape, window);
  const settings = { ...common, shapes: { gw: shape } };
  return weightGrads(who, bias, (outputs) => run(who, { x, gy }, attrs, { ...settings, outputs }));
}
