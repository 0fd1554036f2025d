/** Owns the base class of losses, and the losses. */

import { checkBoolean, checkOptions, show } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import { classLabels, type LossTargets } from '../graph/loss.js';
import {
  type ClassLossOptions,
  type CrossEntropySettings,
  checkReduction,
  classLossAttrs,
  crossEntropyAttrs,
  type LossOptions,
  type Reduction,
  type SmoothL1Options,
  smoothL1Attrs,
} from '../graph/ops/loss.js';
import type { Tensor } from '../graph/tensor.js';
import type { Buffer } from './buffer.js';
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
 * `functional.crossEntropy` or `nllLoss`, the first call's count of right rows gives the accuracy;
 * without one, results have none.
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

/** The one output that a loss of ours takes, and its targets. */
function pairOf(who: string, [output, ...rest]: readonly Tensor[]): [Tensor, Tensor] {
  const [targets, ...more] = rest;
  if (output === undefined || targets === undefined || more.length > 0) {
    throw new ArgumentError(
      `${who} expects one output of the network, got ${rest.length}: write a loss that says what ` +
        'each is for',
    );
  }
  return [output, targets];
}

/** Numbers that a loss keeps as a buffer, with their shape. */
export interface LossWeight {
  readonly data: Float32Array;
  readonly shape: readonly number[];
}

/** Registers weights of classes, given as numbers. */
function classWeight(
  module: Module,
  who: string,
  weight: ArrayLike<number> | undefined,
): Buffer<Float32Array> | undefined {
  if (weight === undefined) return undefined;
  const data =
    typeof weight === 'object' && weight !== null ? Float32Array.from(weight) : undefined;
  if (data === undefined || data.length === 0 || data.some((each) => !(each >= 0))) {
    throw new ArgumentError(
      `${who} expects weight to be a number of 0 or above for each class, got ${show(weight)}`,
    );
  }
  return module.registerBuffer('weight', { data, shape: [data.length] });
}

/** Options of {@link NLLLoss}. */
export interface NLLLossOptions<R extends Reduction = Reduction> extends ClassLossOptions<R> {
  /** What each class weighs, C numbers of 0 or above; 1 by default. The loss's buffer `weight`. */
  weight?: ArrayLike<number>;
}

/** Options of {@link CrossEntropyLoss}. */
export interface CrossEntropyLossOptions
  extends NLLLossOptions,
    Pick<CrossEntropySettings, 'labelSmoothing'> {
  /**
   * Whether a batch's targets are probabilities of the classes, f32 [N, C], rather than labels; false
   * by default.
   */
  softTargets?: boolean;
}

/**
 * Cross entropy of logits [N, C] and labels i32 [N] or, with `softTargets`, probabilities f32 [N, C]:
 * see {@link functional.crossEntropy}. As in PyTorch the mean of weighted labels is divided by the sum
 * of their weights.
 * @throws ArgumentError for unknown options and values out of range.
 */
export class CrossEntropyLoss extends Loss {
  /** Whether the rows' losses are averaged, summed, or each given, which no Trainer takes. */
  override readonly reduction: Reduction;
  override readonly leavesPaddingOut = true;
  /** Rows of this label take no part. */
  readonly ignoreIndex: number;
  readonly labelSmoothing: number;
  readonly softTargets: boolean;
  /** What each class weighs, [C]. */
  readonly weight: Buffer<Float32Array> | undefined;

  constructor(options: CrossEntropyLossOptions = {}) {
    super();
    const who = 'CrossEntropyLoss';
    const names = ['weight', 'ignoreIndex', 'reduction', 'labelSmoothing', 'softTargets'] as const;
    checkOptions(who, options, names);
    crossEntropyAttrs(who, options);
    this.reduction = options.reduction ?? 'mean';
    this.ignoreIndex = options.ignoreIndex ?? -100;
    this.labelSmoothing = options.labelSmoothing ?? 0;
    this.softTargets = checkBoolean(who, 'softTargets', options.softTargets ?? false);
    this.weight = classWeight(this, who, options.weight);
  }

  override targets(output: Tensor): LossTargets {
    if (this.softTargets) return { dtype: 'f32', shape: output.shape };
    return { ...classLabels(output), ignoreIndex: this.ignoreIndex };
  }

  override forward(...tensors: Tensor[]): Tensor {
    const [logits, targets] = pairOf('CrossEntropyLoss', tensors);
    const { weight, ignoreIndex, labelSmoothing, reduction } = this;
    const options = { ignoreIndex, labelSmoothing, reduction, ...(weight && { weight }) };
    return functional.crossEntropy(logits, targets, options, 'CrossEntropyLoss');
  }
}

/**
 * Negative log-likelihood of log-probabilities [N, C] and labels i32 [N]: see
 * {@link functional.nllLoss}.
 * @throws ArgumentError for unknown options and values out of range.
 */
export class NLLLoss extends Loss {
  /** Whether the rows' losses are averaged, summed, or each given, which no Trainer takes. */
  override readonly reduction: Reduction;
  override readonly leavesPaddingOut = true;
  /** Rows of this label take no part. */
  readonly ignoreIndex: number;
  /** What each class weighs, [C]. */
  readonly weight: Buffer<Float32Array> | undefined;

