/** Owns the stateless form of softmax. */
import { ShapeError } from '../../errors.js';
import { at, checkAxis, formatShape } from '../../graph/shapes.js';
import { first, type Tensor } from '../../graph/tensor.js';
import { asTensor } from '../../graph/trace.js';

/**
 * exp(x) / sum(exp(x)) of each row. CrossEntropyLoss takes logits: a network that ends in it has no
 * softmax.
 * @param x [..., C]
 * @param dim The axis of a row, which must be the last one; -1 by default.
 * @returns Of the shape of x.
 * @throws ArgumentError for what is no tensor, ShapeError for an axis other than the last.
 */
export function softmax(x: Tensor, dim = -1, who = 'softmax'): Tensor {
  const input = asTensor(who, x);
  const { tracer, shape } = input;
  const columns = tracer.check(() => {
    const axis = checkAxis(who, 'dim', shape, dim);
    if (axis !== shape.length - 1) {
      throw new ShapeError(
        `${who} expects dim to be the last axis of ${formatShape(shape)}, got ${dim}`,
      );
    }
    return at(shape, axis);
  });
  const rows = input.reshape(-1, columns);
  return first(tracer.record('softmax', [rows], {}, { who })).reshape(shape);
}
