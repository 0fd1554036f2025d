/** Owns the transposed convolution. */
import {
  checkBoolean,
  checkInteger,
  checkOptions,
  checkPair,
  type Pair,
  type PairLike,
  show,
} from '../arguments.js';
import { ArgumentError } from '../errors.js';
import { convTransposeOptionNames, convTransposeSettings } from '../graph/ops/convolution.js';
import { largestSize, largestWindow } from '../graph/shapes.js';
import type { Tensor } from '../graph/tensor.js';
import { functional } from './functional/index.js';
import { initialParameters } from './initial-parameters.js';
import { Module } from './module.js';
import type { Parameter } from './parameter.js';
import { pythonSize } from './print.js';

/** Options of {@link ConvTranspose2d}. */
export interface ConvTranspose2dOptions extends functional.ConvTransposeOptions {
  /** Whether a bias is added to each output channel; true by default. */
  bias?: boolean;
}

/**
 * 2-D transposed convolution. Input [N, inChannels, H, W], output [N, outChannels, H', W'] with
 * H' = (H - 1) stride - 2 padding + dilation (kernel - 1) + outputPadding + 1.
 *
 * PyTorch's `ConvTranspose2d(16, 8, 3, 2, 1, 1)` is
 * `new ConvTranspose2d(16, 8, 3, { stride: 2, padding: 1, outputPadding: 1 })`. Initial weights and
 * biases are uniform on ±1/sqrt(outChannels / groups * kh * kw), drawn as PyTorch draws them.
 * @throws ArgumentError for sizes out of range, for groups that do not divide both channel counts,
 *   and for outputPadding that is below neither stride nor dilation.
 * @throws OutOfMemoryError for a weight that does not fit into memory.
 */
export class ConvTranspose2d extends Module {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: Pair;
  readonly stride: Pair;
  readonly padding: Pair;
  readonly outputPadding: Pair;
  readonly dilation: Pair;
  readonly groups: number;
  /** [inChannels, outChannels / groups, kh, kw] */
  readonly weight: Parameter;
  /** [outChannels]; null without bias */
  readonly bias: Parameter | null;

  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: PairLike,
    options: ConvTranspose2dOptions = {},
  ) {
    super();
    const name = 'ConvTranspose2d';
    checkOptions(name, options, [...convTransposeOptionNames, 'bias']);
    const { bias = true, ...windowOptions } = options;
    this.inChannels = checkInteger(name, 'inChannels', inChannels, 1, largestSize);
    this.outChannels = checkInteger(name, 'outChannels', outChannels, 1, largestSize);
    this.kernelSize = checkPair(name, 'kernelSize', kernelSize, 1, largestWindow);
    const { attrs, outputPadding } = convTransposeSettings(name, windowOptions);
    this.stride = attrs.stride as Pair;
    this.padding = attrs.padding as Pair;
    this.outputPadding = outputPadding;
    this.dilation = attrs.dilation as Pair;
    this.groups = attrs.groups as number;
    checkBoolean(name, 'bias', bias);
    for (const [what, channels] of Object.entries({ inChannels, outChannels })) {
      if (channels % this.groups !== 0) {
        throw new ArgumentError(
          `${name} expects ${what} to be a multiple of groups, got ${channels} and ${this.groups}`,
        );
      }
    }
    const perGroup = outChannels / this.groups;
    const shape = [inChannels, perGroup, ...this.kernelSize];
    const fanIn = perGroup * this.kernelSize[0] * this.kernelSize[1];
    const who = `${name}(${inChannels}, ${outChannels}, ${show(this.kernelSize)})`;
    [this.weight, this.bias] = initialParameters(who, shape, fanIn, bias, outChannels);
  }

  override forward(x: Tensor): Tensor {
    const { stride, padding, outputPadding, dilation, groups } = this;
    const options = { stride, padding, outputPadding, dilation, groups };
    const { weight, bias } = this;
    return functional.convTranspose2d(x, weight, bias ?? undefined, options, 'ConvTranspose2d');
  }

  override extraRepr(): string {
    const parts = [
      `${this.inChannels}, ${this.outChannels}, kernel_size=${pythonSize(this.kernelSize)}`,
      `stride=${pythonSize(this.stride)}`,
    ];
    const isSet = (pair: Pair, usual: number) => pair.some((size) => size !== usual);
    if (isSet(this.padding, 0)) parts.push(`padding=${pythonSize(this.padding)}`);
    if (isSet(this.dilation, 1)) parts.push(`dilation=${pythonSize(this.dilation)}`);
    if (isSet(this.outputPadding, 0)) {
      parts.push(`output_padding=${pythonSize(this.outputPadding)}`);
    }
    if (this.groups !== 1) parts.push(`groups=${this.groups}`);
    if (this.bias === null) parts.push('bias=False');
    return parts.join(', ');
  }
}
