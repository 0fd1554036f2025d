/** Owns the stateless form of the linear layer. */
import { ArgumentError, ShapeError } from '../../errors.js';
import { at, checkRank, formatShape } from '../../graph/shapes.js';
import { first, type Tensor } from '../../graph/tensor.js';
import { asTensor } from '../../graph/trace.js';
import { type Operand, operand } from './operand.js';

/**
 * y = x weight' + bias over the last axis.
 * @param x [N, in], or [..., in]
 * @param weight [out, in]
 * @param bias [out]
 * @returns [N, out], or [..., out]
 * @throws ArgumentError for what is no tensor, ShapeError for sizes that do not fit.
 */
export function linear(x: Tensor, weight: Operand, bias?: Operand, who = 'linear'): Tensor {
  const input = asTensor(who, x);
  const [w] = operand(who, input, weight);
  if (w === undefined) throw new ArgumentError(`${who} expects a weight, got undefined`);
  const { tracer } = input;
  const features = tracer.check(() => {
    checkRank(who, 'weight', w.shape, ['out', 'in']);
    const wanted = at(w.shape, 1);
    const got = input.shape.at(-1);
    if (input.ndim > 2 && got !== wanted) {
      throw new ShapeError(
        `${who} expects ${wanted} features, got ${got} from input ${formatShape(input.shape)}; ` +
          'flatten(1) joins all axes but the batch',
      );
    }
    return wanted;
  });
  const rows = input.ndim > 2 ? input.reshape(-1, features) : input;
  const output = first(
    tracer.record('linear', [rows, w, ...operand(who, input, bias)], {}, { who }),
  );
  if (input.ndim <= 2) return output;
  return output.reshape(...input.shape.slice(0, -1), at(output.shape, 1));
}
