/** Owns the layers that have parameters: Linear and Conv2d. */

import {
  checkBoolean,
  checkInteger,
  checkOneOf,
  checkOptions,
  checkPair,
  type Pair,
  type PairLike,
  show,
} from '../arguments.js';
import { ArgumentError } from '../errors.js';
import { convOptionNames, convSettings } from '../graph/ops/convolution.js';
import { largestSize, largestWindow } from '../graph/shapes.js';
import type { Tensor } from '../graph/tensor.js';
import { functional } from './functional/index.js';
import { initialParameters } from './initial-parameters.js';
import { Module } from './module.js';
import type { Parameter } from './parameter.js';
import { pythonBoolean, pythonSize } from './print.js';

/** Options of {@link Linear}. */
export interface LinearOptions {
  /** Whether a bias is added; true by default. */
  bias?: boolean;
}

/**
 * y = x weight' + bias. Input [N, in] (or [..., in]), output [N, out].
 *
 * Initial weights and biases are uniform on ±1/sqrt(in), drawn as PyTorch draws them.
 * @throws ArgumentError for sizes that are not positive integers.
 * @throws OutOfMemoryError for a weight that does not fit into memory.
 */
export class Linear extends Module {
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** [out, in] */
  readonly weight: Parameter;
  /** [out]; null without bias */
  readonly bias: Parameter | null;

  constructor(inFeatures: number, outFeatures: number, options: LinearOptions = {}) {
    super();
    this.inFeatures = checkInteger('Linear', 'inFeatures', inFeatures, 1, largestSize);
    this.outFeatures = checkInteger('Linear', 'outFeatures', outFeatures, 1, largestSize);
    checkOptions('Linear', options, ['bias']);
    const bias = checkBoolean('Linear', 'bias', options.bias ?? true);
    const shape = [outFeatures, inFeatures];
    const who = `Linear(${inFeatures}, ${outFeatures})`;
    [this.weight, this.bias] = initialParameters(who, shape, inFeatures, bias);
  }

  override forward(x: Tensor): Tensor {
    return functional.linear(x, this.weight, this.bias ?? undefined, 'Linear');
  }

  override extraRepr(): string {
    return (
      `in_features=${this.inFeatures}, out_features=${this.outFeatures}, ` +
      `bias=${pythonBoolean(this.bias !== null)}`
    );
  }
}

/** Options of {@link Conv2d}. */
export interface Conv2dOptions extends functional.ConvOptions {
  /** Whether a bias is added to each output channel; true by default. */
  bias?: boolean;
  /**
   * What padding consists of: zeros (the default), or the image mirrored without its border
   * (`'reflect'`), its border (`'replicate'`), or its other end (`'circular'`).
   */
  paddingMode?: PaddingMode;
}

/** What the padding of a convolution consists of. */
export type PaddingMode = 'zeros' | 'reflect' | 'replicate' | 'circular';

const paddingModes: readonly PaddingMode[] = ['zeros', 'reflect', 'replicate', 'circular'];

/**
 * 2-D convolution. Input [N, inChannels, H, W], output [N, outChannels, H', W'] with
 * H' = floor((H + 2 padding - dilation (kernel - 1) - 1) / stride) + 1.
 *
 * PyTorch's `Conv2d(1, 96, 11, 4)` is `new Conv2d(1, 96, 11, { stride: 4 })`. Padding 'same' of an
 * odd number adds one more below and on the right. Initial weights and biases are uniform on
 * ±1/sqrt(inChannels / groups * kh * kw), drawn as PyTorch draws them.
 * @throws ArgumentError for sizes out of range, or groups that do not divide both channel counts.
 * @throws OutOfMemoryError for a weight that does not fit into memory.
 */
export class Conv2d extends Module {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: Pair;
  readonly stride: Pair;
  readonly padding: Pair | 'same' | 'valid';
  readonly dilation: Pair;
  readonly groups: number;
  readonly paddingMode: PaddingMode;
  /** [outChannels, inChannels / groups, kh, kw] */
  readonly weight: Parameter;
  /** [outChannels]; null without bias */
  readonly bias: Parameter | null;

  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: PairLike,
    options: Conv2dOptions = {},
  ) {
    super();
    checkOptions('Conv2d', options, [...convOptionNames, 'bias', 'paddingMode']);
    const { bias = true, paddingMode = 'zeros', ...windowOptions } = options;
    this.inChannels = checkInteger('Conv2d', 'inChannels', inChannels, 1, largestSize);
    this.outChannels = checkInteger('Conv2d', 'outChannels', outChannels, 1, largestSize);
    this.kernelSize = checkPair('Conv2d', 'kernelSize', kernelSize, 1, largestWindow);
    const { attrs } = convSettings('Conv2d', windowOptions, this.kernelSize);
    this.paddingMode = checkOneOf('Conv2d', 'paddingMode', paddingMode, paddingModes);
    this.stride = attrs.stride as Pair;
    const { padding } = windowOptions;
    this.padding = typeof padding === 'string' ? padding : (attrs.padding as Pair);
    this.dilation = attrs.dilation as Pair;
    this.groups = attrs.groups as number;
    checkBoolean('Conv2d', 'bias', bias);
    for (const [name, channels] of [
      ['inChannels', inChannels],
      ['outChannels', outChannels],
    ] as const) {
      if (channels % this.groups !== 0) {
        throw new ArgumentError(
          `Conv2d expects ${name} to be a multiple of groups, got ${channels} and ${this.groups}`,
        );
      }
    }
    const perGroup = inChannels / this.groups;
    const shape = [outChannels, perGroup, ...this.kernelSize];
    const fanIn = perGroup * this.kernelSize[0] * this.kernelSize[1];
    const who = `Conv2d(${inChannels}, ${outChannels}, ${show(this.kernelSize)})`;
    [this.weight, this.bias] = initialParameters(who, shape, fanIn, bias);
  }

  override forward(x: Tensor): Tensor {
    const { stride, padding, dilation, groups } = this;
    const options = { stride, padding, dilation, groups };
    const { paddingMode } = this;
    if (paddingMode !== 'zeros') {
      const { attrs, extra } = convSettings('Conv2d', options, this.kernelSize);
      const [down, right] = attrs.padding as Pair;
      const sides = [right, right + extra[1], down, down + extra[0]];
      const padded = functional.pad(x, sides, { mode: paddingMode }, 'Conv2d');
      const rest = { ...options, padding: 0 };
      return functional.conv2d(padded, this.weight, this.bias ?? undefined, rest, 'Conv2d');
    }
    return functional.conv2d(x, this.weight, this.bias ?? undefined, options, 'Conv2d');
  }

  override extraRepr(): string {
    const parts = [
      `${this.inChannels}, ${this.outChannels}, kernel_size=${pythonSize(this.kernelSize)}`,
      `stride=${pythonSize(this.stride)}`,
    ];
    const { padding } = this;
    if (typeof padding === 'string') parts.push(`padding=${padding}`);
    else if (padding.some((size) => size !== 0)) parts.push(`padding=${pythonSize(padding)}`);
    if (this.dilation.some((size) => size !== 1)) {
      parts.push(`dilation=${pythonSize(this.dilation)}`);
    }
    if (this.groups !== 1) parts.push(`groups=${this.groups}`);
    if (this.bias === null) parts.push('bias=False');
    if (this.paddingMode !== 'zeros') parts.push(`padding_mode=${this.paddingMode}`);
    return parts.join(', ');
  }
}
