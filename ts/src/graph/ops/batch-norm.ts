/**
 * Owns batch normalisation: options, shapes, gradient rules. Formula: torch.nn.BatchNorm2d.
 *
 * `batchNorm` takes the statistics of the batch, of which the first `count` rows are real: the others
 * enter no sum, and y is zero there. `batchNormUpdate` moves the running statistics towards them.
 * `batchNormInference` takes statistics that it is given.
 */
import { checkNumber } from '../../arguments.js';
import { ArgumentError, ShapeError } from '../../errors.js';
import {
  booleanAttr,
  checkSameShape,
  f32,
  type GradientContext,
  gradientValue,
  i32,
  inputShape,
  numberAttr,
  type Operation,
  optionalF32,
  type ShapeContext,
  type TensorType,
} from '../operation.js';
import { at, checkRank, formatShape, type Shape } from '../shapes.js';

/** @throws {ArgumentError} A value is out of range. */
export function checkBatchNormNumbers(who: string, eps: unknown, momentum: unknown): void {
  checkNumber(who, 'eps', eps, { min: 0 });
  if (momentum !== null) checkNumber(who, 'momentum', momentum, { min: 0, max: 1 });
}

const imageAxes = ['N', 'C', 'H', 'W'];
const attrs = { eps: 'number' } as const;
const weightAndBias = [optionalF32('w'), optionalF32('b')];
const gradientOutputs = [f32('gx'), optionalF32('gw'), optionalF32('gb')];

function imageShape(c: ShapeContext, index: number): Shape {
  const x = inputShape(c, index);
  checkRank(c.who, 'input', x, imageAxes);
  if (numberAttr(c.attrs, 'eps') < 0) throw new ArgumentError(`${c.who} expects eps of at least 0`);
  return x;
}

/** Checks that the inputs from `first` on are of one number for each channel. */
function checkChannels(c: ShapeContext, x: Shape, first: number, names: readonly string[]): void {
  for (const [index, name] of names.entries()) {
    const shape = c.inputs[first + index]?.shape;
    if (shape === undefined) return;
    if (shape.length === 1 && at(shape, 0) === at(x, 1)) continue;
    throw new ShapeError(
      `${c.who} expects ${name} to have one number for each of the ${at(x, 1)} channels ` +
        `of ${formatShape(x)}, got ${formatShape(shape)}`,
    );
  }
}

/** Statistics of a single value tell nothing: its channel would be zero whatever the input. */
function checkSeveralValues(c: ShapeContext, x: Shape): void {
  if (at(x, 0) * at(x, 2) * at(x, 3) > 1) return;
  throw new ShapeError(
    `${c.who} expects more than 1 value of each channel in training, got input ${formatShape(x)}`,
  );
}

function gradientTypes(c: ShapeContext, others: readonly string[]): TensorType[] {
  const x = imageShape(c, 1);
  checkSameShape(c.who, 'gy', inputShape(c, 0), x);
  checkChannels(c, x, 2, ['mean', 'var']);
  checkChannels(c, x, 2 + others.length, ['weight']);
  const channels: TensorType = { dtype: 'f32', shape: [at(x, 1)] };
  return [{ dtype: 'f32', shape: x }, channels, channels];
}

/**
 * The gradients with respect to x and, where they are wanted, to weight and bias.
 *
 * @param statistics What the gradient reads beside gy, x and the weight.
 * @param weight Index of the weight among the inputs, the bias being behind it.
 */
function giveGradients(
  c: GradientContext,
  op: string,
  statistics: readonly (number | undefined)[],
  weight: number,
): void {
  const gy = gradientValue(c, 0);
  const [x] = c.inputs;
  if (gy === undefined || x === undefined) return;
  const read = [gy, x, ...statistics].filter((id) => id !== undefined);
  const w = c.inputs[weight];
  const b = c.inputs[weight + 1];
  if (w !== undefined) read.push(w);
  const isWanted = (w !== undefined && c.wants(weight)) || (b !== undefined && c.wants(weight + 1));
  const shape = c.shapeOf(x);
  const channels = [at(shape, 1)];
  const made = c.emit(op, read, c.attrs, isWanted ? [shape, channels, channels] : [shape]);
  const [gx, gw, gb] = made;
  if (gx !== undefined && c.wants(0)) c.give(0, gx);
  if (gw !== undefined && w !== undefined && c.wants(weight)) c.give(weight, gw);
  if (gb !== undefined && b !== undefined && c.wants(weight + 1)) c.give(weight + 1, gb);
}

