/**
 * Owns softmax along an axis and its logarithm: shapes and gradient rules. Formulas:
 * torch.nn.Softmax, torch.nn.LogSoftmax.
 */
import {
  emitOne,
  f32,
  gradientValue,
  inputShape,
  likeBoth,
  likeInput,
  type Operation,
  type ShapeContext,
} from '../operation.js';
import { checkAxis } from '../shapes.js';

const attrs = { dim: 'integer' } as const;

function checkRows(c: ShapeContext): void {
  checkAxis(c.who, 'dim', inputShape(c, 0), c.attrs.dim);
}

/** The operation whose gradient is `gradient`, which reads the output. */
function rows(gradient: string): Operation {
  return {
    inputs: [f32('x')],
    outputs: [f32('y')],
    attrs,
    infer: (c) => {
      checkRows(c);
      return likeInput(c);
    },
    gradient: (c) => {
      const gy = gradientValue(c, 0);
      const [y] = c.outputs;
      if (gy === undefined || y === undefined || !c.wants(0)) return;
      c.give(0, emitOne(c, gradient, [gy, y], c.attrs, c.shapeOf(y)));
    },
  };
}

const rowsGrad: Operation = {
  inputs: [f32('gy'), f32('y')],
  outputs: [f32('gx')],
  attrs,
  infer: (c) => {
    checkRows(c);
    return likeBoth(c, 'y');
  },
  gradient: null,
};

export const softmaxOps = {
  softmax: rows('softmaxGrad'),
  softmaxGrad: rowsGrad,
  logSoftmax: rows('logSoftmaxGrad'),
  logSoftmaxGrad: rowsGrad,
} satisfies Record<string, Operation>;
