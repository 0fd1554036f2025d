/** Owns the base class of losses, and the losses. */

import { checkOptions } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import { classLabels, type LossTargets } from '../graph/loss.js';
import { checkReduction } from '../graph/ops/loss.js';
import type { Tensor } from '../graph/tensor.js';
import { functional } from './functional/index.js';
import { Module } from './module.js';

export type { LossTargets } from '../graph/loss.js';

/**
 * A loss: a module that turns the network's outputs and the batch's targets into a single number.
 * What a Trainer must know of it, it says itself. Any module will do as a loss; this class is for
 * those that take other targets than class labels, or more.
 *
 * `forward` gets the network's output, or every output of a network that returns an array, and then
 * the targets. Whatever single f32 number it returns is trained on. Where it calls
 * `functional.crossEntropy`, the first call's count of right rows gives the accuracy; without one,
 * results have none.
 *
 * @example
 * ```ts
 * // The network returns [N, 1, H, W], and so are the targets, which a batch has as `label`.
 * class PixelLoss extends nn.Loss {
 *   override targets(output: Tensor): nn.LossTargets {
 *     return { dtype: 'f32', shape: output.shape };
 *   }
 *   forward(output: Tensor, target: Tensor): Tensor { ... }
 * }
 * ```
 */
export abstract class Loss extends Module {
  /** How the examples' losses are put together: results are means in either case. Default: `'mean'`. */
  readonly reduction: string = 'mean';

  /**
   * Whether padded rows, which a batch smaller than the program has at its end, take no part in the
   * loss: it reads the number of real rows. Otherwise a program is compiled for each size of batch
   * when it comes, and those of the last two sizes are kept; a loader with `dropLast` has one.
   * Default: false.
   */
  readonly leavesPaddingOut: boolean = false;

  /**
   * What targets the loss takes, for the network's first output. Default: class labels, i32 [N] from
   * 0 to below C, for an output [N, C].
   */
  targets(output: Tensor): LossTargets {
    return classLabels(output);
  }
}

/**
 * Cross entropy of logits [N, C] and labels i32 [N]: -log(softmax(logits)[label]), averaged over the
 * real rows of the batch (the default) or summed.
 * @throws ArgumentError for an unknown reduction.
 */
export class CrossEntropyLoss extends Loss {
  /** Whether the rows' losses are averaged or summed. */
  override readonly reduction: 'mean' | 'sum';
  override readonly leavesPaddingOut = true;

  constructor(options: functional.CrossEntropyOptions = {}) {
    super();
    checkOptions('CrossEntropyLoss', options, ['reduction']);
    this.reduction = checkReduction('CrossEntropyLoss', options.reduction);
  }

  override forward(logits: Tensor, labels: Tensor, ...more: Tensor[]): Tensor {
    if (more.length > 0) {
      throw new ArgumentError(
        `CrossEntropyLoss expects one output of the network, got ${more.length + 1}: write a loss ` +
          'that says what each is for',
      );
    }
    const { reduction } = this;
    return functional.crossEntropy(logits, labels, { reduction }, 'CrossEntropyLoss');
  }
}
