/** Owns the losses. */
import { checkOneOf, checkOptions } from '../arguments.js';
import type { Tensor } from '../graph/tensor.js';
import * as functional from './functional.js';
import { Module } from './module.js';

/**
 * Cross entropy of logits [N, C] and labels i32 [N]: -log(softmax(logits)[label]), averaged over the
 * real rows of the batch (the default) or summed.
 * @throws ArgumentError for an unknown reduction.
 */
export class CrossEntropyLoss extends Module {
  /** Whether the rows' losses are averaged or summed. */
  readonly reduction: 'mean' | 'sum';

  constructor(options: functional.CrossEntropyOptions = {}) {
    super();
    checkOptions('CrossEntropyLoss', options, ['reduction']);
    const reduction = options.reduction ?? 'mean';
    this.reduction = checkOneOf('CrossEntropyLoss', 'reduction', reduction, ['mean', 'sum']);
  }

  override forward(logits: Tensor, labels: Tensor): Tensor {
    const { reduction } = this;
    return functional.crossEntropy(logits, labels, { reduction }, 'CrossEntropyLoss');
  }
}
