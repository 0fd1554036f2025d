/**
 * Owns the stateless forms of the losses. Names and meanings are
 * torch.nn.functional's.
 *
 * Policy: rows past the graph's input `count`, the padding of a partial batch, take no part.
 */
import { checkOptions } from '../../arguments.js';
import {
  type ClassLossOptions,
  type CrossEntropySettings,
  classLossAttrs,
  crossEntropyAttrs,
  type LossOptions,
  lossAttrs,
  type SmoothL1Options,
  smoothL1Attrs,
} from '../../graph/ops/loss.js';
import type { Attrs } from '../../graph/spec.js';
import { first, type Tensor } from '../../graph/tensor.js';
import { asTensor } from '../../graph/trace.js';
import { type Operand, operand } from './operand.js';

export type { LossOptions, SmoothL1Options } from '../../graph/ops/loss.js';

/** Options of {@link crossEntropy}. */
export interface CrossEntropyOptions extends CrossEntropySettings {
  /** What each class weighs, [C]; 1 by default. */
  weight?: Operand;
}

/** Options of {@link nllLoss}. */
export interface NllLossOptions extends ClassLossOptions {
  /** What each class weighs, [C]; 1 by default. */
  weight?: Operand;
}

/** Options of {@link binaryCrossEntropyWithLogits}. */
export interface BinaryCrossEntropyOptions extends LossOptions {
  /**
   * What the losses are multiplied by; 1 by default. Its sizes are the last ones of one example, of
   * which those at either end may be 1: [C] for [N, C], [C, 1, 1] for [N, C, H, W].
   */
  weight?: Operand;
  /** What the part of the positive target is multiplied by, of such sizes; 1 by default. */
  posWeight?: Operand;
}

const classNames = ['weight', 'ignoreIndex', 'reduction'] as const;

function classLoss(
  op: 'softmaxCrossEntropy' | 'nllLoss',
  who: string,
  input: Tensor,
  targets: Tensor,
  attrs: Attrs,
  weight: Operand | undefined,
): Tensor {
  const { tracer } = input;
  const count = tracer.input('count', 'i32', []);
  const inputs = [input, asTensor(who, targets), count, ...operand(who, input, weight)];
  const [loss, correct] = tracer.record(op, inputs, attrs, { who });
  if (correct !== undefined && !tracer.outputs.has('correct')) {
    tracer.outputs.set('correct', correct);
  }
  return first(loss === undefined ? [] : [loss]);
}

/**
 * Cross entropy of a batch's rows: -sum over the classes of target * log(softmax(logits)), where the
 * target of a label is 1 for its class. With `weight` each class's part is multiplied by its weight,
 * and the mean over labels is divided by the sum of the labels' weights; rows of `ignoreIndex` count
 * in neither. Also makes the output `correct`, the number of rows whose largest logit is the label's
 * (of the largest target, where targets are probabilities; no ignored row is among them).
 *
 * @param logits [N, C]
 * @param targets Labels, i32 [N]; or probabilities of the classes, f32 [N, C], whose mean is over the
 *   rows.
 * @returns A single number; [N] with reduction `'none'`.
 * @throws ArgumentError for unknown options and values out of range, ShapeError for sizes that do not
 *   fit, DTypeError for targets of another type.
 */
export function crossEntropy(
  logits: Tensor,
  targets: Tensor,
  options: CrossEntropyOptions = {},
  who = 'crossEntropy',
): Tensor {
  const input = asTensor(who, logits);
  const attrs = input.tracer.check(() => {
    checkOptions(who, options, [...classNames, 'labelSmoothing']);
    return crossEntropyAttrs(who, options);
  });
  return classLoss('softmaxCrossEntropy', who, input, targets, attrs, options.weight);
}

/**
 * Negative log-likelihood: minus the label's log-probability, times the label's weight. Mean, weights,
 * ignored rows and the output `correct` as for {@link crossEntropy}.
 *
 * @param input Log-probabilities, [N, C].
 * @param labels i32 [N]
 * @returns A single number; [N] with reduction `'none'`.
 * @throws ArgumentError for unknown options and values out of range, ShapeError for sizes that do not
 *   fit, DTypeError for labels of another type.
 */
export function nllLoss(
  input: Tensor,
  labels: Tensor,
  options: NllLossOptions = {},
  who = 'nllLoss',
): Tensor {
  const logs = asTensor(who, input);
  const attrs = logs.tracer.check(() => {
    checkOptions(who, options, classNames);
    return classLossAttrs(who, options);
  });
  return classLoss('nllLoss', who, logs, labels, attrs, options.weight);
}

