/** Owns the normalisation layers. */
import { checkBoolean, checkInteger, checkOptions } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import {
  checkNormalizedShape,
  localResponseNormAttrs,
  normEps,
} from '../graph/ops/normalisation.js';
import { elementCount, formatShape, largestSize, type Shape } from '../graph/shapes.js';
import type { Tensor } from '../graph/tensor.js';
import { checkMemory } from '../program/memory.js';
import { functional } from './functional/index.js';
import { Module } from './module.js';
import { Parameter } from './parameter.js';
import { pythonBoolean, pythonFloat, pythonShape } from './print.js';

/** A parameter whose elements are all `value`. */
function constant(who: string, shape: Shape, value: number): Parameter {
  const count = elementCount(shape);
  checkMemory(
    `${who}, whose weight has the shape ${formatShape(shape)},`,
    2 * count * Float32Array.BYTES_PER_ELEMENT,
  );
  return new Parameter(new Float32Array(count).fill(value), shape);
}

/**
 * y = x / (k + alpha m)^beta, m being the mean of x^2 over `size` channels around each element's
 * own: size / 2 (rounded down) before it, the rest behind it, zeros where there are no channels.
 * Input [N, C, ...] of at least 3 axes, output of the same shape.
 *
 * PyTorch's `LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2)` is
 * `new LocalResponseNorm(5, { alpha: 1e-4, beta: 0.75, k: 2 })`; the defaults are alpha 1e-4, beta
 * 0.75 and k 1.
 * @throws ArgumentError for a size that is not from 1 to 2^20, for alpha or k below 0, for a beta that
 *   is not finite and for unknown options.
 */
export class LocalResponseNorm extends Module {
  readonly size: number;
  readonly alpha: number;
  readonly beta: number;
  readonly k: number;

  constructor(size: number, options: functional.LocalResponseNormOptions = {}) {
    super();
    const attrs = localResponseNormAttrs('LocalResponseNorm', size, options);
    ({ size: this.size, alpha: this.alpha, beta: this.beta, k: this.k } = attrs);
  }

  override forward(x: Tensor): Tensor {
    const { size, alpha, beta, k } = this;
    return functional.localResponseNorm(x, size, { alpha, beta, k }, 'LocalResponseNorm');
  }

  override extraRepr(): string {
    const k = this.k === 1 ? '1.0' : pythonFloat(this.k);
    return `${this.size}, alpha=${pythonFloat(this.alpha)}, beta=${pythonFloat(this.beta)}, k=${k}`;
  }
}

/** Options of {@link GroupNorm}. */
export interface GroupNormOptions {
  /** What is added to the variance; 1e-5 by default, at least 0. */
  eps?: number;
  /** Whether each channel has a weight and a bias; true by default. */
  affine?: boolean;
  /** Whether there is a bias where there is a weight; true by default. */
  bias?: boolean;
}

/**
 * y = (x - mean) / sqrt(variance + eps) weight + bias, mean and variance (divided by their number of
 * elements) being those of each group of neighbouring channels in each row of the batch. Input
 * [N, numChannels, ...], output of the same shape. It does the same in training and in evaluation.
 *
 * Weights are 1 at first, biases 0.
 * @throws ArgumentError for sizes that are not positive integers, for a numGroups that does not divide
 *   numChannels, for eps below 0 and for unknown options.
 * @throws OutOfMemoryError for a weight that does not fit into memory.
 */
export class GroupNorm extends Module {
  readonly numGroups: number;
  readonly numChannels: number;
  readonly eps: number;
  /** [numChannels]; null where `affine` is false */
  readonly weight: Parameter | null = null;
  /** [numChannels]; null where there is no weight or `bias` is false */
  readonly bias: Parameter | null = null;

