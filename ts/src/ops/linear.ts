/** Owns linear layers and matrix products as single operations on host tensors. */
import { checkBoolean, checkNumber } from '../arguments.js';
import { type OpOptions, run, single, splitOptions } from './run.js';
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
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than stated; f32 where none is.
 */
export function linear(
  x: FloatTensor,
  w: FloatTensor,
  b?: FloatTensor,
  options: OpOptions = {},
): Promise<FloatTensor> {
  return single('linear', { x, w, b }, options);
}

/**
 * Gradient of {@link linear} with respect to its input.
 * @param gy [N, out]
 * @param w [out, in]
 * @returns [N, in]
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than stated; f32 where none is.
 */
export function linearInputGrad(
  gy: FloatTensor,
  w: FloatTensor,
  options: OpOptions = {},
): Promise<FloatTensor> {
  return single('linearInputGrad', { gy, w }, options);
}

/**
 * Gradients of {@link linear} with respect to its weight and, unless `bias` is false, to its bias.
 * @param x [N, in]
 * @param gy [N, out]
 * @returns gw [out, in] and gb [out]
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than stated; f32 where none is.
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
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than stated; f32 where none is.
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
