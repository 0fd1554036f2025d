/** Owns the losses as single operations on host tensors. */
import { checkInteger } from '../arguments.js';
import {
  type ClassLossOptions,
  type CrossEntropySettings,
  classLossAttrs,
  crossEntropyAttrs,
  type LossOptions,
  lossAttrs,
  type Reduction,
  type SmoothL1Options,
  smoothL1Attrs,
} from '../graph/ops/loss.js';
import type { Attrs } from '../graph/spec.js';
import type { OpName } from '../graph/table.js';
import { type OpInputs, type OpOptions, run, splitOptions } from './run.js';
import { checkTensor, type FloatTensor, floatTensor, type HostTensor } from './tensors.js';

/** A single number; with reduction `'none'` the losses themselves. */
export type LossValue<R extends Reduction> = R extends 'none' ? FloatTensor : number;

/** Options of all losses here. */
interface CommonOptions extends OpOptions {
  /** Rows that are real; the rest are padding and contribute nothing. All by default. */
  count?: number;
}

/** Options of {@link softmaxCrossEntropy}. */
export interface SoftmaxCrossEntropyOptions<R extends Reduction = Reduction>
  extends CommonOptions,
    CrossEntropySettings<R> {
  /** What each class weighs, [C]; 1 by default. */
  weight?: FloatTensor;
}

/** Options of {@link nllLoss}. */
export interface NllLossOptions<R extends Reduction = Reduction>
  extends CommonOptions,
    ClassLossOptions<R> {
  /** What each class weighs, [C]; 1 by default. */
  weight?: FloatTensor;
}

/** Options of {@link mseLoss} and {@link l1Loss}. */
export interface ElementLossOptions<R extends Reduction = Reduction>
  extends CommonOptions,
    LossOptions<R> {}

/** Options of {@link smoothL1Loss}. */
export interface SmoothL1LossOptions<R extends Reduction = Reduction>
  extends CommonOptions,
    SmoothL1Options<R> {}

/** Options of {@link binaryCrossEntropyWithLogits}. */
export interface BinaryCrossEntropyOptions<R extends Reduction = Reduction>
  extends CommonOptions,
    LossOptions<R> {
  /**
   * What the losses are multiplied by; 1 by default. Its sizes are the last ones of one example, of
   * which those at either end may be 1: [C] for [N, C], [C, 1, 1] for [N, C, H, W].
   */
  weight?: FloatTensor;
  /** What the part of the positive target is multiplied by, of such sizes; 1 by default. */
  posWeight?: FloatTensor;
}

/** Runs a loss; its second tensor has a row for each example. */
async function runLoss<R extends Reduction>(
  who: OpName,
  { count, ...tensors }: OpInputs,
  rows: string,
  attrs: Attrs,
  reduction: R | undefined,
  common: OpOptions,
): Promise<{ loss: LossValue<R>; results: Record<string, HostTensor> }> {
  const [size = 1] = checkTensor(who, rows, tensors[rows]).shape;
  const real = checkInteger(who, 'count', count ?? size, 1, size);
  const results = await run(who, { ...tensors, count: real }, attrs, common);
  const { loss } = results;
  const value = reduction === 'none' ? floatTensor('loss', loss) : Number(loss?.data[0]);
  return { loss: value as LossValue<R>, results };
}

/** What a loss over classes gives. */
export interface ClassLoss<R extends Reduction> {
  /** A single number; [N] with reduction `'none'`. */
  loss: LossValue<R>;
  /** Rows whose largest logit is the label's, or that of the largest probability. */
  correct: number;
}

/**
 * Cross entropy of each row's logits and label; how many rows' largest logit is the label's; and the
 * gradient of the loss with respect to the logits (of each row's loss with reduction `'none'`).
 * @param logits [N, C]
 * @param labels i32 [N], each from 0 to C - 1 or `ignoreIndex`; or probabilities of the classes, f32
 *   [N, C]
 * @returns loss, a single number or [N]; correct; gradLogits [N, C]
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than stated; f32 where none is.
 */
export async function softmaxCrossEntropy<R extends Reduction = 'mean'>(
  logits: FloatTensor,
  labels: HostTensor<Int32Array> | FloatTensor,
  options: SoftmaxCrossEntropyOptions<R> = {},
): Promise<ClassLoss<R> & { gradLogits: FloatTensor }> {
  const who = 'softmaxCrossEntropy';
  const names = ['reduction', 'count', 'weight', 'ignoreIndex', 'labelSmoothing'] as const;
  const [own, common] = splitOptions(who, options, names);
  const { weight, count, reduction } = own;
  const attrs = crossEntropyAttrs(who, own);
  const inputs = { logits, labels, weight, count };
  const { loss, results } = await runLoss(who, inputs, 'labels', attrs, reduction, common);
  return {
    loss,
    correct: Number(results.correct?.data[0]),
    gradLogits: floatTensor('gradLogits', results.gradLogits),
  };
}

