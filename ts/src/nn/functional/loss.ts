/** Owns the stateless forms of losses. */
import { checkOptions, show } from '../../arguments.js';
import { ArgumentError } from '../../errors.js';
import { lossAttrs } from '../../graph/ops/loss.js';
import type { Tensor } from '../../graph/tensor.js';
import { asTensor } from '../../graph/trace.js';

/** Options of {@link crossEntropy}. */
export interface CrossEntropyOptions {
  /**
   * Whether the rows' losses are averaged (over the real rows of a padded batch) or summed; 'mean' by
   * default.
   */
  reduction?: 'mean' | 'sum';
}

/**
 * -log(softmax(logits)[label]) over the rows of a batch. Also makes the output `correct`, the number
 * of rows whose largest logit is the label's.
 *
 * @param logits [N, C]
 * @param labels i32 [N]
 * @returns A single number.
 * @throws ArgumentError for an unknown reduction, ShapeError for sizes that do not fit, DTypeError for
 *   labels of another type.
 */
export function crossEntropy(
  logits: Tensor,
  labels: Tensor,
  options: CrossEntropyOptions = {},
  who = 'crossEntropy',
): Tensor {
  const input = asTensor(who, logits);
  const { tracer } = input;
  const attrs = tracer.check(() => {
    checkOptions(who, options, ['reduction']);
    return lossAttrs(who, options.reduction);
  });
  const count = tracer.input('count', 'i32', []);
  const inputs = [input, asTensor(who, labels), count];
  const [loss, correct] = tracer.record('softmaxCrossEntropy', inputs, attrs, { who });
  if (loss === undefined || correct === undefined) {
    throw new ArgumentError(`${who} got no loss from ${show(inputs)}`);
  }
  if (!tracer.outputs.has('correct')) tracer.outputs.set('correct', correct);
  return loss;
}
