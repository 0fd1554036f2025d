/** Owns group normalisation as single operations on host tensors. */
import { checkInteger, checkNames } from '../arguments.js';
import { normEps } from '../graph/ops/normalisation.js';
import { type OpOptions, run, splitOptions } from './run.js';
import { type FloatTensor, floatTensor } from './tensors.js';

/** Options of {@link groupNorm} and its gradient. */
export interface GroupNormOptions extends OpOptions {
  /** What is added to the variance; 1e-5 by default, at least 0. */
  eps?: number;
}

function settings(who: string, groups: number, options: GroupNormOptions) {
  const [{ eps }, common] = splitOptions(who, options, ['eps']);
  const numbers = {
    groups: checkInteger(who, 'groups', groups, 1),
    eps: normEps(who, eps === undefined ? {} : { eps }),
  };
  return [numbers, common] as const;
}

/**
 * (x - mean) * rstd * w + b, mean and rstd = 1 / sqrt(variance + eps) being those of each group of
 * neighbouring channels in each row.
 * @param tensors x [N, C] or [N, C, H, W]; weight w and bias b, [C], ones and zeros where they are
 *   absent. b takes w.
 * @param groups Number of groups; it divides C.
 * @returns y of the shape of x; mean and rstd [N, groups].
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than f32.
 */
export async function groupNorm(
  tensors: { x: FloatTensor; w?: FloatTensor; b?: FloatTensor },
  groups: number,
  options: GroupNormOptions = {},
): Promise<{ y: FloatTensor; mean: FloatTensor; rstd: FloatTensor }> {
  const who = 'groupNorm';
  checkNames(who, tensors, ['x', 'w', 'b'], 'input');
  const made = await run(who, tensors, ...settings(who, groups, options));
  return {
    y: floatTensor('y', made.y),
    mean: floatTensor('mean', made.mean),
    rstd: floatTensor('rstd', made.rstd),
  };
}

/**
 * Gradients of {@link groupNorm} with respect to its inputs.
 * @param tensors The gradient gy and the input x; mean and rstd, which groupNorm gave, and the weight
 *   w, if there was one, [C].
 * @param groups Number of groups; it divides C.
 * @returns gx of the shape of x; gw and gb [C].
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than f32.
 */
export async function groupNormGrad(
  tensors: {
    gy: FloatTensor;
    x: FloatTensor;
    mean: FloatTensor;
    rstd: FloatTensor;
    w?: FloatTensor;
  },
  groups: number,
  options: GroupNormOptions = {},
): Promise<{ gx: FloatTensor; gw: FloatTensor; gb: FloatTensor }> {
  const who = 'groupNormGrad';
  checkNames(who, tensors, ['gy', 'x', 'mean', 'rstd', 'w'], 'input');
  const made = await run(who, tensors, ...settings(who, groups, options));
  return {
    gx: floatTensor('gx', made.gx),
    gw: floatTensor('gw', made.gw),
    gb: floatTensor('gb', made.gb),
  };
}