/**
 * Negative log-likelihood of each row's log-probabilities and label; how many rows' largest is the
 * label's; and the gradient with respect to the log-probabilities.
 * @param input Log-probabilities, [N, C]
 * @param labels i32 [N], each from 0 to C - 1 or `ignoreIndex`
 * @returns loss, a single number or [N]; correct; gradInput [N, C]
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than stated; f32 where none is.
 */
export async function nllLoss<R extends Reduction = 'mean'>(
  input: FloatTensor,
  labels: HostTensor<Int32Array>,
  options: NllLossOptions<R> = {},
): Promise<ClassLoss<R> & { gradInput: FloatTensor }> {
  const who = 'nllLoss';
  const names = ['reduction', 'count', 'weight', 'ignoreIndex'] as const;
  const [own, common] = splitOptions(who, options, names);
  const { weight, count, reduction } = own;
  const attrs = classLossAttrs(who, own);
  const inputs = { input, labels, weight, count };
  const { loss, results } = await runLoss(who, inputs, 'labels', attrs, reduction, common);
  return {
    loss,
    correct: Number(results.correct?.data[0]),
    gradInput: floatTensor('gradInput', results.gradInput),
  };
}

/** What an element-wise loss gives. */
export interface ElementLoss<R extends Reduction> {
  /** A single number; of the input's shape with reduction `'none'`. */
  loss: LossValue<R>;
  /** Gradient with respect to the input, of its shape. */
  gradInput: FloatTensor;
}

/** Runs an element-wise loss. */
async function elementLoss<R extends Reduction>(
  who: OpName,
  inputs: OpInputs,
  attrs: Attrs,
  reduction: R | undefined,
  common: OpOptions,
): Promise<ElementLoss<R>> {
  const { loss, results } = await runLoss(who, inputs, 'target', attrs, reduction, common);
  return { loss, gradInput: floatTensor('gradInput', results.gradInput) };
}

/**
 * (input - target)^2 of each element, and its gradient with respect to the input.
 * @param input [N, ...]
 * @param target Of the same shape.
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError where the shapes differ, or do not have the number of values.
 * @throws DTypeError for element types other than f32.
 */
export async function mseLoss<R extends Reduction = 'mean'>(
  input: FloatTensor,
  target: FloatTensor,
  options: ElementLossOptions<R> = {},
): Promise<ElementLoss<R>> {
  const who = 'mseLoss';
  const [own, common] = splitOptions(who, options, ['reduction', 'count']);
  const inputs = { input, target, count: own.count };
  return elementLoss(who, inputs, lossAttrs(who, own), own.reduction, common);
}

/**
 * |input - target| of each element, and its gradient with respect to the input, 0 where they agree.
 * @param input [N, ...]
 * @param target Of the same shape.
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError where the shapes differ, or do not have the number of values.
 * @throws DTypeError for element types other than f32.
 */
export async function l1Loss<R extends Reduction = 'mean'>(
  input: FloatTensor,
  target: FloatTensor,
  options: ElementLossOptions<R> = {},
): Promise<ElementLoss<R>> {
  const who = 'l1Loss';
  const [own, common] = splitOptions(who, options, ['reduction', 'count']);
  const inputs = { input, target, count: own.count };
  return elementLoss(who, inputs, lossAttrs(who, own), own.reduction, common);
}

/**
 * d^2 / (2 beta) where d = |input - target| is below beta, elsewhere d - beta / 2, of each element; and
 * its gradient with respect to the input.
 * @param input [N, ...]
 * @param target Of the same shape.
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError where the shapes differ, or do not have the number of values.
 * @throws DTypeError for element types other than f32.
 */
export async function smoothL1Loss<R extends Reduction = 'mean'>(
  input: FloatTensor,
  target: FloatTensor,
  options: SmoothL1LossOptions<R> = {},
): Promise<ElementLoss<R>> {
  const who = 'smoothL1Loss';
  const [own, common] = splitOptions(who, options, ['reduction', 'count', 'beta']);
  const inputs = { input, target, count: own.count };
  return elementLoss(who, inputs, smoothL1Attrs(who, own), own.reduction, common);
}

/**
 * Binary cross entropy of sigmoid(input), element by element, and its gradient with respect to the
 * input.
 * @param input Logits, [N, ...]
 * @param target Probabilities, of the same shape.
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than f32.
 */
export async function binaryCrossEntropyWithLogits<R extends Reduction = 'mean'>(
  input: FloatTensor,
  target: FloatTensor,
  options: BinaryCrossEntropyOptions<R> = {},
): Promise<ElementLoss<R>> {
  const who = 'binaryCrossEntropyWithLogits';
  const names = ['reduction', 'count', 'weight', 'posWeight'] as const;
  const [own, common] = splitOptions(who, options, names);
  const { count, posWeight, reduction } = own;
  // Every input before one that is given must be given too.
  const weight = own.weight ?? (posWeight === undefined ? undefined : 1);
  const inputs = { input, target, count, weight, posWeight };
  return elementLoss(who, inputs, lossAttrs(who, own), reduction, common);
}
