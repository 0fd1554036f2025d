/**
 * Owns the steps of optimizers as single operations on host tensors, which follow from the rows of
 * graph/ops/optimizer.ts.
 */
import { checkInteger, checkNames } from '../arguments.js';
import {
  type OptimizerName,
  type OptimizerSettings,
  optimizerOps,
  optimizerRow,
  type optimizers,
} from '../graph/ops/optimizer.js';
import { type OpOptions, run, splitOptions } from './run.js';
import { type FloatTensor, floatTensor } from './tensors.js';

type StateOf<Name extends OptimizerName> = (typeof optimizers)[Name]['states'][number];

/** The state of an optimizer; what depends on settings may be absent. */
type States<Name extends OptimizerName> = {
  [State in StateOf<Name> as State extends { when: string } ? never : State['slot']]: FloatTensor;
} & {
  [State in StateOf<Name> as State extends { when: string } ? State['slot'] : never]?: FloatTensor;
};

/** Settings of an optimizer's step. */
export type StepOptions<Name extends OptimizerName> = OpOptions &
  Partial<OptimizerSettings<Name>> & {
    /** Number of the step, from 1. */
    step: number;
  };

/**
 * One step of an optimizer (formulas: torch.optim). Each takes the parameter p, its gradient g and
 * the state that its settings ask for, all of one shape, and returns the new values of p and of the
 * state.
 *
 * Errors: ArgumentError for what is no tensor, for state that is missing or not asked for, and for
 * options unknown or out of range; ShapeError for sizes that do not fit each other, or not the
 * number of values; DTypeError for another element type than f32.
 */
export type StepCalls = {
  readonly [Name in OptimizerName]: (
    tensors: { p: FloatTensor; g: FloatTensor } & States<Name>,
    options: StepOptions<Name>,
  ) => Promise<{ p: FloatTensor } & States<Name>>;
};

type Options = OpOptions & { readonly [setting: string]: unknown };

async function call(
  name: OptimizerName,
  tensors: Readonly<Record<string, FloatTensor>>,
  options: Options,
): Promise<Record<string, FloatTensor>> {
  const tensorNames = optimizerOps[name].inputs.slice(0, -2).map((slot) => slot.name);
  checkNames(name, tensors, tensorNames, 'input');
  const row = optimizerRow<{ lr: number }>(name);
  const [own, common] = splitOptions(name, options, ['step', ...Object.keys(row.defaults)]);
  const { step: number, ...given } = own as Record<string, unknown>;
  const step = checkInteger(name, 'step', number, 1, 2 ** 31 - 1);
  const present = Object.entries(given).filter(([, value]) => value !== undefined);
  const settings = { ...row.defaults, ...Object.fromEntries(present) };
  row.check(name, settings);
  const inputs = { ...tensors, step, lr: settings.lr };
  const updated = Object.entries(await run(name, inputs, row.attrs(settings), common));
  return Object.fromEntries(updated.map(([key, value]) => [key, floatTensor(key, value)]));
}

/** The steps, by name. */
export const stepCalls = Object.fromEntries(
  Object.keys(optimizerOps).map((name) => [
    name,
    (tensors: Readonly<Record<string, FloatTensor>>, options: Options) =>
      call(name as OptimizerName, tensors, options),
  ]),
) as unknown as StepCalls;
