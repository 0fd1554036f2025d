/** Owns batch normalisation. */
import { checkBoolean, checkInteger, checkOptions } from '../arguments.js';
import { checkBatchNormNumbers } from '../graph/ops/batch-norm.js';
import { largestSize } from '../graph/shapes.js';
import type { Tensor } from '../graph/tensor.js';
import type { Buffer } from './buffer.js';
import { functional } from './functional/index.js';
import { Module } from './module.js';
import { Parameter } from './parameter.js';
import { pythonBoolean, pythonFloat } from './print.js';

/** Options of {@link BatchNorm2d}. */
export interface BatchNorm2dOptions {
  /** Added to the variance; 1e-5 by default. */
  eps?: number;
  /**
   * Share of each new batch in the running mean and variance; null for the mean over all batches.
   * 0.1 by default.
   */
  momentum?: number | null;
  /** Whether it has a weight and a bias for each channel; true by default. */
  affine?: boolean;
  /** Whether there is a bias beside the weight; true by default. */
  bias?: boolean;
  /**
   * Whether it keeps running statistics for evaluation; otherwise evaluation takes the statistics of
   * its batch too. True by default.
   */
  trackRunningStats?: boolean;
}

/**
 * Normalises each channel of a batch: y = (x - mean) / sqrt(var + eps) * weight + bias. Input
 * [N, C, H, W], output of the same shape.
 *
 * In training mode mean and variance are those of the batch (the variance divided by the number of
 * values), and the running ones move towards them by `momentum` (there the variance is divided by one
 * less). Rows that only fill a batch up take no part. In evaluation mode they are the running ones.
 * Weights begin at 1 and biases at 0, running means at 0 and running variances at 1.
 *
 * Buffers, by PyTorch's names: `running_mean` and `running_var` [C], `num_batches_tracked`.
 *
 * Without running statistics, evaluation and prediction normalise each batch by its own, a Predictor at
 * most `batchSize` images at a time.
 *
 * A training step with a single value of a channel (one row of 1x1) is refused, as PyTorch does: with a
 * ShapeError where the network is compiled, with an ArgumentError where it is a smaller last batch.
 *
 * @throws {ArgumentError} A size or an option is out of range.
 */
export class BatchNorm2d extends Module {
  readonly numFeatures: number;
  readonly eps: number;
  /** null for the mean over all batches. */
  readonly momentum: number | null;
  readonly affine: boolean;
  readonly trackRunningStats: boolean;
  /** [C]; null without affine */
  readonly weight: Parameter | null;
  /** [C]; null without affine or without bias */
  readonly bias: Parameter | null;
  /** [C]; null without trackRunningStats */
  readonly runningMean: Buffer<Float32Array> | null;
  /** [C]; null without trackRunningStats */
  readonly runningVar: Buffer<Float32Array> | null;
  /** A single number; null without trackRunningStats */
  readonly numBatchesTracked: Buffer<Int32Array> | null;

  constructor(numFeatures: number, options: BatchNorm2dOptions = {}) {
    super();
    this.numFeatures = checkInteger('BatchNorm2d', 'numFeatures', numFeatures, 1, largestSize);
    const names = ['eps', 'momentum', 'affine', 'trackRunningStats', 'bias'];
    checkOptions('BatchNorm2d', options, names);
    const { eps = 1e-5, momentum = 0.1, affine = true, trackRunningStats = true } = options;
    checkBatchNormNumbers('BatchNorm2d', eps, momentum);
    this.eps = eps;
    this.momentum = momentum;
    const bias = checkBoolean('BatchNorm2d', 'bias', options.bias ?? true);
    this.affine = checkBoolean('BatchNorm2d', 'affine', affine);
    this.trackRunningStats = checkBoolean('BatchNorm2d', 'trackRunningStats', trackRunningStats);
    const shape = [numFeatures];
    const filled = (value: number) => new Float32Array(numFeatures).fill(value);
    this.weight = this.affine ? new Parameter(filled(1), shape) : null;
    this.bias = this.affine && bias ? new Parameter(filled(0), shape) : null;
    const buffer = <A extends Float32Array | Int32Array>(name: string, data: A, sizes: number[]) =>
      this.trackRunningStats ? this.registerBuffer(name, { data, shape: sizes }) : null;
    this.runningMean = buffer('running_mean', filled(0), shape);
    this.runningVar = buffer('running_var', filled(1), shape);
    this.numBatchesTracked = buffer('num_batches_tracked', Int32Array.of(0), []);
  }

  override forward(x: Tensor): Tensor {
    const { weight, bias, runningMean, runningVar, numBatchesTracked, eps, momentum } = this;
    const training = this.training || !this.trackRunningStats;
    const options = { weight, bias, training, momentum, eps, numBatchesTracked };
    return functional.batchNorm(x, runningMean, runningVar, options, 'BatchNorm2d');
  }

  override extraRepr(): string {
    const momentum = this.momentum === null ? 'None' : pythonFloat(this.momentum);
    return (
      `${this.numFeatures}, eps=${pythonFloat(this.eps)}, momentum=${momentum}, ` +
      `affine=${pythonBoolean(this.affine)}, bias=${pythonBoolean(this.bias !== null)}, ` +
      `track_running_stats=${pythonBoolean(this.trackRunningStats)}`
    );
  }
}
