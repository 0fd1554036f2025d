/**
 * Owns the optimizers, a row each: settings as users write them, with defaults and checks, state and
 * attributes. Their operations are made from the rows. Formulas and defaults are torch.optim's.
 */
import { checkBoolean, checkNumber, show } from '../../arguments.js';
import { ArgumentError } from '../../errors.js';
import {
  type AttrKind,
  checkSameShape,
  f32,
  i32,
  inputShape,
  type Operation,
  optionalF32,
  type Slot,
} from '../operation.js';
import type { Attrs } from '../spec.js';

/** Settings of a step of Adam. */
export interface AdamSettings {
  /** Learning rate, 0 or above; 0.001 by default. */
  lr?: number;
  /**
   * Decay of the running means of the gradient and of its square, each from 0 to below 1;
   * [0.9, 0.999] by default.
   */
  betas?: readonly [number, number];
  /** Added to the denominator, 0 or above; 1e-8 by default. */
  eps?: number;
  /** Weight decay, 0 or above; 0 by default, 0.01 for `AdamW`. */
  weightDecay?: number;
}

/** Settings of a step of stochastic gradient descent. */
export interface SgdSettings {
  /** Learning rate, 0 or above; 0.001 by default. */
  lr?: number;
  /** Part of the last update that is kept, 0 or above; 0 by default. */
  momentum?: number;
  /** Part of the gradient that momentum leaves out; 0 by default. */
  dampening?: number;
  /** Weight decay, added to the gradient, 0 or above; 0 by default. */
  weightDecay?: number;
  /** Nesterov's momentum; false by default. It takes momentum and no dampening. */
  nesterov?: boolean;
}

/** Settings of a step of RMSprop. */
export interface RmspropSettings {
  /** Learning rate, 0 or above; 0.01 by default. */
  lr?: number;
  /** Decay of the running mean of the gradient's square, from 0 to 1; 0.99 by default. */
  alpha?: number;
  /** Added to the denominator, 0 or above; 1e-8 by default. */
  eps?: number;
  /** Weight decay, added to the gradient, 0 or above; 0 by default. */
  weightDecay?: number;
  /** Part of the last update that is kept, 0 or above; 0 by default. */
  momentum?: number;
  /** Whether the gradient is divided by its estimated deviation; false by default. */
  centered?: boolean;
}

/** One tensor of an optimizer's state, of the parameter's shape. */
export interface OptimizerState {
  /** Name among the operation's inputs. */
  readonly slot: string;
  /** Name in checkpoints, PyTorch's, before the parameter's. */
  readonly name: string;
  /** There exactly where this attribute is neither 0 nor false; always where absent. */
  readonly when?: string;
}

/** An optimizer, declared once: its operation, its class and its single call are made from it. */
export interface OptimizerRow<Settings extends { lr: number }> {
  readonly states: readonly OptimizerState[];
  /** Every setting, with its default. */
  readonly defaults: Settings;
  /** @throws ArgumentError where a setting is out of its range, or does not go with another. */
  check(who: string, settings: Settings): void;
  /** Attributes, numbers and booleans; the learning rate is an input. */
  attrs(settings: Omit<Settings, 'lr'>): Attrs;
}

/** Largest f32: kernels compute in it, and what is above would be infinite there. */
const largest = 2 ** 128 - 2 ** 104;

const adam = {
  states: [
    { slot: 'm', name: 'exp_avg' },
    { slot: 'v', name: 'exp_avg_sq' },
  ],
  defaults: { lr: 0.001, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0, decoupled: false },
  check(who, { lr, betas, eps, weightDecay, decoupled }) {
    checkNumber(who, 'eps', eps, { min: 0, max: largest });
    checkNumber(who, 'weightDecay', weightDecay, { min: 0, max: largest });
    if (!Array.isArray(betas) || betas.length !== 2) {
      throw new ArgumentError(`${who} expects betas to be two numbers, got ${show(betas)}`);
    }
    for (const [index, beta] of betas.entries()) {
      checkNumber(who, `betas[${index}]`, beta, { min: 0, below: 1 });
    }
    // The first step divides it by 1 - beta1, for the bias correction.
    checkNumber(who, 'lr', lr, { min: 0, max: largest * (1 - betas[0]) });
    checkBoolean(who, 'decoupled', decoupled);
  },
  attrs({ betas: [beta1, beta2], eps, weightDecay, decoupled }) {
    return { beta1, beta2, eps, weightDecay, decoupled };
  },
} as const satisfies OptimizerRow<Required<AdamSettings> & { decoupled: boolean }>;