  constructor(numGroups: number, numChannels: number, options: GroupNormOptions = {}) {
    super();
    const who = 'GroupNorm';
    const { affine, bias, ...rest } = checkOptions(who, options, ['eps', 'affine', 'bias']);
    this.numGroups = checkInteger(who, 'numGroups', numGroups, 1, largestSize);
    this.numChannels = checkInteger(who, 'numChannels', numChannels, 1, largestSize);
    if (numChannels % numGroups !== 0) {
      throw new ArgumentError(
        `${who} expects numChannels to be a multiple of numGroups, ` +
          `got ${numChannels} and ${numGroups}`,
      );
    }
    this.eps = normEps(who, rest);
    const hasBias = checkBoolean(who, 'bias', bias ?? true);
    if (checkBoolean(who, 'affine', affine ?? true)) {
      this.weight = constant(who, [numChannels], 1);
      if (hasBias) this.bias = constant(who, [numChannels], 0);
    }
  }

  override forward(x: Tensor): Tensor {
    const { numGroups, eps, weight, bias } = this;
    const [w, b] = [weight ?? undefined, bias ?? undefined];
    return functional.groupNorm(x, numGroups, w, b, { eps }, 'GroupNorm');
  }

  override extraRepr(): string {
    return (
      `${this.numGroups}, ${this.numChannels}, eps=${pythonFloat(this.eps)}, ` +
      `affine=${pythonBoolean(this.weight !== null)}, bias=${pythonBoolean(this.bias !== null)}`
    );
  }
}

/** Options of {@link LayerNorm}. */
export interface LayerNormOptions {
  /** What is added to the variance; 1e-5 by default, at least 0. */
  eps?: number;
  /** Whether each element of the last axes has a weight and a bias; true by default. */
  elementwiseAffine?: boolean;
  /** Whether there is a bias where there is a weight; true by default. */
  bias?: boolean;
}

/**
 * y = (x - mean) / sqrt(variance + eps) weight + bias, mean and variance (divided by their number of
 * elements) being those over the last axes. Input [..., ...normalizedShape], output of the same shape.
 * It does the same in training and in evaluation.
 *
 * Weights are 1 at first, biases 0.
 * @throws ArgumentError for sizes that are not positive integers, for eps below 0 and for unknown
 *   options.
 * @throws OutOfMemoryError for a weight that does not fit into memory.
 */
export class LayerNorm extends Module {
  readonly normalizedShape: Shape;
  readonly eps: number;
  /** of the shape normalizedShape; null where `elementwiseAffine` is false */
  readonly weight: Parameter | null = null;
  /** of the shape normalizedShape; null where there is no weight or `bias` is false */
  readonly bias: Parameter | null = null;

  /** @param normalizedShape Size of the last axis, or sizes of the last axes. */
  constructor(normalizedShape: number | Shape, options: LayerNormOptions = {}) {
    super();
    const who = 'LayerNorm';
    const given = checkOptions(who, options, ['eps', 'elementwiseAffine', 'bias']);
    const { elementwiseAffine, bias, ...rest } = given;
    const shape = [...checkNormalizedShape(who, normalizedShape)];
    this.normalizedShape = Object.freeze(shape);
    this.eps = normEps(who, rest);
    const hasBias = checkBoolean(who, 'bias', bias ?? true);
    if (checkBoolean(who, 'elementwiseAffine', elementwiseAffine ?? true)) {
      this.weight = constant(who, shape, 1);
      if (hasBias) this.bias = constant(who, shape, 0);
    }
  }

  override forward(x: Tensor): Tensor {
    const { normalizedShape, eps, weight, bias } = this;
    const [w, b] = [weight ?? undefined, bias ?? undefined];
    return functional.layerNorm(x, normalizedShape, w, b, { eps }, 'LayerNorm');
  }

  override extraRepr(): string {
    return (
      `${pythonShape(this.normalizedShape)}, eps=${pythonFloat(this.eps)}, ` +
      `elementwise_affine=${pythonBoolean(this.weight !== null)}, ` +
      `bias=${pythonBoolean(this.bias !== null)}`
    );
  }
}
