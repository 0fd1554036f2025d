/**
 * Owns the stateless forms of the layers: functions from symbolic tensors to symbolic tensors, for
 * use in a module's `forward`. Names and meanings are torch.nn.functional's.
 */

import { checkNumber, checkOptions, type PairLike, show } from '../arguments.js';
import { ArgumentError, ShapeError } from '../errors.js';
import { type ConvOptions, convAttrs } from '../graph/ops/convolution.js';
import { lossAttrs } from '../graph/ops/loss.js';
import {
  type AvgPoolOptions,
  adaptiveShape,
  avgPoolAttrs,
  type MaxPoolOptions,
  maxPoolAttrs,
  pooledShape,
} from '../graph/ops/pooling.js';
import { at, checkRank, formatShape } from '../graph/shapes.js';
import { first, type Tensor } from '../graph/tensor.js';
import { asTensor } from '../graph/trace.js';
import { Buffer } from './buffer.js';
import { Parameter } from './parameter.js';

export type { ConvOptions } from '../graph/ops/convolution.js';
export type { AvgPoolOptions, MaxPoolOptions } from '../graph/ops/pooling.js';

/** A tensor, or a parameter or buffer of a registered module. */
export type Operand = Tensor | Parameter | Buffer;

function operand(who: string, x: Tensor, value: Operand | undefined): Tensor[] {
  if (value === undefined) return [];
  if (value instanceof Parameter) return [x.tracer.parameter(value)];
  if (value instanceof Buffer) return [x.tracer.buffer(value)];
  return [asTensor(who, value)];
}

/**
 * 2-D convolution.
 * @param x [N, C, H, W]
 * @param weight [K, C / groups, kh, kw]
 * @param bias [K]
 * @returns [N, K, H', W'] with H' = floor((H + 2 padding - dilation (kh - 1) - 1) / stride) + 1
 * @throws ArgumentError for unknown options and values out of range, ShapeError for sizes that do not
 *   fit.
 */
export function conv2d(
  x: Tensor,
  weight: Operand,
  bias?: Operand,
  options: ConvOptions = {},
  who = 'conv2d',
): Tensor {
  const input = asTensor(who, x);
  const [w] = operand(who, input, weight);
  if (w === undefined) throw new ArgumentError(`${who} expects a weight, got undefined`);
  const { tracer } = input;
  const attrs = tracer.check(() => {
    checkRank(who, 'weight', w.shape, ['K', 'C/groups', 'kh', 'kw']);
    return convAttrs(who, options, [at(w.shape, 2), at(w.shape, 3)]);
  });
  return first(tracer.record('conv2d', [input, w, ...operand(who, input, bias)], attrs, { who }));
}

/**
 * y = x weight' + bias over the last axis.
 * @param x [N, in], or [..., in]
 * @param weight [out, in]
 * @param bias [out]
 * @returns [N, out], or [..., out]
 * @throws ArgumentError for what is no tensor, ShapeError for sizes that do not fit.
 */
export function linear(x: Tensor, weight: Operand, bias?: Operand, who = 'linear'): Tensor {
  const input = asTensor(who, x);
  const [w] = operand(who, input, weight);
  if (w === undefined) throw new ArgumentError(`${who} expects a weight, got undefined`);
  const { tracer } = input;
  const features = tracer.check(() => {
    checkRank(who, 'weight', w.shape, ['out', 'in']);
    const wanted = at(w.shape, 1);
    const got = input.shape.at(-1);
    if (input.ndim > 2 && got !== wanted) {
      throw new ShapeError(
        `${who} expects ${wanted} features, got ${got} from input ${formatShape(input.shape)}; ` +
          'flatten(1) joins all axes but the batch',
      );
    }
    return wanted;
  });
  const rows = input.ndim > 2 ? input.reshape(-1, features) : input;
  const output = first(
    tracer.record('linear', [rows, w, ...operand(who, input, bias)], {}, { who }),
  );
  if (input.ndim <= 2) return output;
  return output.reshape(...input.shape.slice(0, -1), at(output.shape, 1));
}

/**
 * max(x, 0), element by element.
 * @throws ArgumentError for what is no tensor.
 */
export function relu(x: Tensor): Tensor {
  return asTensor('relu', x).relu();
}

/**
 * 1 / (1 + exp(-x)), element by element.
 * @throws ArgumentError for what is no tensor.
 */
export function sigmoid(x: Tensor): Tensor {
  return asTensor('sigmoid', x).sigmoid();
}

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

/** Size for both axes, or [height, width]; null keeps the input's. */
export type AdaptiveSize = number | null | readonly [number | null, number | null];

/**
 * Sets elements to zero with probability p and scales the others by 1 / (1 - p); the tensor itself
 * where `training` is false. Each call in a network has masks of its own, a function of
 * (seed, step, call, element).
 * @param p From 0 to 1; 0.5 by default.
 * @throws ArgumentError for a p out of its range and for what is no tensor.
 */
export function dropout(x: Tensor, p = 0.5, training = true): Tensor {
  const input = asTensor('dropout', x);
  const { tracer } = input;
  tracer.check(() => checkNumber('dropout', 'p', p, { min: 0, max: 1 }));
  const stream = tracer.dropoutStream();
  if (!training || p === 0) return input;
  const step = tracer.input('step', 'i32', []);
  return first(tracer.record('dropout', [input, step], { p, ...stream }, { who: 'Dropout' }));
}

/**
 * exp(x) / sum(exp(x)) of each row. It has no gradient: the loss takes logits.
 * @param x [N, C]
 * @returns [N, C]
 * @throws ArgumentError for what is no tensor, ShapeError for an input of another rank.
 */
export function softmax(x: Tensor): Tensor {
  const input = asTensor('softmax', x);
  return first(input.tracer.record('softmax', [input]));
}

/** Options of {@link crossEntropy}. */
export interface CrossEntropyOptions {
  /**
   * Whether the rows' losses are averaged (over the real rows of a padded batch) or summed; 'mean' by
   * default.
   */
  reduction?: 'mean' | 'sum';
}

/**
 * -log(softmax(logits)[label]) over the rows of a batch. Also makes the output `correct`, the number
 * of rows whose largest logit is the label's.
 *
 * @param logits [N, C]
 * @param labels i32 [N]
 * @returns A single number.
 * @throws ArgumentError for an unknown reduction, ShapeError for sizes that do not fit, DTypeError for
 *   labels of another type.
 */
export function crossEntropy(
  logits: Tensor,
  labels: Tensor,
  options: CrossEntropyOptions = {},
  who = 'crossEntropy',
): Tensor {
  const input = asTensor(who, logits);
  const { tracer } = input;
  const attrs = tracer.check(() => {
    checkOptions(who, options, ['reduction']);
    return lossAttrs(who, options.reduction);
  });
  const count = tracer.input('count', 'i32', []);
  const inputs = [input, asTensor(who, labels), count];
  const [loss, correct] = tracer.record('softmaxCrossEntropy', inputs, attrs, { who });
  if (loss === undefined || correct === undefined) {
    throw new ArgumentError(`${who} got no loss from ${show(inputs)}`);
  }
  if (!tracer.outputs.has('correct')) tracer.outputs.set('correct', correct);
  return loss;
}

/**
 * Joins the axes `startDim` (0 by default) to `endDim` (the last by default) into one; negative axes
 * count from the end.
 * @throws ArgumentError for what is no tensor, ShapeError for axes that the tensor does not have.
 */
export function flatten(x: Tensor, startDim = 0, endDim = -1): Tensor {
  return asTensor('flatten', x).flatten(startDim, endDim);
}