  constructor(options: NLLLossOptions = {}) {
    super();
    const who = 'NLLLoss';
    checkOptions(who, options, ['weight', 'ignoreIndex', 'reduction']);
    classLossAttrs(who, options);
    this.reduction = options.reduction ?? 'mean';
    this.ignoreIndex = options.ignoreIndex ?? -100;
    this.weight = classWeight(this, who, options.weight);
  }

  override targets(output: Tensor): LossTargets {
    return { ...classLabels(output), ignoreIndex: this.ignoreIndex };
  }

  override forward(...tensors: Tensor[]): Tensor {
    const [input, labels] = pairOf('NLLLoss', tensors);
    const { weight, ignoreIndex, reduction } = this;
    return functional.nllLoss(
      input,
      labels,
      { ignoreIndex, reduction, ...(weight && { weight }) },
      'NLLLoss',
    );
  }
}

/** A loss of each element and a target of the output's own shape, f32 [N, ...]. */
abstract class ElementLoss extends Loss {
  /** Whether the elements' losses are averaged, summed, or each given, which no Trainer takes. */
  override readonly reduction: Reduction;
  override readonly leavesPaddingOut = true;

  constructor(who: string, options: LossOptions) {
    super();
    this.reduction = checkReduction(who, options.reduction);
  }

  override targets(output: Tensor): LossTargets {
    return { dtype: 'f32', shape: output.shape };
  }
}

/**
 * (output - target)^2, averaged over all elements: see {@link functional.mseLoss}.
 * @throws ArgumentError for unknown options.
 */
export class MSELoss extends ElementLoss {
  constructor(options: LossOptions = {}) {
    super('MSELoss', checkOptions('MSELoss', options, ['reduction']));
  }

  override forward(...tensors: Tensor[]): Tensor {
    const { reduction } = this;
    return functional.mseLoss(...pairOf('MSELoss', tensors), { reduction }, 'MSELoss');
  }
}

/**
 * |output - target|, averaged over all elements: see {@link functional.l1Loss}.
 * @throws ArgumentError for unknown options.
 */
export class L1Loss extends ElementLoss {
  constructor(options: LossOptions = {}) {
    super('L1Loss', checkOptions('L1Loss', options, ['reduction']));
  }

  override forward(...tensors: Tensor[]): Tensor {
    const { reduction } = this;
    return functional.l1Loss(...pairOf('L1Loss', tensors), { reduction }, 'L1Loss');
  }
}

/**
 * |output - target| with a square below `beta`, averaged over all elements: see
 * {@link functional.smoothL1Loss}.
 * @throws ArgumentError for unknown options and a beta below 0.
 */
export class SmoothL1Loss extends ElementLoss {
  /** Differences below it count by their square. */
  readonly beta: number;

  constructor(options: SmoothL1Options = {}) {
    super('SmoothL1Loss', checkOptions('SmoothL1Loss', options, ['reduction', 'beta']));
    smoothL1Attrs('SmoothL1Loss', options);
    this.beta = options.beta ?? 1;
  }

  override forward(...tensors: Tensor[]): Tensor {
    const { reduction, beta } = this;
    return functional.smoothL1Loss(
      ...pairOf('SmoothL1Loss', tensors),
      { reduction, beta },
      'SmoothL1Loss',
    );
  }
}

/** Options of {@link BCEWithLogitsLoss}. */
export interface BCEWithLogitsLossOptions extends LossOptions {
  /**
   * What the losses are multiplied by; 1 by default. Its sizes are the last ones of one example, of
   * which those at either end may be 1: [C] for [N, C]. The loss's buffer `weight`.
   */
  weight?: LossWeight;
  /**
   * What the part of the positive target is multiplied by, of such sizes; 1 by default. The loss's
   * buffer `pos_weight`.
   */
  posWeight?: LossWeight;
}

/**
 * Binary cross entropy of sigmoid(output), averaged over all elements: see
 * {@link functional.binaryCrossEntropyWithLogits}.
 * @throws ArgumentError for unknown options, ShapeError for weights that do not have their shape's
 *   number of elements.
 */
export class BCEWithLogitsLoss extends ElementLoss {
  /** What the losses are multiplied by. */
  readonly weight: Buffer<Float32Array> | undefined;
  /** What the part of the positive target is multiplied by. */
  readonly posWeight: Buffer<Float32Array> | undefined;

  constructor(options: BCEWithLogitsLossOptions = {}) {
    const who = 'BCEWithLogitsLoss';
    super(who, checkOptions(who, options, ['weight', 'posWeight', 'reduction']));
    const { weight, posWeight } = options;
    if (weight !== undefined) this.weight = this.registerBuffer('weight', weight);
    if (posWeight !== undefined) this.posWeight = this.registerBuffer('pos_weight', posWeight);
  }

  override forward(...tensors: Tensor[]): Tensor {
    const { reduction, weight, posWeight } = this;
    return functional.binaryCrossEntropyWithLogits(
      ...pairOf('BCEWithLogitsLoss', tensors),
      { reduction, ...(weight && { weight }), ...(posWeight && { posWeight }) },
      'BCEWithLogitsLoss',
    );
  }
}
