/** Owns resampling as single operations on host tensors. */
import {
  type InterpolateOptions,
  interpolatedShape,
  interpolateOptionNames,
  interpolateSettings,
} from '../graph/ops/resampling.js';
import { checkShape, type Shape } from '../graph/shapes.js';
import { type OpOptions, run, splitOptions } from './run.js';
import { checkTensor, type FloatTensor, floatTensor } from './tensors.js';

/**
 * Images of another size (formula: torch.nn.functional.interpolate).
 * @param x [N, C, H, W]
 * @returns [N, C, H', W'], of `size`, or of floor(H scaleFactor) and floor(W scaleFactor)
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for an input of another rank, a scale that leaves no pixel, or not the number of
 *   values.
 * @throws DTypeError for element types other than f32.
 */
export async function interpolate(
  x: FloatTensor,
  options: InterpolateOptions & OpOptions = {},
): Promise<FloatTensor> {
  const who = 'interpolate';
  const [own, common] = splitOptions(who, options, interpolateOptionNames);
  const settings = interpolateSettings(who, own);
  const shape = interpolatedShape(who, checkTensor(who, 'x', x).shape, settings);
  const given = { ...common, shapes: { y: shape } };
  return floatTensor('y', (await run(who, { x }, settings.attrs, given)).y);
}

/**
 * Gradient of {@link interpolate} with respect to its input.
 * @param gy [N, C, H', W']
 * @param inputShape [N, C, H, W], the shape of the result
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than f32.
 */
export async function interpolateGrad(
  gy: FloatTensor,
  inputShape: Shape,
  options: InterpolateOptions & OpOptions = {},
): Promise<FloatTensor> {
  const who = 'interpolateGrad';
  const [own, common] = splitOptions(who, options, interpolateOptionNames);
  const { attrs } = interpolateSettings(who, own);
  const given = { ...common, shapes: { gx: checkShape(who, 'inputShape', inputShape) } };
  return floatTensor('gx', (await run(who, { gy }, attrs, given)).gx);
}
