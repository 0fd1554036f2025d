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
import { at, formatShape, type Shape } from '../../graph/shapes.js';
import { first, type Tensor } from '../../graph/tensor.js';
import { asTensor } from '../../graph/trace.js';
import { activationFunctions } from './activation.js';
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

/** (x - mean) / sqrt(variance + eps), mean and variance (by n) being those over the axes `dim`. */
function standardised(x: Tensor, dim: readonly number[], eps: number): Tensor {
  const centred = x.sub(x.mean(dim, true));
  const variance = centred.mul(centred).mean(dim, true);
  return centred.mul(activationFunctions.rsqrt(variance.add(eps)));
}

/** A weight or a bias of the shape `wanted`, seen as `shape`, which repeats along other axes. */
function scaleOf(
  who: string,
  x: Tensor,
  name: string,
  value: Operand | undefined,
  wanted: Shape,
  shape: Shape,
): Tensor | undefined {
  const [tensor] = operand(who, x, value);
  if (tensor === undefined) return undefined;
  x.tracer.check(() => checkSameShape(who, name, tensor.shape, wanted));
  return tensor.reshape(shape);
}

function affine(y: Tensor, weight: Tensor | undefined, bias: Tensor | undefined): Tensor {
  const scaled = weight === undefined ? y : y.mul(weight);
  return bias === undefined ? scaled : scaled.add(bias);
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
  const [rows, channels] = [at(shape, 0), at(shape, 1)];
  const y = standardised(input.reshape(rows, groups, -1), [2], eps).reshape(shape);
  const repeated = [channels, ...shape.slice(2).map(() => 1)];
  const scale = (name: string, value: Operand | undefined) =>
    scaleOf(who, input, name, value, [channels], repeated);
  return affine(y, scale('weight', weight), scale('bias', bias));
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
  const y = standardised(
    input,
    over.map((_, index) => index - over.length),
    eps,
  );
  const scale = (name: string, value: Operand | undefined) =>
    scaleOf(who, input, name, value, over, over);
  return affine(y, scale('weight', weight), scale('bias', bias));
}
