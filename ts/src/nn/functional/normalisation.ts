/** Owns the stateless forms of normalisation. */
import { checkInteger } from '../../arguments.js';
import { ShapeError } from '../../errors.js';
import { checkSameShape } from '../../graph/operation.js';
import {
  checkNormalizedShape,
  type LocalResponseNormOptions,
  localResponseNormAttrs,
  type NormOptions,
  normEps,
} from '../../graph/ops/normalisation.js';
import { at, elementCount, formatShape, type Shape } from '../../graph/shapes.js';
import { first, type Tensor } from '../../graph/tensor.js';
import { asTensor } from '../../graph/trace.js';
import { type Operand, operand } from './operand.js';

export type { LocalResponseNormOptions, NormOptions } from '../../graph/ops/normalisation.js';

/**
 * x / (k + alpha m)^beta, m being the mean of x^2 over `size` channels around each element's own:
 * size / 2 (rounded down) before it, the rest behind it, zeros where there are no channels.
 * @param x [N, C, ...] of at least 3 axes
 * @param size Channels of a mean, from 1 to 2^20.
 * @returns A tensor of the shape of x.
 * @throws ArgumentError for unknown options and values out of range, ShapeError for fewer than 3 axes.
 */
export function localResponseNorm(
  x: Tensor,
  size: number,
  options: LocalResponseNormOptions = {},
  who = 'localResponseNorm',
): Tensor {
  const input = asTensor(who, x);
  const attrs = input.tracer.check(() => localResponseNormAttrs(who, size, options));
  return first(input.tracer.record('localResponseNorm', [input], attrs, { who }));
}

/** Weight and bias, and of what shape each must be. */
interface Affine {
  readonly weight: Operand | undefined;
  readonly bias: Operand | undefined;
  readonly shape: Shape;
}

/** Records the operation on x seen as `view`, whose second axis has `affine`'s elements. */
function normalised(
  who: string,
  x: Tensor,
  view: Shape,
  attrs: { groups: number; eps: number },
  affine: Affine,
): Tensor {
  const { tracer, shape } = x;
  const channels = at(view, 1);
  const scale = (name: string, value: Operand | undefined) => {
    const [tensor] = operand(who, x, value);
    if (tensor === undefined) return undefined;
    tracer.check(() => checkSameShape(who, name, tensor.shape, affine.shape));
    return tensor.reshape(channels);
  };
  const [weight, bias] = [scale('weight', affine.weight), scale('bias', affine.bias)];
  const inputs = [x.reshape(view)];
  if (weight !== undefined) inputs.push(weight);
  else if (bias !== undefined) inputs.push(ones(x, channels));
  if (bias !== undefined) inputs.push(bias);
  return first(tracer.record('groupNorm', inputs, attrs, { who })).reshape(shape);
}

/** The weight of a bias that comes without one. */
function ones({ tracer }: Tensor, count: number): Tensor {
  return first(tracer.record('fill', [], { value: 1 }, { shapes: [[count]] }));
}

/**
 * (x - mean) / sqrt(variance + eps) weight + bias, mean and variance (divided by their number of
 * elements) being those of each of `numGroups` groups of neighbouring channels in each row of the
 * batch, over all axes but the first.
 * @param x [N, C, ...]
 * @param numGroups Number of groups; it divides C.
 * @param weight [C]; none for 1
 * @param bias [C]; none for 0
 * @returns A tensor of the shape of x.
 * @throws ArgumentError for unknown options and values out of range, ShapeError for sizes that do not
 *   fit.
 */
export function groupNorm(
  x: Tensor,
  numGroups: number,
  weight?: Operand,
  bias?: Operand,
  options: NormOptions = {},
  who = 'groupNorm',
): Tensor {
  const input = asTensor(who, x);
  const { tracer, shape } = input;
  const [groups, eps] = tracer.check(() => {
    if (shape.length < 2) {
      throw new ShapeError(`${who} expects input of shape [N, C, ...], got ${formatShape(shape)}`);
    }
    const count = checkInteger(who, 'numGroups', numGroups, 1);
    if (at(shape, 1) % count !== 0) {
      throw new ShapeError(
        `${who} expects a number of channels that numGroups, ${count}, divides, ` +
          `got ${at(shape, 1)} from input ${formatShape(shape)}`,
      );
    }
    return [count, normEps(who, options)];
  });
  const [rows, channels, ...axes] = shape as [number, number, ...number[]];
  const isKept = shape.length === 2 || shape.length === 4;
  const view = isKept ? shape : [rows, channels, elementCount(axes), 1];
  return normalised(who, input, view, { groups, eps }, { weight, bias, shape: [channels] });
}

/**
 * (x - mean) / sqrt(variance + eps) weight + bias, mean and variance (divided by their number of
 * elements) being those over the last axes, whose sizes are `normalizedShape`.
 * @param x [..., ...normalizedShape]
 * @param normalizedShape Size of the last axis, or sizes of the last axes.
 * @param weight of the shape normalizedShape; none for 1
 * @param bias of the shape normalizedShape; none for 0
 * @returns A tensor of the shape of x.
 * @throws ArgumentError for unknown options and values out of range, ShapeError for sizes that do not
 *   fit.
 */
export function layerNorm(
  x: Tensor,
  normalizedShape: number | Shape,
  weight?: Operand,
  bias?: Operand,
  options: NormOptions = {},
  who = 'layerNorm',
): Tensor {
  const input = asTensor(who, x);
  const { shape } = input;
  const [over, eps] = input.tracer.check(() => {
    const sizes = checkNormalizedShape(who, normalizedShape);
    if (formatShape(shape.slice(-sizes.length)) !== formatShape(sizes)) {
      throw new ShapeError(
        `${who} expects input whose last axes are ${formatShape(sizes)}, got ${formatShape(shape)}`,
      );
    }
    return [sizes, normEps(who, options)];
  });
  if (over.length === shape.length) input.tracer.mixRows([input]);
  const size = elementCount(over);
  const view = [elementCount(shape) / size, size];
  return normalised(who, input, view, { groups: 1, eps }, { weight, bias, shape: over });
}
