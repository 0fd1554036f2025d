/** Owns softmax. Formula: torch.nn.Softmax. */
import { f32, inputShape, type Operation } from '../operation.js';
import { checkRank } from '../shapes.js';

export const softmaxOps = {
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
} satisfies Record<string, Operation>;
