/**
 * Owns the declarations of softmax, the loss and the optimizer steps. Formulas:
 * torch.nn.CrossEntropyLoss, torch.optim.Adam, AdamW and SGD.
 */
import { ArgumentError } from '../../errors.js';
import {
  checkSameShape,
  f32,
  i32,
  inputShape,
  numberAttr,
  type Operation,
  optionalF32,
  type Slot,
} from '../operation.js';
import { at, checkRank } from '../shapes.js';

const learningRate: Slot = { name: 'lr', dtypes: ['f64'] };

export const trainingRules = {
  softmax: {
    inputs: [f32('x')],
    outputs: [f32('y')],
    attrs: {},
    infer: (c) => {
      checkRank(c.who, 'input', inputShape(c, 0), ['N', 'C']);
      return [{ dtype: 'f32', shape: inputShape(c, 0) }];
    },
    gradient: null,
  },
  softmaxCrossEntropy: {
    inputs: [f32('logits'), i32('labels'), i32('count')],
    outputs: [f32('loss'), { name: 'correct', dtypes: ['i32'] }, optionalF32('gradLogits')],
    attrs: { reduction: 'integer' },
    infer: (c) => {
      const logits = inputShape(c, 0);
      checkRank(c.who, 'logits', logits, ['N', 'C']);
      checkSameShape(c.who, 'labels', inputShape(c, 1), [at(logits, 0)]);
      checkSameShape(c.who, 'count', inputShape(c, 2), []);
      const reduction = numberAttr(c.attrs, 'reduction');
      if (reduction !== 0 && reduction !== 1) {
        throw new ArgumentError(`${c.who} expects reduction to be 0 or 1, got ${reduction}`);
      }
      return [
        { dtype: 'f32', shape: [] },
        { dtype: 'i32', shape: [] },
        { dtype: 'f32', shape: logits },
      ];
    },
    // The forward node gives the logits' gradient for a gradient of one by the loss.
    gradient: (c) => {
      const gradient = c.gradOf(0);
      const [, , gradLogits] = c.outputs;
      if (gradient === undefined || gradLogits === undefined || !c.wants(0)) return;
      if (gradient !== 'one') {
        throw new ArgumentError(
          'a cross entropy counts once in the loss: give the loss itself or a sum of losses',
        );
      }
      c.give(0, gradLogits);
    },
  },
  adamStep: {
    inputs: [f32('p'), f32('g'), f32('m'), f32('v'), i32('step'), learningRate],
    outputs: [],
    attrs: {
      beta1: 'number',
      beta2: 'number',
      eps: 'number',
      weightDecay: 'number',
      decoupled: 'boolean',
    },
    updates: [0, 2, 3],
    infer: (c) => {
      for (const [index, name] of [
        [1, 'g'],
        [2, 'm'],
        [3, 'v'],
      ] as const) {
        checkSameShape(c.who, name, inputShape(c, index), inputShape(c, 0));
      }
      return [];
    },
    gradient: null,
  },
  sgdStep: {
    inputs: [f32('p'), f32('g'), optionalF32('momentumBuffer'), i32('step'), learningRate],
    outputs: [],
    attrs: {
      momentum: 'number',
      dampening: 'number',
      nesterov: 'boolean',
      weightDecay: 'number',
    },
    updates: [0, 2],
    infer: (c) => {
      checkSameShape(c.who, 'g', inputShape(c, 1), inputShape(c, 0));
      const [buffer] = c.inputs.slice(2, -2);
      if (buffer !== undefined) {
        checkSameShape(c.who, 'momentumBuffer', buffer.shape, inputShape(c, 0));
      }
      if ((numberAttr(c.attrs, 'momentum') !== 0) !== (buffer !== undefined)) {
        throw new ArgumentError(
          `${c.who} expects a momentumBuffer exactly where momentum is not 0`,
        );
      }
      return [];
    },
    gradient: null,
  },
} satisfies Record<string, Operation>;
