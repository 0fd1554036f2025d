/** Owns sums and means over axes. Formulas: torch.sum, torch.mean. */
import { ShapeError } from '../../errors.js';
import {
  booleanAttr,
  declaredShape,
  emitOne,
  f32,
  gradientValue,
  inputShape,
  type Operation,
} from '../operation.js';
import { elementCount, formatShape } from '../shapes.js';

export const reductionOps = {
  /** The declared output's axes are those of x, or 1 where x is summed up. */
  sum: {
    inputs: [f32('x')],
    outputs: [f32('y')],
    attrs: { mean: 'boolean' },
    infer: (c) => {
      const [x, shape] = [inputShape(c, 0), declaredShape(c, 0)];
      const fits = shape.every((size, axis) => size === 1 || size === x[axis]);
      if (x.length !== shape.length || !fits) {
        throw new ShapeError(
          `${c.who} expects an output whose axes are those of ${formatShape(x)} or 1, ` +
            `got ${formatShape(shape)}`,
        );
      }
      return [{ dtype: 'f32', shape }];
    },
    gradient: (c) => {
      const gy = gradientValue(c, 0);
      const [x] = c.inputs;
      if (gy === undefined || x === undefined || !c.wants(0)) return;
      const [shape, wanted] = [c.shapeOf(gy), c.shapeOf(x)];
      let each = gy;
      if (booleanAttr(c.attrs, 'mean')) {
        const value = elementCount(wanted) / elementCount(shape);
        const ones = shape.map(() => 1);
        each = emitOne(c, 'div', [gy, emitOne(c, 'fill', [], { value }, ones)], {}, shape);
      }
      c.give(0, emitOne(c, 'expand', [each], {}, wanted));
    },
  },
} satisfies Record<string, Operation>;
