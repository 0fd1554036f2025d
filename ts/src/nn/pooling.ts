/** Owns the pooling layers. */
import type { PairLike } from '../arguments.js';
import { avgPoolAttrs, checkAdaptiveSize, maxPoolAttrs } from '../graph/ops/pooling.js';
import type { Tensor } from '../graph/tensor.js';
import { functional } from './functional/index.js';
import { Module } from './module.js';
import { pythonBoolean, pythonSize } from './print.js';

/** A copy of the options, so that the caller's object may change afterwards. */
function copyOf<T extends object>(options: T): Readonly<T> {
  return Object.freeze({ ...options });
}

/**
 * Largest value of each window. Input [N, C, H, W]. The stride is the window's size by default.
 * @throws ArgumentError for sizes out of range.
 */
export class MaxPool2d extends Module {
  readonly kernelSize: PairLike;
  readonly options: Readonly<functional.MaxPoolOptions>;

  constructor(kernelSize: PairLike, options: functional.MaxPoolOptions = {}) {
    super();
    maxPoolAttrs('MaxPool2d', kernelSize, options);
    this.kernelSize = kernelSize;
    this.options = copyOf(options);
  }

  override forward(x: Tensor): Tensor {
    return functional.maxPool2d(x, this.kernelSize, this.options, 'MaxPool2d');
  }

  override extraRepr(): string {
    const { stride = this.kernelSize, padding = 0, dilation = 1, ceilMode = false } = this.options;
    return (
      `kernel_size=${pythonSize(this.kernelSize)}, stride=${pythonSize(stride)}, ` +
      `padding=${pythonSize(padding)}, dilation=${pythonSize(dilation)}, ` +
      `ceil_mode=${pythonBoolean(ceilMode)}`
    );
  }
}

/**
 * Mean of each window. Input [N, C, H, W]. The stride is the window's size by default.
 * @throws ArgumentError for sizes out of range.
 */
export class AvgPool2d extends Module {
  readonly kernelSize: PairLike;
  readonly options: Readonly<functional.AvgPoolOptions>;

  constructor(kernelSize: PairLike, options: functional.AvgPoolOptions = {}) {
    super();
    avgPoolAttrs('AvgPool2d', kernelSize, options);
    this.kernelSize = kernelSize;
    this.options = copyOf(options);
  }

  override forward(x: Tensor): Tensor {
    return functional.avgPool2d(x, this.kernelSize, this.options, 'AvgPool2d');
  }

  override extraRepr(): string {
    const { stride = this.kernelSize, padding = 0 } = this.options;
    return (
      `kernel_size=${pythonSize(this.kernelSize)}, stride=${pythonSize(stride)}, ` +
      `padding=${pythonSize(padding)}`
    );
  }
}

/**
 * Means over windows chosen so that the output is [N, C, ...outputSize].
 * @throws ArgumentError for sizes that are neither positive integers nor null.
 */
export class AdaptiveAvgPool2d extends Module {
  readonly outputSize: functional.AdaptiveSize;

  /** @param outputSize Size for both axes, or [height, width]; null keeps the input's. */
  constructor(outputSize: functional.AdaptiveSize) {
    super();
    this.outputSize = checkAdaptiveSize('AdaptiveAvgPool2d', outputSize);
  }

  override forward(x: Tensor): Tensor {
    return functional.adaptiveAvgPool2d(x, this.outputSize, 'AdaptiveAvgPool2d');
  }

  override extraRepr(): string {
    return `output_size=${pythonSize(this.outputSize)}`;
  }
}
