/**
 * Single operations on host tensors `{ data, shape }`, each through the same machinery as whole
 * networks. They are for tests and experiments: every call copies its tensors to the device and
 * back.
 */
import { checkBoolean, checkInteger, checkNumber, checkOptions } from '../graph/arguments.js';
import type { Shape } from '../graph/shapes.js';
import { type OpOptions, run } from './run.js';
import { type FloatTensor, floatTensor, type HostTensor } from './tensors.js';

export { clearCache } from './cache.js';
export { type OpInputs, type OpOptions, type RunOptions, run } from './run.js';
export type { FloatTensor, HostTensor } from './tensors.js';
export {
  adaptiveAvgPool2d,
  adaptiveAvgPool2dGrad,
  avgPool2d,
  avgPool2dGrad,
  conv2d,
  conv2dInputGrad,
  conv2dWeightGrad,
  type DropoutOptions,
  dropout,
  dropoutGrad,
  maxPool2d,
  maxPool2dGrad,
} from './windows.js';

/** Bytes to floats: (x / 255 - mean) / std for each channel of x [N, C, H, W]. */
export async function toFloat(
  x: HostTensor<Uint8Array>,
  mean: readonly number[],
  std: readonly number[],
  options: OpOptions = {},
): Promise<FloatTensor> {
  return floatTensor('y', (await run('toFloat', { x }, { mean, std }, options)).y);
}

/** y = x w' + b for x [N, in], w [out, in] and an optional b [out]. */
export async function linear(
  x: FloatTensor,
  w: FloatTensor,
  b?: FloatTensor,
  options: OpOptions = {},
): Promise<FloatTensor> {
  return floatTensor('y', (await run('linear', { x, w, b }, {}, options)).y);
}

/** Gradient of {@link linear} by its input. */
export async function linearInputGrad(
  gy: FloatTensor,
  w: FloatTensor,
  options: OpOptions = {},
): Promise<FloatTensor> {
  return floatTensor('gx', (await run('linearInputGrad', { gy, w }, {}, options)).gx);
}

/** Gradients of {@link linear} by its weight and its bias. */
export async function linearWeightGrad(
  x: FloatTensor,
  gy: FloatTensor,
  options: OpOptions = {},
): Promise<{ gw: FloatTensor; gb: FloatTensor }> {
  const { gw, gb } = await run('linearWeightGrad', { x, gy }, {}, options);
  return { gw: floatTensor('gw', gw), gb: floatTensor('gb', gb) };
}

/** Options of {@link gemm}. */
export interface GemmOptions extends OpOptions {
  /** Whether a is used transposed. */
  transposeA?: boolean;
  /** Whether b is used transposed. */
  transposeB?: boolean;
  /** Factor of the product; 1 by default. */
  alpha?: number;
}

/** alpha a b for a [M, K] and b [K, N], each transposed where asked for. */
export async function gemm(
  a: FloatTensor,
  b: FloatTensor,
  options: GemmOptions = {},
): Promise<FloatTensor> {
  const { transposeA = false, transposeB = false, alpha = 1, ...common } = options;
  checkBoolean('gemm', 'transposeA', transposeA);
  checkBoolean('gemm', 'transposeB', transposeB);
  checkNumber('gemm', 'alpha', alpha);
  const attrs = { transposeA, transposeB, alpha };
  return floatTensor('y', (await run('gemm', { a, b }, attrs, common)).y);
}

/** max(x, 0), element by element. */
export async function relu(x: FloatTensor, options: OpOptions = {}): Promise<FloatTensor> {
  return floatTensor('y', (await run('relu', { x }, {}, options)).y);
}

/** Gradient of {@link relu} by its input, from its output y. */
export async function reluGrad(
  gy: FloatTensor,
  y: FloatTensor,
  options: OpOptions = {},
): Promise<FloatTensor> {
  return floatTensor('gx', (await run('reluGrad', { gy, y }, {}, options)).gx);
}

/** 1 / (1 + exp(-x)), element by element. */
export async function sigmoid(x: FloatTensor, options: OpOptions = {}): Promise<FloatTensor> {
  return floatTensor('y', (await run('sigmoid', { x }, {}, options)).y);
}

/** Gradient of {@link sigmoid} by its input, from its output y. */
export async function sigmoidGrad(
  gy: FloatTensor,
  y: FloatTensor,
  options: OpOptions = {},
): Promise<FloatTensor> {
  return floatTensor('gx', (await run('sigmoidGrad', { gy, y }, {}, options)).gx);
}

