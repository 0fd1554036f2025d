/** Owns batch normalisation as single operations on host tensors. */
import { checkInteger, checkNames } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import { checkBatchNormNumbers } from '../graph/ops/batch-norm.js';
import { type OpOptions, run, splitOptions } from './run.js';
import { checkTensor, type FloatTensor, floatTensor, type HostTensor } from './tensors.js';

/** Options of {@link batchNormInference} and its gradient. */
export interface BatchNormInferenceOptions extends OpOptions {
  /** Added to the variance; 1e-5 by default. */
  eps?: number;
}

/** Options of {@link batchNorm} and its gradient. */
export interface BatchNormOptions extends BatchNormInferenceOptions {
  /** Rows that are real; the others enter no statistics and are zero in the result. All by default. */
  count?: number;
}

/** Gradients of a batch normalisation. */
export interface BatchNormGrads {
  /** [N, C, H, W] */
  gx: FloatTensor;
  /** [C], with respect to the weight */
  gw: FloatTensor;
  /** [C], with respect to the bias */
  gb: FloatTensor;
}

function settings<T extends BatchNormOptions>(
  who: string,
  x: FloatTensor,
  options: T,
): [attrs: { eps: number }, count: number, common: OpOptions] {
  const hasCount = who === 'batchNorm' || who === 'batchNormGrad';
  const names = hasCount ? (['eps', 'count'] as const) : (['eps'] as const);
  const [own, common] = splitOptions<BatchNormOptions>(who, options, names);
  const eps = own.eps ?? 1e-5;
  checkBatchNormNumbers(who, eps, null);
  const rows = checkTensor(who, 'x', x).shape[0] ?? 1;
  return [{ eps }, checkInteger(who, 'count', own.count ?? rows, 1, rows), common];
}

/**
 * (x - mean) / sqrt(var + eps) * w + b with the mean and the variance of each channel over the batch.
 * @param tensors x [N, C, H, W]; weight w and bias b, [C], ones and zeros where they are absent. b takes w.
 * @returns y [N, C, H, W]; mean and var [C], the variance divided by the number of values.
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or a single value of each channel.
 * @throws DTypeError for element types other than f32.
 */
export async function batchNorm(
  tensors: { x: FloatTensor; w?: FloatTensor; b?: FloatTensor },
  options: BatchNormOptions = {},
): Promise<{ y: FloatTensor; mean: FloatTensor; var: FloatTensor }> {
  const who = 'batchNorm';
  checkNames(who, tensors, ['x', 'w', 'b'], 'input');
  const [attrs, count, common] = settings(who, tensors.x, options);
  const made = await run(who, { ...tensors, count }, attrs, common);
  return {
    y: floatTensor('y', made.y),
    mean: floatTensor('mean', made.mean),
    var: floatTensor('var', made.var),
  };
}

/**
 * Gradients of {@link batchNorm} with respect to its inputs.
 * @param tensors The gradient gy and the input x [N, C, H, W]; mean and var, which batchNorm gave, and
 *   the weight w, if there was one, [C].
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other.
 * @throws DTypeError for element types other than f32.
 */
export async function batchNormGrad(
  tensors: {
    gy: FloatTensor;
    x: FloatTensor;
    mean: FloatTensor;
    var: FloatTensor;
    w?: FloatTensor;
  },
  options: BatchNormOptions = {},
): Promise<BatchNormGrads> {
  const who = 'batchNormGrad';
  checkNames(who, tensors, ['gy', 'x', 'mean', 'var', 'w'], 'input');
  const [attrs, count, common] = settings(who, tensors.x, options);
  return gradsOf(await run(who, { ...tensors, count }, attrs, common));
}

/**
 * (x - mean) / sqrt(var + eps) * w + b with a mean and a variance that are given.
 * @param tensors x [N, C, H, W]; mean and var, [C]; weight w and bias b, [C], ones and zeros where they
 *   are absent. b takes w.
 * @returns [N, C, H, W]
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other.
 * @throws DTypeError for element types other than f32.
 */
