/**
 * Owns the losses: options with their defaults and checks, shapes, gradient rules. Formulas:
 * torch.nn.functional's.
 *
 * Policy: a loss's node gives the gradient with respect to its input beside the loss, for a gradient
 * of the loss that is 1; where another comes, it is multiplied by that.
 */
import { checkInteger, checkNumber, checkOneOf } from '../../arguments.js';
import { ArgumentError, ShapeError } from '../../errors.js';
import {
  checkSameShape,
  emitOne,
  f32,
  type GradientContext,
  i32,
  inputShape,
  inputType,
  numberAttr,
  type Operation,
  optionalF32,
  type ShapeContext,
  type Slot,
  type TensorType,
} from '../operation.js';
import { at, checkRank, formatShape, type Shape, sameShape } from '../shapes.js';
import type { Attrs } from '../spec.js';

/** What becomes of the examples' losses; natively known by its place here. */
export const reductions = ['mean', 'sum', 'none'] as const;

/** What becomes of the examples' losses. */
export type Reduction = (typeof reductions)[number];

/** Checks a reduction; 'mean' by default. */
export function checkReduction(who: string, reduction: unknown): Reduction {
  return checkOneOf(who, 'reduction', reduction ?? 'mean', reductions);
}

/** Options of every loss. */
export interface LossOptions<R extends Reduction = Reduction> {
  /**
   * Whether the losses are averaged (over the real rows of a padded batch), summed, or each given;
   * `'mean'` by default.
   */
  reduction?: R;
}

/** Options of a loss over classes, but for the classes' weights. */
export interface ClassLossOptions<R extends Reduction = Reduction> extends LossOptions<R> {
  /** Rows of this label take no part in the loss; -100 by default. It may be a class. */
  ignoreIndex?: number;
}

/** Options of a cross entropy, but for the classes' weights. */
export interface CrossEntropySettings<R extends Reduction = Reduction> extends ClassLossOptions<R> {
  /** Part of each target that is spread over all classes alike, from 0 to 1; 0 by default. */
  labelSmoothing?: number;
}

/** Options of a smooth L1 loss. */
export interface SmoothL1Options<R extends Reduction = Reduction> extends LossOptions<R> {
  /** Differences below it count by their square, 0 or above; 1 by default. */
  beta?: number;
}

/** Attributes of a loss that has no options but its reduction. */
export function lossAttrs(who: string, { reduction }: LossOptions): Attrs {
  return { reduction: reductions.indexOf(checkReduction(who, reduction)) };
}

/** Attributes of a loss over classes. */
export function classLossAttrs(who: string, options: ClassLossOptions): Attrs {
  const { ignoreIndex = -100 } = options;
  checkInteger(who, 'ignoreIndex', ignoreIndex, -(2 ** 31), 2 ** 31 - 1);
  return { ...lossAttrs(who, options), ignoreIndex };
}

/** Attributes of a cross entropy. */
export function crossEntropyAttrs(who: string, options: CrossEntropySettings): Attrs {
  const { labelSmoothing = 0 } = options;
  checkNumber(who, 'labelSmoothing', labelSmoothing, { min: 0, max: 1 });
  return { ...classLossAttrs(who, options), labelSmoothing };
}

/** Attributes of a smooth L1 loss. */
export function smoothL1Attrs(who: string, options: SmoothL1Options): Attrs {
  const { beta = 1 } = options;
  checkNumber(who, 'beta', beta, { min: 0, max: 2 ** 127 });
  return { ...lossAttrs(who, options), beta };
}

/** Type of the loss: a number, or one for each example where they are not put together. */
function lossType(c: ShapeContext, each: Shape): TensorType {
  const reduction = numberAttr(c.attrs, 'reduction');
  if (reductions[reduction] === undefined) {
    throw new ArgumentError(`${c.who} expects reduction to be 0, 1 or 2, got ${reduction}`);
  }
  return { dtype: 'f32', shape: reductions[reduction] === 'none' ? each : [] };
}

/** The gradient that the node gives, times that of its loss, which is [] or has its first sizes. */
function scaled(c: GradientContext, gradient: number): number {
  const gy = c.gradOf(0);
  if (gy === undefined || gy === 'one') return gradient;
  const shape = c.shapeOf(gradient);
  const own = c.shapeOf(gy);
  const factor = shape.map((_, axis) => own[axis] ?? 1);
  const by = sameShape(own, factor) ? gy : emitOne(c, 'reshape', [gy], {}, factor);
  return emitOne(c, 'mul', [gradient, by], {}, shape);
}

/** Gives the gradient with respect to the input, which is the node's last output. */
function giveInputGradient(c: GradientContext): void {
  const gradient = c.outputs.at(-1);
  if (c.gradOf(0) === undefined || gradient === undefined || !c.wants(0)) return;
  c.give(0, scaled(c, gradient));
}

