/**
 * Owns the steps of optimizers: settings as users write them, with defaults and checks, shapes.
 * Formulas and defaults: torch.optim.Adam, AdamW and SGD.
 */
import { checkBoolean, checkNumber, show } from '../../arguments.js';
import { ArgumentError } from '../../errors.js';
import {
  checkSameShape,
  f32,
  i32,
  inputShape,
  numberAttr,
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

export const adamDefaults: Required<AdamSettings> = {
  lr: 0.001,
  betas: [0.9, 0.999],
  eps: 1e-8,
  weightDecay: 0,
};

export const sgdDefaults: Required<SgdSettings> = {
  lr: 0.001,
  momentum: 0,
  dampening: 0,
  weightDecay: 0,
  nesterov: false,
};

/** Largest f32: kernels compute in it, and what is above would be infinite there. */
const largest = 2 ** 128 - 2 ** 104;

/** @throws ArgumentError where a setting is out of its range. */
export function checkAdam(who: string, settings: Required<AdamSettings>): void {
  const { lr, betas, eps, weightDecay } = settings;
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
}

/** @throws ArgumentError where a setting is out of its range, or does not go with another. */
export function checkSgd(who: string, settings: Required<SgdSettings>): void {
  const { lr, momentum, dampening, weightDecay, nesterov } = settings;
  checkNumber(who, 'lr', lr, { min: 0, max: largest });
  checkNumber(who, 'momentum', momentum, { min: 0, max: largest });
  checkNumber(who, 'dampening', dampening, { min: -largest, max: largest });
  checkNumber(who, 'weightDecay', weightDecay, { min: 0, max: largest });
  if (checkBoolean(who, 'nesterov', nesterov) && (momentum === 0 || dampening !== 0)) {
    throw new ArgumentError(
      `${who} takes nesterov with a momentum above 0 and no dampening, got momentum ${momentum} ` +
        `and dampening ${dampening}`,
    );
  }
}

/** Attributes of a step of Adam; the learning rate is an input. */
export function adamAttrs(
  { betas, eps, weightDecay }: Omit<Required<AdamSettings>, 'lr'>,
  decoupled: boolean,
): Attrs {
  const [beta1, beta2] = betas;
  return { beta1, beta2, eps, weightDecay, decoupled };
}

/** Attributes of a step of stochastic gradient descent; the learning rate is an input. */
export function sgdAttrs({
  momentum,
  dampening,
  nesterov,
  weightDecay,
}: Omit<Required<SgdSettings>, 'lr'>): Attrs {
  return { momentum, dampening, nesterov, weightDecay };
}

const learningRate: Slot = { name: 'lr', dtypes: ['f64'] };

export const optimizerOps = {
  adamStep: {
    inputs: [f32('p'), f32('g'), f32('m'), f32('v'), i32('step'), learningRate],
    outputs: [],
    attrs: {
      beta1: 'number',
      beta2: 'number',
      eps: 'number',
      weightDecay: 'number',
      decoupled: 'boolean',
    },
    updates: [0, 2, 3],
    infer: (c) => {
      for (const [index, name] of [
        [1, 'g'],
        [2, 'm'],
        [3, 'v'],
      ] as const) {
        checkSameShape(c.who, name, inputShape(c, index), inputShape(c, 0));
      }
      return [];
    },
    gradient: null,
  },
  sgdStep: {
    inputs: [f32('p'), f32('g'), optionalF32('momentumBuffer'), i32('step'), learningRate],
    outputs: [],
    attrs: {
      momentum: 'number',
      dampening: 'number',
      nesterov: 'boolean',
      weightDecay: 'number',
    },
    updates: [0, 2],
    infer: (c) => {
      checkSameShape(c.who, 'g', inputShape(c, 1), inputShape(c, 0));
      const [buffer] = c.inputs.slice(2, -2);
      if (buffer !== undefined) {
        checkSameShape(c.who, 'momentumBuffer', buffer.shape, inputShape(c, 0));
      }
      if ((numberAttr(c.attrs, 'momentum') !== 0) !== (buffer !== undefined)) {
        throw new ArgumentError(
          `${c.who} expects a momentumBuffer exactly where momentum is not 0`,
        );
      }
      return [];
    },
    gradient: null,
  },
} satisfies Record<string, Operation>;
