/** Owns the losses: shapes, gradient rules. Formula: torch.nn.CrossEntropyLoss. */
import { checkOneOf } from '../../arguments.js';
import { ArgumentError } from '../../errors.js';
import {
  checkSameShape,
  emitOne,
  f32,
  i32,
  inputShape,
  numberAttr,
  type Operation,
  optionalF32,
} from '../operation.js';
import { at, checkRank } from '../shapes.js';
import type { Attrs } from '../spec.js';

/** How the rows' losses become one; natively known by its place here. */
export const reductions = ['mean', 'sum'] as const;

/** How the rows' losses become one. */
export type Reduction = (typeof reductions)[number];

/** Checks a reduction; 'mean' by default. */
export function checkReduction(who: string, reduction: unknown): Reduction {
  return checkOneOf(who, 'reduction', reduction ?? 'mean', reductions);
}

/** Attributes of a cross entropy. */
export function lossAttrs(who: string, reduction: unknown): Attrs {
  return { reduction: reductions.indexOf(checkReduction(who, reduction)) };
}

export const lossOps = {
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
      if (reductions[reduction] === undefined) {
        throw new ArgumentError(`${c.who} expects reduction to be 0 or 1, got ${reduction}`);
      }
      return [
        { dtype: 'f32', shape: [] },
        { dtype: 'i32', shape: [] },
        { dtype: 'f32', shape: logits },
      ];
    },
    // The forward node gives the logits' gradient for a loss whose own gradient is one.
    gradient: (c) => {
      const gradient = c.gradOf(0);
      const [, , gradLogits] = c.outputs;
      if (gradient === undefined || gradLogits === undefined || !c.wants(0)) return;
      if (gradient === 'one') {
        c.give(0, gradLogits);
        return;
      }
      // Of a loss that counts otherwise than once: [] as [1, 1] times [N, C].
      const factor = emitOne(c, 'reshape', [gradient], {}, [1, 1]);
      c.give(0, emitOne(c, 'mul', [gradLogits, factor], {}, c.shapeOf(gradLogits)));
    },
  },
} satisfies Record<string, Operation>;