export const batchNormOps = {
  batchNorm: {
    inputs: [f32('x'), i32('count'), ...weightAndBias],
    outputs: [f32('y'), f32('mean'), f32('var')],
    attrs,
    infer: (c) => {
      const x = imageShape(c, 0);
      checkSameShape(c.who, 'count', inputShape(c, 1), []);
      checkSeveralValues(c, x);
      checkChannels(c, x, 2, ['weight', 'bias']);
      const channels: TensorType = { dtype: 'f32', shape: [at(x, 1)] };
      return [{ dtype: 'f32', shape: x }, channels, channels];
    },
    gradient: (c) => {
      const [, mean, variance] = c.outputs;
      giveGradients(c, 'batchNormGrad', [mean, variance, c.inputs[1]], 2);
    },
  },
  batchNormGrad: {
    inputs: [f32('gy'), f32('x'), f32('mean'), f32('var'), i32('count'), optionalF32('w')],
    outputs: gradientOutputs,
    attrs,
    infer: (c) => {
      checkSameShape(c.who, 'count', inputShape(c, 4), []);
      return gradientTypes(c, ['mean', 'var', 'count']);
    },
    gradient: null,
  },
  batchNormInference: {
    inputs: [f32('x'), f32('mean'), f32('var'), ...weightAndBias],
    outputs: [f32('y')],
    attrs,
    infer: (c) => {
      const x = imageShape(c, 0);
      checkChannels(c, x, 1, ['mean', 'var', 'weight', 'bias']);
      return [{ dtype: 'f32', shape: x }];
    },
    gradient: (c) => giveGradients(c, 'batchNormInferenceGrad', c.inputs.slice(1, 3), 3),
  },
  batchNormInferenceGrad: {
    inputs: [f32('gy'), f32('x'), f32('mean'), f32('var'), optionalF32('w')],
    outputs: gradientOutputs,
    attrs,
    infer: (c) => gradientTypes(c, ['mean', 'var']),
    gradient: null,
  },
  batchNormUpdate: {
    inputs: [
      f32('mean'),
      f32('var'),
      i32('count'),
      f32('runningMean'),
      f32('runningVar'),
      { name: 'numBatches', dtypes: ['i32'], optional: true },
    ],
    outputs: [],
    // `pixels` is how many values of a channel a row has; `momentum` counts for nothing where the
    // statistics are cumulative.
    attrs: { momentum: 'number', cumulative: 'boolean', pixels: 'integer' },
    updates: [3, 4, 5],
    infer: (c) => {
      const channels = inputShape(c, 0);
      checkRank(c.who, 'mean', channels, ['C']);
      checkSameShape(c.who, 'var', inputShape(c, 1), channels);
      checkSameShape(c.who, 'count', inputShape(c, 2), []);
      checkSameShape(c.who, 'runningMean', inputShape(c, 3), channels);
      checkSameShape(c.who, 'runningVar', inputShape(c, 4), channels);
      if (c.inputs.length > 5) checkSameShape(c.who, 'numBatches', inputShape(c, 5), []);
      else if (booleanAttr(c.attrs, 'cumulative')) {
        throw new ArgumentError(`${c.who} expects numBatches where the statistics are cumulative`);
      }
      if (numberAttr(c.attrs, 'pixels') < 1) {
        throw new ArgumentError(`${c.who} expects pixels of at least 1`);
      }
      return [];
    },
    gradient: null,
  },
} satisfies Record<string, Operation>;
