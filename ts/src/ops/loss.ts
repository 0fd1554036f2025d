/** Owns the losses as single operations on host tensors. */
import { checkInteger } from '../arguments.js';
import { lossAttrs } from '../graph/ops/loss.js';
import { type OpOptions, run, splitOptions } from './run.js';
import { checkTensor, type FloatTensor, floatTensor, type HostTensor } from './tensors.js';

/** Options of {@link softmaxCrossEntropy}. */
export interface SoftmaxCrossEntropyOptions extends OpOptions {
  /** Whether the rows' losses are averaged (over the real rows) or summed; 'mean' by default. */
  reduction?: 'mean' | 'sum';
  /** Rows that are real; the rest are padding and contribute nothing. All by default. */
  count?: number;
}

/**
 * Cross entropy of each row's logits and label; how many rows' largest logit is the label's; and the
 * gradient of the loss with respect to the logits.
 * @param logits [N, C]
 * @param labels i32 [N], each from 0 to C - 1
 * @returns loss, a single number; correct; gradLogits [N, C]
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than stated; f32 where none is.
 */
export async function softmaxCrossEntropy(
  logits: FloatTensor,
  labels: HostTensor<Int32Array>,
  options: SoftmaxCrossEntropyOptions = {},
): Promise<{ loss: number; correct: number; gradLogits: FloatTensor }> {
  const who = 'softmaxCrossEntropy';
  const [own, common] = splitOptions(who, options, ['reduction', 'count']);
  const rows = checkTensor(who, 'labels', labels).data.length;
  const count = checkInteger(who, 'count', own.count ?? rows, 1, rows);
  const attrs = lossAttrs(who, own.reduction);
  const { loss, correct, gradLogits } = await run(who, { logits, labels, count }, attrs, common);
  return {
    loss: Number(loss?.data[0]),
    correct: Number(correct?.data[0]),
    gradLogits: floatTensor('gradLogits', gradLogits),
  };
}