const sgd = {
  states: [{ slot: 'momentumBuffer', name: 'momentum_buffer', when: 'momentum' }],
  defaults: { lr: 0.001, momentum: 0, dampening: 0, weightDecay: 0, nesterov: false },
  check(who, { lr, momentum, dampening, weightDecay, nesterov }) {
    checkNumber(who, 'lr', lr, { min: 0, max: largest });
    checkNumber(who, 'momentum', momentum, { min: 0, max: largest });
    checkNumber(who, 'dampening', dampening, { min: -largest, max: largest });
    checkNumber(who, 'weightDecay', weightDecay, { min: 0, max: largest });
    if (checkBoolean(who, 'nesterov', nesterov) && (momentum === 0 || dampening !== 0)) {
      throw new ArgumentError(
        `${who} takes nesterov with a momentum above 0 and no dampening, got momentum ` +
          `${momentum} and dampening ${dampening}`,
      );
    }
  },
  attrs({ momentum, dampening, nesterov, weightDecay }) {
    return { momentum, dampening, nesterov, weightDecay };
  },
} as const satisfies OptimizerRow<Required<SgdSettings>>;

const rmsprop = {
  states: [
    { slot: 'square', name: 'square_avg' },
    { slot: 'momentumBuffer', name: 'momentum_buffer', when: 'momentum' },
    { slot: 'mean', name: 'grad_avg', when: 'centered' },
  ],
  defaults: { lr: 0.01, alpha: 0.99, eps: 1e-8, weightDecay: 0, momentum: 0, centered: false },
  check(who, { lr, alpha, eps, weightDecay, momentum, centered }) {
    checkNumber(who, 'lr', lr, { min: 0, max: largest });
    checkNumber(who, 'alpha', alpha, { min: 0, max: 1 });
    checkNumber(who, 'eps', eps, { min: 0, max: largest });
    checkNumber(who, 'weightDecay', weightDecay, { min: 0, max: largest });
    checkNumber(who, 'momentum', momentum, { min: 0, max: largest });
    checkBoolean(who, 'centered', centered);
  },
  attrs({ alpha, eps, weightDecay, momentum, centered }) {
    return { alpha, eps, weightDecay, momentum, centered };
  },
} as const satisfies OptimizerRow<Required<RmspropSettings>>;

/** The optimizers, by the name of their operation. */
export const optimizers = { adamStep: adam, sgdStep: sgd, rmspropStep: rmsprop };

/** Name of an optimizer's operation. */
export type OptimizerName = keyof typeof optimizers;

/** All settings of an optimizer's operation. */
export type OptimizerSettings<Name extends OptimizerName> = Parameters<
  (typeof optimizers)[Name]['check']
>[1];

/** The row of an optimizer, without what sets it apart. */
export function optimizerRow<Settings extends { lr: number }>(
  name: OptimizerName,
): OptimizerRow<Settings> {
  return optimizers[name] as unknown as OptimizerRow<Settings>;
}

/** The tensors of state that there are with these attributes, in the order of the inputs. */
export function optimizerStates(name: OptimizerName, attrs: Attrs): readonly OptimizerState[] {
  return optimizerRow(name).states.filter(({ when }) => when === undefined || attrs[when]);
}

const learningRate: Slot = { name: 'lr', dtypes: ['f64'] };

/** Parameter, gradient, state..., step, learning rate. */
function operation(name: OptimizerName): Operation {
  const { states, defaults, attrs } = optimizerRow<{ lr: number }>(name);
  const kinds = Object.entries(attrs(defaults)).map(([key, value]): [string, AttrKind] => {
    return [key, typeof value === 'boolean' ? 'boolean' : 'number'];
  });
  const slots = states.map(({ slot, when }): Slot => {
    return when === undefined ? f32(slot) : { ...optionalF32(slot), when };
  });
  return {
    inputs: [f32('p'), f32('g'), ...slots, i32('step'), learningRate],
    outputs: [],
    attrs: Object.fromEntries(kinds),
    updates: [0, ...states.map((_, index) => index + 2)],
    infer: (c) => {
      const names = ['g', ...optimizerStates(name, c.attrs).map(({ slot }) => slot)];
      if (c.inputs.length !== names.length + 3) {
        throw new ArgumentError(
          `${c.who} expects ${names.length + 3} inputs with these attributes, got ${c.inputs.length}`,
        );
      }
      for (const [index, input] of names.entries()) {
        checkSameShape(c.who, input, inputShape(c, index + 1), inputShape(c, 0));
      }
      return [];
    },
    gradient: null,
  };
}

export const optimizerOps = Object.fromEntries(
  Object.keys(optimizers).map((name) => [name, operation(name as OptimizerName)]),
) as Record<OptimizerName, Operation>;