type ElementLoss = 'mseLoss' | 'l1Loss' | 'smoothL1Loss' | 'binaryCrossEntropyWithLogits';

function elementLoss(
  op: ElementLoss,
  who: string,
  [input, target, ...weights]: readonly [Tensor, Tensor, ...Tensor[]],
  attrs: Attrs,
): Tensor {
  const { tracer } = input;
  const count = tracer.input('count', 'i32', []);
  return first(
    tracer.record(op, [input, asTensor(who, target), count, ...weights], attrs, { who }),
  );
}

/**
 * (input - target)^2 of each element, averaged over the elements of the real rows, or summed.
 *
 * @param input [N, ...]
 * @param target f32, of the same shape. It has a gradient too.
 * @returns A single number; of the input's shape with reduction `'none'`.
 * @throws ArgumentError for unknown options, ShapeError where the shapes differ, DTypeError for a
 *   target of another type.
 */
export function mseLoss(
  input: Tensor,
  target: Tensor,
  options: LossOptions = {},
  who = 'mseLoss',
): Tensor {
  const x = asTensor(who, input);
  const attrs = x.tracer.check(() => lossAttrs(who, checkOptions(who, options, ['reduction'])));
  return elementLoss('mseLoss', who, [x, target], attrs);
}

/**
 * |input - target| of each element, averaged over the elements of the real rows, or summed.
 *
 * @param input [N, ...]
 * @param target f32, of the same shape. It has a gradient too.
 * @returns A single number; of the input's shape with reduction `'none'`.
 * @throws ArgumentError for unknown options, ShapeError where the shapes differ, DTypeError for a
 *   target of another type.
 */
export function l1Loss(
  input: Tensor,
  target: Tensor,
  options: LossOptions = {},
  who = 'l1Loss',
): Tensor {
  const x = asTensor(who, input);
  const attrs = x.tracer.check(() => lossAttrs(who, checkOptions(who, options, ['reduction'])));
  return elementLoss('l1Loss', who, [x, target], attrs);
}

/**
 * d^2 / (2 beta) where d = |input - target| is below beta, elsewhere d - beta / 2; averaged over the
 * elements of the real rows, or summed.
 *
 * @param input [N, ...]
 * @param target f32, of the same shape. It has a gradient too.
 * @returns A single number; of the input's shape with reduction `'none'`.
 * @throws ArgumentError for unknown options and a beta below 0, ShapeError where the shapes differ,
 *   DTypeError for a target of another type.
 */
export function smoothL1Loss(
  input: Tensor,
  target: Tensor,
  options: SmoothL1Options = {},
  who = 'smoothL1Loss',
): Tensor {
  const x = asTensor(who, input);
  const attrs = x.tracer.check(() =>
    smoothL1Attrs(who, checkOptions(who, options, ['reduction', 'beta'])),
  );
  return elementLoss('smoothL1Loss', who, [x, target], attrs);
}

/**
 * Binary cross entropy of sigmoid(input):
 * -weight * (posWeight * target * log(sigmoid(input)) + (1 - target) * log(1 - sigmoid(input))) of each
 * element, averaged over the elements of the real rows, or summed.
 *
 * @param input Logits, [N, ...].
 * @param target Probabilities, f32, of the same shape.
 * @returns A single number; of the input's shape with reduction `'none'`.
 * @throws ArgumentError for unknown options, ShapeError for sizes that do not fit, DTypeError for a
 *   target of another type.
 */
export function binaryCrossEntropyWithLogits(
  input: Tensor,
  target: Tensor,
  options: BinaryCrossEntropyOptions = {},
  who = 'binaryCrossEntropyWithLogits',
): Tensor {
  const x = asTensor(who, input);
  const { tracer } = x;
  const attrs = tracer.check(() =>
    lossAttrs(who, checkOptions(who, options, ['weight', 'posWeight', 'reduction'])),
  );
  const { weight, posWeight } = options;
  // Every input before one that is given must be given too.
  const weights =
    weight === undefined && posWeight !== undefined
      ? tracer.record('fill', [], { value: 1 }, { shapes: [[1]] })
      : operand(who, x, weight);
  weights.push(...operand(who, x, posWeight));
  return elementLoss('binaryCrossEntropyWithLogits', who, [x, target, ...weights], attrs);
}