/** The same values in another shape. */
export async function reshape(
  x: FloatTensor,
  shape: Shape,
  options: OpOptions = {},
): Promise<FloatTensor> {
  const settings = { ...options, shapes: { y: shape } };
  return floatTensor('y', (await run('reshape', { x }, {}, settings)).y);
}

/** a + b, element by element, for tensors of one shape. */
export async function add(
  a: FloatTensor,
  b: FloatTensor,
  options: OpOptions = {},
): Promise<FloatTensor> {
  return floatTensor('y', (await run('add', { a, b }, {}, options)).y);
}

/** exp(x) / sum(exp(x)) of each row of x [N, C]. */
export async function softmax(x: FloatTensor, options: OpOptions = {}): Promise<FloatTensor> {
  return floatTensor('y', (await run('softmax', { x }, {}, options)).y);
}

/** Options of {@link softmaxCrossEntropy}. */
export interface SoftmaxCrossEntropyOptions extends OpOptions {
  reduction?: 'mean' | 'sum';
  /** Rows that are real; the rest are padding and contribute nothing. All by default. */
  count?: number;
}

/**
 * Cross entropy of logits [N, C] and labels i32 [N]; how many rows' largest logit is the label's; and
 * the gradient of the loss by the logits.
 */
export async function softmaxCrossEntropy(
  logits: FloatTensor,
  labels: HostTensor<Int32Array>,
  options: SoftmaxCrossEntropyOptions = {},
): Promise<{ loss: number; correct: number; gradLogits: FloatTensor }> {
  const who = 'softmaxCrossEntropy';
  const { reduction = 'mean', count = labels?.data?.length, ...common } = options;
  checkInteger(who, 'count', count, 1);
  const attrs = { reduction: ['mean', 'sum'].indexOf(reduction) };
  const { loss, correct, gradLogits } = await run(who, { logits, labels, count }, attrs, common);
  return {
    loss: Number(loss?.data[0]),
    correct: Number(correct?.data[0]),
    gradLogits: floatTensor('gradLogits', gradLogits),
  };
}

/** Settings of {@link adamStep}; defaults as in optim.Adam. */
export interface AdamStepOptions extends OpOptions {
  /** Number of the step, from 1. */
  step: number;
  lr?: number;
  betas?: readonly [number, number];
  eps?: number;
  weightDecay?: number;
  /** Whether weight decay is decoupled from the gradient, as in AdamW. */
  decoupled?: boolean;
}

/** One step of Adam on a parameter p with gradient g and state m, v; returns the new values. */
export async function adamStep(
  tensors: { p: FloatTensor; g: FloatTensor; m: FloatTensor; v: FloatTensor },
  options: AdamStepOptions,
): Promise<{ p: FloatTensor; m: FloatTensor; v: FloatTensor }> {
  const { step, lr = 0.001, betas = [0.9, 0.999], eps = 1e-8, ...others } = options;
  const { weightDecay = 0, decoupled = false, ...common } = others;
  checkInteger('adamStep', 'step', step, 1);
  const [beta1, beta2] = betas;
  const attrs = { beta1, beta2, eps, weightDecay, decoupled };
  checkOptions('adamStep', tensors, ['p', 'g', 'm', 'v']);
  const { p, m, v } = await run('adamStep', { ...tensors, step, lr }, attrs, common);
  return { p: floatTensor('p', p), m: floatTensor('m', m), v: floatTensor('v', v) };
}

/** Settings of {@link sgdStep}; defaults as in optim.SGD. */
export interface SgdStepOptions extends OpOptions {
  /** Number of the step, from 1. */
  step: number;
  lr?: number;
  momentum?: number;
  dampening?: number;
  nesterov?: boolean;
  weightDecay?: number;
}

/**
 * One step of SGD on a parameter p with gradient g and, with momentum, its buffer; returns the new
 * values.
 */
export async function sgdStep(
  tensors: { p: FloatTensor; g: FloatTensor; momentumBuffer?: FloatTensor },
  options: SgdStepOptions,
): Promise<{ p: FloatTensor; momentumBuffer?: FloatTensor }> {
  const { step, lr = 0.001, momentum = 0, dampening = 0, ...others } = options;
  const { nesterov = false, weightDecay = 0, ...common } = others;
  checkInteger('sgdStep', 'step', step, 1);
  const attrs = { momentum, dampening, nesterov, weightDecay };
  checkOptions('sgdStep', tensors, ['p', 'g', 'momentumBuffer']);
  const { p, momentumBuffer } = await run('sgdStep', { ...tensors, step, lr }, attrs, common);
  const result = { p: floatTensor('p', p) };
  if (momentumBuffer === undefined) return result;
  return { ...result, momentumBuffer: floatTensor('momentumBuffer', momentumBuffer) };
}
