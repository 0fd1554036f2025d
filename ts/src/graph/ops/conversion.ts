/** Owns the conversion of bytes to floats. Formulas: torchvision's ToTensor and Normalize. */
import { ShapeError } from '../../errors.js';
import { f32, inputShape, likeInput, numbersAttr, type Operation } from '../operation.js';
import { at, checkRank, formatShape } from '../shapes.js';

export const conversionOps = {
  toFloat: {
    inputs: [{ name: 'x', dtypes: ['u8'] }],
    outputs: [f32('y')],
    attrs: { mean: 'numbers', std: 'numbers' },
    infer: (c) => {
      const x = inputShape(c, 0);
      checkRank(c.who, 'input', x, ['N', 'C', 'H', 'W']);
      for (const name of ['mean', 'std']) {
        const count = numbersAttr(c.attrs, name).length;
        if (count !== at(x, 1)) {
          throw new ShapeError(
            `${c.who} expects ${name} to have one number for each of the ${at(x, 1)} channels ` +
              `of ${formatShape(x)}, got ${count}`,
          );
        }
      }
      return likeInput(c);
    },
    gradient: null,
  },
} satisfies Record<string, Operation>;
