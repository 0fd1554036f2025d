/** Owns softmax. Formula: torch.nn.Softmax. */
import { emitOne, f32, gradientValue, inputShape, type Operation } from '../operation.js';
import { at, checkRank } from '../shapes.js';

export const softmaxOps = {
  softmax: {
    inputs: [f32('x')],
    outputs: [f32('y')],
    attrs: {},
    infer: (c) => {
      checkRank(c.who, 'input', inputShape(c, 0), ['N', 'C']);
      return [{ dtype: 'f32', shape: inputShape(c, 0) }];
    },
    // gx = y (gy - sum of gy y over the row).
    gradient: (c) => {
      const gy = gradientValue(c, 0);
      const [y] = c.outputs;
      if (gy === undefined || y === undefined || !c.wants(0)) return;
      const shape = c.shapeOf(y);
      const products = emitOne(c, 'mul', [gy, y], {}, shape);
      const sums = emitOne(c, 'sum', [products], { mean: false }, [at(shape, 0), 1]);
      const rest = emitOne(c, 'sub', [gy, sums], {}, shape);
      c.give(0, emitOne(c, 'mul', [y, rest], {}, shape));
    },
  },
} satisfies Record<string, Operation>;