/** @throws ArgumentError where a gradient is wanted that no kernel computes. */
function refuseOthers(c: GradientContext, who: string, names: readonly string[]): void {
  if (c.gradOf(0) === undefined) return;
  for (const [index, name] of names.entries()) {
    if (name !== '' && index < c.inputs.length && c.wants(index)) {
      throw new ArgumentError(
        `${who} has no gradient with respect to ${name}, so no parameter before it can be trained`,
      );
    }
  }
}

function checkWeight(c: ShapeContext, classes: number): void {
  const [weight] = c.inputs.slice(3);
  if (weight !== undefined) checkSameShape(c.who, 'weight', weight.shape, [classes]);
}

function classLoss(
  name: string,
  input: string,
  targets: Slot,
  gradient: string,
  attrs: Operation['attrs'],
): Operation {
  return {
    inputs: [f32(input), targets, i32('count'), optionalF32('weight')],
    outputs: [f32('loss'), { name: 'correct', dtypes: ['i32'] }, optionalF32(gradient)],
    attrs: { reduction: 'integer', ignoreIndex: 'integer', ...attrs },
    infer: (c) => {
      const logits = inputShape(c, 0);
      checkRank(c.who, input, logits, ['N', 'C']);
      const { dtype, shape } = inputType(c, 1);
      const rows = [at(logits, 0)];
      checkSameShape(c.who, 'labels', shape, dtype === 'f32' ? logits : rows);
      checkSameShape(c.who, 'count', inputShape(c, 2), []);
      checkWeight(c, at(logits, 1));
      return [lossType(c, rows), { dtype: 'i32', shape: [] }, { dtype: 'f32', shape: logits }];
    },
    gradient: (c) => {
      refuseOthers(c, name, ['', 'its targets', '', 'weight']);
      giveInputGradient(c);
    },
  };
}

/**
 * Whether weights of this shape repeat over the examples of x [N, ...]: their axes are its last ones,
 * from behind the batch; axes of one element at their beginning and their end stand for all.
 */
function repeatsOver(weight: Shape, x: Shape): boolean {
  if (weight.length >= x.length) return false;
  const own = x.slice(x.length - weight.length);
  const wide = [...weight.keys()].filter((axis) => weight[axis] !== 1);
  const [begin = 0, end = -1] = [wide[0], wide.at(-1)];
  return weight.every((size, axis) => axis < begin || axis > end || size === own[axis]);
}

/** @param swaps Whether input and target count alike, but for the gradient's sign. */
function elementLoss(
  name: string,
  attrs: Operation['attrs'],
  swaps: boolean,
  weights: readonly string[] = [],
): Operation {
  return {
    inputs: [f32('input'), f32('target'), i32('count'), ...weights.map(optionalF32)],
    outputs: [f32('loss'), optionalF32('gradInput')],
    attrs: { reduction: 'integer', ...attrs },
    infer: (c) => {
      const shape = inputShape(c, 0);
      if (shape.length === 0)
        throw new ShapeError(`${c.who} expects input of shape [N, ...], got []`);
      checkSameShape(c.who, 'target', inputShape(c, 1), shape);
      checkSameShape(c.who, 'count', inputShape(c, 2), []);
      for (const [index, weight] of c.inputs.slice(3).entries()) {
        if (repeatsOver(weight.shape, shape)) continue;
        throw new ShapeError(
          `${c.who} expects ${weights[index]} of the last sizes of one example, of which those at ` +
            `either end may be 1, got ${formatShape(weight.shape)} for input ${formatShape(shape)}`,
        );
      }
      return [lossType(c, shape), { dtype: 'f32', shape }];
    },
    gradient: (c) => {
      refuseOthers(c, name, ['', swaps ? '' : 'target', '', ...weights]);
      giveInputGradient(c);
      if (!swaps || c.gradOf(0) === undefined || !c.wants(1)) return;
      const [input = -1, target = -1, count = -1] = c.inputs;
      const shapes = c.outputs.map((id) => c.shapeOf(id));
      const swapped = c.emit(name, [target, input, count], c.attrs, shapes).at(-1);
      if (swapped !== undefined) c.give(1, scaled(c, swapped));
    },
  };
}

export const lossOps = {
  softmaxCrossEntropy: classLoss(
    'softmaxCrossEntropy',
    'logits',
    { name: 'labels', dtypes: ['i32', 'f32'] },
    'gradLogits',
    { labelSmoothing: 'number' },
  ),
  nllLoss: classLoss('nllLoss', 'input', i32('labels'), 'gradInput', {}),
  mseLoss: elementLoss('mseLoss', {}, true),
  l1Loss: elementLoss('l1Loss', {}, true),
  smoothL1Loss: elementLoss('smoothL1Loss', { beta: 'number' }, true),
  binaryCrossEntropyWithLogits: elementLoss('binaryCrossEntropyWithLogits', {}, false, [
    'weight',
    'posWeight',
  ]),
} satisfies Record<string, Operation>;
