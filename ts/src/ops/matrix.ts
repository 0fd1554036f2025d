/** Owns linear layers and matrix products as single operations on host tensors. */
import { checkBoolean, checkNumber } from '../arguments.js';
import { type OpOptions, run, splitOptions } from './run.js';
import {
  type FloatTensor,
  floatTensor,
  type WeightGradOptions,
  type WeightGrads,
  weightGrads,
} from './tensors.js';

/**
 * y = x w' + b.
 * @param x [N, in]
 * @param w [out, in]
 * @param b [out]
 * @returns [N, out]
 * @throws {ArgumentError} What should be a tensor is none, or an option is unknown or out of range.
 * @throws {ShapeError} Sizes do not fit each other, or not the number of values.
 * @throws {DTypeError} A tensor has another element type than stated; f32 where none is.
 */
export async function linear(
  x: FloatTensor,
  w: FloatTensor,
  b?: FloatTensor,
  options: OpOptions = {},
): Promise<FloatTensor> {
  const [, common] = splitOptions('linear', options);
  return floatTensor('y', (await run('linear', { x, w, b }, {}, common)).y);
}

/**
 * Gradient of {@link linear} with respect to its input.
 * @param gy [N, out]
 * @param w [out, in]
 * @returns [N, in]
 * @throws {ArgumentError} What should be a tensor is none, or an option is unknown or out of range.
 * @throws {ShapeError} Sizes do not fit each other, or not the number of values.
 * @throws {DTypeError} A tensor has another element type than stated; f32 where none is.
 */
export async function linearInputGrad(
  gy: FloatTensor,
  w: FloatTensor,
  options: OpOptions = {},
): Promise<FloatTensor> {
  const [, common] = splitOptions('linearInputGrad', options);
  return floatTensor('gx', (await run('linearInputGrad', { gy, w }, {}, common)).gx);
}

/**
 * Gradients of {@link linear} with respect to its weight and, unless `bias` is false, to its bias.
 * @param x [N, in]
 * @param gy [N, out]
 * @returns gw [out, in] and gb [out]
 * @throws {ArgumentError} What should be a tensor is none, or an option is unknown or out of range.
 * @throws {ShapeError} Sizes do not fit each other, or not the number of values.
 * @throws {DTypeError} A tensor has another element type than stated; f32 where none is.
 */
export async function linearWeightGrad<Bias extends boolean = true>(
  x: FloatTensor,
  gy: FloatTensor,
  options: OpOptions & WeightGradOptions<Bias> = {},
): Promise<WeightGrads<Bias>> {
  const who = 'linearWeightGrad';
  const [{ bias }, common] = splitOptions(who, options, ['bias']);
  return weightGrads(who, bias, (outputs) => run(who, { x, gy }, {}, { ...common, outputs }));
}

/** Options of {@link gemm}. */
export interface GemmOptions extends OpOptions {
  /** Whether a is used transposed; false by default. */
  transposeA?: boolean;
  /** Whether b is used transposed; false by default. */
  transposeB?: boolean;
  /** Factor of the product; 1 by default. */
  alpha?: number;
}

/**
 * alpha a b, with a and b transposed where asked for.
 * @param a [M, K], or [K, M] with `transposeA`
 * @param b [K, N], or [N, K] with `transposeB`
 * @returns [M, N]
 * @throws {ArgumentError} What should be a tensor is none, or an option is unknown or out of range.
 * @throws {ShapeError} Sizes do not fit each other, or not the number of values.
 * @throws {DTypeError} A tensor has another element type than stated; f32 where none is.
 */
export async function gemm(
  a: FloatTensor,
  b: FloatTensor,
  options: GemmOptions = {},
): Promise<FloatTensor> {
  const [own, common] = splitOptions('gemm', options, ['transposeA', 'transposeB', 'alpha']);
  const attrs = {
    transposeA: checkBoolean('gemm', 'transposeA', own.transposeA ?? false),
    transposeB: checkBoolean('gemm', 'transposeB', own.transposeB ?? false),
    alpha: checkNumber('gemm', 'alpha', own.alpha ?? 1),
  };
  return floatTensor('y', (await run('gemm', { a, b }, attrs, common)).y);
}
