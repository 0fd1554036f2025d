/** Owns the stateless form of batch normalisation. */
import { checkBoolean, checkOptions, show } from '../../arguments.js';
import { ArgumentError } from '../../errors.js';
import { checkBatchNormNumbers } from '../../graph/ops/batch-norm.js';
import { at } from '../../graph/shapes.js';
import { first, type Tensor } from '../../graph/tensor.js';
import { asTensor } from '../../graph/trace.js';
import { Buffer } from '../buffer.js';
import { type Operand, operand } from './operand.js';

/** Options of {@link batchNorm}. */
export interface BatchNormOptions {
  /** [C]; null (the default) for ones. */
  weight?: Operand | null;
  /** [C]; null (the default) for zeros. */
  bias?: Operand | null;
  /**
   * Whether it takes the statistics of the batch, and moves the running ones towards them where there
   * are any; false by default.
   */
  training?: boolean;
  /**
   * Share of the batch in the running statistics; null for the mean over all batches, which
   * `numBatchesTracked` counts. 0.1 by default.
   */
  momentum?: number | null;
  /** Added to the variance; 1e-5 by default. */
  eps?: number;
  /** How many batches there were, a single number that training counts up; null (the default) for none. */
  numBatchesTracked?: Buffer<Int32Array> | null;
}

/**
 * y = (x - mean) / sqrt(var + eps) * weight + bias for each channel: with the running statistics, or, in
 * training, with those of the batch's real rows.
 * @param x [N, C, H, W]
 * @param runningMean [C]; null where there are none, which takes `training`
 * @param runningVar [C]; null with runningMean
 * @returns [N, C, H, W]
 * @throws ArgumentError for unknown options and values out of range, for running statistics that are
 *   missing or, in training, no buffers, and for a bias without a weight; ShapeError for sizes that do
 *   not fit, and in training for a single value of each channel.
 */
export function batchNorm(
  x: Tensor,
  runningMean: Operand | null,
  runningVar: Operand | null,
  options: BatchNormOptions = {},
  who = 'batchNorm',
): Tensor {
  const input = asTensor(who, x);
  const { tracer } = input;
  const { training, eps, momentum, weight, bias, numBatchesTracked } = tracer.check(() =>
    checkBatchNorm(who, runningMean, runningVar, options),
  );
  const affine = [...operand(who, input, weight), ...operand(who, input, bias)];
  const running = [...operand(who, input, runningMean), ...operand(who, input, runningVar)];
  if (!training) {
    return first(
      tracer.record('batchNormInference', [input, ...running, ...affine], { eps }, { who }),
    );
  }
  const count = tracer.input('count', 'i32', []);
  const made = tracer.record('batchNorm', [input, count, ...affine], { eps }, { who });
  if (running.length > 0) {
    const batches = operand(who, input, numBatchesTracked);
    const attrs = {
      momentum: momentum ?? 0,
      cumulative: momentum === null,
      pixels: at(input.shape, 2) * at(input.shape, 3),
    };
    tracer.record('batchNormUpdate', [...made.slice(1), count, ...running, ...batches], attrs, {
      who,
    });
  }
  return first(made);
}

function checkBatchNorm(
  who: string,
  runningMean: Operand | null,
  runningVar: Operand | null,
  options: BatchNormOptions,
): Required<BatchNormOptions> {
  const names = ['weight', 'bias', 'training', 'momentum', 'eps', 'numBatchesTracked'];
  checkOptions(who, options, names);
  const { weight = null, bias = null, numBatchesTracked = null } = options;
  const { momentum = 0.1, eps = 1e-5 } = options;
  checkBatchNormNumbers(who, eps, momentum);
  const training = checkBoolean(who, 'training', options.training ?? false);
  if (bias !== null && weight === null)
    throw new ArgumentError(`${who} expects a weight for its bias`);
  const running = [runningMean, runningVar].filter((each) => each !== null);
  if (running.length !== 2 && (running.length === 1 || !training)) {
    throw new ArgumentError(
      `${who} expects runningMean and runningVar, or neither of them in training, ` +
        `got ${running.length} of them`,
    );
  }
  if (training && running.some((each) => !(each instanceof Buffer))) {
    throw new ArgumentError(`${who} expects runningMean and runningVar to be buffers in training`);
  }
  if (numBatchesTracked !== null && !(numBatchesTracked instanceof Buffer)) {
    throw new ArgumentError(
      `${who} expects numBatchesTracked to be a buffer, got ${show(numBatchesTracked)}`,
    );
  }
  if (momentum === null && numBatchesTracked === null && running.length > 0) {
    throw new ArgumentError(`${who} expects numBatchesTracked where momentum is null`);
  }
  return { weight, bias, training, momentum, eps, numBatchesTracked };
}
