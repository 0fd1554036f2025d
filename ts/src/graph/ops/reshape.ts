/** Owns the operations that give the same elements another shape. */
import { ShapeError } from '../../errors.js';
import { declaredShape, f32, gradientValue, inputShape, type Operation } from '../operation.js';
import { elementCount, formatShape } from '../shapes.js';

export const reshapeOps = {
  reshape: {
    inputs: [f32('x')],
    outputs: [f32('y')],
    attrs: {},
    infer: (c) => {
      const [x, shape] = [inputShape(c, 0), declaredShape(c, 0)];
      if (elementCount(x) !== elementCount(shape)) {
        throw new ShapeError(
          `${c.who} cannot turn ${formatShape(x)} (${elementCount(x)} elements) ` +
            `into ${formatShape(shape)}`,
        );
      }
      return [{ dtype: 'f32', shape }];
    },
    gradient: (c) => {
      const gy = gradientValue(c, 0);
      const [x] = c.inputs;
      if (gy === undefined || x === undefined || !c.wants(0)) return;
      const [gx] = c.emit('reshape', [gy], {}, [c.shapeOf(x)]);
      if (gx !== undefined) c.give(0, gx);
    },
  },
} satisfies Record<string, Operation>;
