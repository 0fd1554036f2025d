/** Owns the steps of optimizers as single operations on host tensors. */
import { checkBoolean, checkInteger, checkNames } from '../arguments.js';
import {
  type AdamSettings,
  adamAttrs,
  adamDefaults,
  checkAdam,
  checkSgd,
  optimizerOps,
  type SgdSettings,
  sgdAttrs,
  sgdDefaults,
} from '../graph/ops/optimizer.js';
import { type OpOptions, run, splitOptions } from './run.js';
import { type FloatTensor, floatTensor } from './tensors.js';

/** Names of the tensors that a step takes: those of its declaration, but for the scalars. */
function tensorNames(op: keyof typeof optimizerOps): string[] {
  return optimizerOps[op].inputs.slice(0, -2).map(({ name }) => name);
}

/** Names of settings: those that have a default. */
function namesOf<T extends object>(defaults: T): (keyof T & string)[] {
  return Object.keys(defaults) as (keyof T & string)[];
}

/** The settings given, and the defaults of those that are not. */
function withDefaults<T extends object>(defaults: T, given: Partial<T>): T {
  return Object.fromEntries(
    namesOf(defaults).map((name) => [
      name,
      given[name] === undefined ? defaults[name] : given[name],
    ]),
  ) as T;
}

/** Settings of {@link adamStep}. */
export interface AdamStepOptions extends OpOptions, AdamSettings {
  /** Number of the step, from 1. */
  step: number;
  /** Whether weight decay is decoupled from the gradient, as in AdamW; false by default. */
  decoupled?: boolean;
}

/**
 * One step of Adam (formula: torch.optim.Adam, or torch.optim.AdamW with `decoupled`).
 * @param tensors Parameter p, gradient g, and the running means of the gradient (m) and of its
 *   square (v), all of one shape.
 * @returns The new values of p, m and v.
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than stated; f32 where none is.
 */
export async function adamStep(
  tensors: { p: FloatTensor; g: FloatTensor; m: FloatTensor; v: FloatTensor },
  options: AdamStepOptions,
): Promise<{ p: FloatTensor; m: FloatTensor; v: FloatTensor }> {
  const who = 'adamStep';
  checkNames(who, tensors, tensorNames(who), 'input');
  const names = ['step', 'decoupled', ...namesOf(adamDefaults)] as const;
  const [own, common] = splitOptions(who, options, names);
  const step = checkInteger(who, 'step', own.step, 1, 2 ** 31 - 1);
  const decoupled = checkBoolean(who, 'decoupled', own.decoupled ?? false);
  const settings = withDefaults(adamDefaults, own);
  checkAdam(who, settings);
  const { lr } = settings;
  const attrs = adamAttrs(settings, decoupled);
  const { p, m, v } = await run(who, { ...tensors, step, lr }, attrs, common);
  return { p: floatTensor('p', p), m: floatTensor('m', m), v: floatTensor('v', v) };
}

/** Settings of {@link sgdStep}. */
export interface SgdStepOptions extends OpOptions, SgdSettings {
  /** Number of the step, from 1. */
  step: number;
}

/**
 * One step of stochastic gradient descent (formula: torch.optim.SGD).
 * @param tensors Parameter p, gradient g and, where momentum is not 0, its buffer, all of one shape.
 * @returns The new values of p and of the buffer.
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than stated; f32 where none is.
 */
export async function sgdStep(
  tensors: { p: FloatTensor; g: FloatTensor; momentumBuffer?: FloatTensor },
  options: SgdStepOptions,
): Promise<{ p: FloatTensor; momentumBuffer?: FloatTensor }> {
  const who = 'sgdStep';
  checkNames(who, tensors, tensorNames(who), 'input');
  const names = ['step', ...namesOf(sgdDefaults)] as const;
  const [own, common] = splitOptions(who, options, names);
  const step = checkInteger(who, 'step', own.step, 1, 2 ** 31 - 1);
  const settings = withDefaults(sgdDefaults, own);
  checkSgd(who, settings);
  const { lr } = settings;
  const attrs = sgdAttrs(settings);
  const { p, momentumBuffer } = await run(who, { ...tensors, step, lr }, attrs, common);
  const result = { p: floatTensor('p', p) };
  if (momentumBuffer === undefined) return result;
  return { ...result, momentumBuffer: floatTensor('momentumBuffer', momentumBuffer) };
}