export async function batchNormInference(
  tensors: {
    x: FloatTensor;
    mean: FloatTensor;
    var: FloatTensor;
    w?: FloatTensor;
    b?: FloatTensor;
  },
  options: BatchNormInferenceOptions = {},
): Promise<FloatTensor> {
  const who = 'batchNormInference';
  checkNames(who, tensors, ['x', 'mean', 'var', 'w', 'b'], 'input');
  const [attrs, , common] = settings(who, tensors.x, options);
  return floatTensor('y', (await run(who, tensors, attrs, common)).y);
}

/**
 * Gradients of {@link batchNormInference} with respect to x, weight and bias.
 * @param tensors The gradient gy and the input x [N, C, H, W]; mean, var and the weight w, if there was
 *   one, [C].
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other.
 * @throws DTypeError for element types other than f32.
 */
export async function batchNormInferenceGrad(
  tensors: {
    gy: FloatTensor;
    x: FloatTensor;
    mean: FloatTensor;
    var: FloatTensor;
    w?: FloatTensor;
  },
  options: BatchNormInferenceOptions = {},
): Promise<BatchNormGrads> {
  const who = 'batchNormInferenceGrad';
  checkNames(who, tensors, ['gy', 'x', 'mean', 'var', 'w'], 'input');
  const [attrs, , common] = settings(who, tensors.x, options);
  return gradsOf(await run(who, tensors, attrs, common));
}

function gradsOf(made: Readonly<Record<string, HostTensor>>): BatchNormGrads {
  return {
    gx: floatTensor('gx', made.gx),
    gw: floatTensor('gw', made.gw),
    gb: floatTensor('gb', made.gb),
  };
}

/** Settings of {@link batchNormUpdate}. */
export interface BatchNormUpdateOptions extends OpOptions {
  /** Rows of the batch. */
  count: number;
  /** Values of each channel in a row: height times width. */
  pixels: number;
  /** Share of the batch in the running statistics; null for the mean over all. 0.1 by default. */
  momentum?: number | null;
}

/**
 * Moves running statistics towards those of a batch.
 * @param tensors mean and var of the batch, as {@link batchNorm} gives them, runningMean and runningVar,
 *   [C]; numBatches, a single i32 number, which a momentum of null takes.
 * @returns The new values of runningMean, runningVar and numBatches.
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other.
 * @throws DTypeError for element types other than stated.
 */
export async function batchNormUpdate(
  tensors: {
    mean: FloatTensor;
    var: FloatTensor;
    runningMean: FloatTensor;
    runningVar: FloatTensor;
    numBatches?: HostTensor<Int32Array>;
  },
  options: BatchNormUpdateOptions,
): Promise<{
  runningMean: FloatTensor;
  runningVar: FloatTensor;
  numBatches?: HostTensor<Int32Array>;
}> {
  const who = 'batchNormUpdate';
  checkNames(who, tensors, ['mean', 'var', 'runningMean', 'runningVar', 'numBatches'], 'input');
  const [own, common] = splitOptions(who, options, ['count', 'pixels', 'momentum']);
  const { momentum = 0.1 } = own;
  checkBatchNormNumbers(who, 0, momentum);
  const count = checkInteger(who, 'count', own.count, 1, 2 ** 31 - 1);
  const attrs = {
    momentum: momentum ?? 0,
    cumulative: momentum === null,
    pixels: checkInteger(who, 'pixels', own.pixels, 1),
  };
  const { runningMean, runningVar, numBatches } = await run(
    who,
    { ...tensors, count },
    attrs,
    common,
  );
  const updated = {
    runningMean: floatTensor('runningMean', runningMean),
    runningVar: floatTensor('runningVar', runningVar),
  };
  if (numBatches === undefined) return updated;
  if (!(numBatches.data instanceof Int32Array)) {
    throw new ArgumentError(`${who} expects numBatches to be an Int32Array`);
  }
  return { ...updated, numBatches: { data: numBatches.data, shape: numBatches.shape } };
}
