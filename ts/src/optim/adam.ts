/**
 * Owns Adam (Kingma and Ba, 2015) and AdamW (Loshchilov and Hutter, 2019). Formulas and defaults:
 * torch.optim.Adam, torch.optim.AdamW. State: exp_avg.<parameter>, exp_avg_sq.<parameter>.
 */
import { ArgumentError } from '../errors.js';
import { checkNumber, show } from '../graph/arguments.js';
import type { StepContext } from '../graph/steps.js';
import { Optimizer, type Trained } from './options.js';

/** Options of {@link Adam} and {@link AdamW}. */
export interface AdamOptions {
  /** Learning rate; 0.001 by default. */
  lr?: number;
  /** Decay of the running means of the gradient and of its square; [0.9, 0.999] by default. */
  betas?: readonly [number, number];
  /** Added to the denominator; 1e-8 by default. */
  eps?: number;
  /** Weight decay; 0 by default, 0.01 for AdamW. */
  weightDecay?: number;
}

function checkAdam(who: string): (options: Required<AdamOptions>) => void {
  return ({ lr, betas, eps, weightDecay }) => {
    checkNumber(who, 'lr', lr, { min: 0 });
    checkNumber(who, 'eps', eps, { min: 0 });
    checkNumber(who, 'weightDecay', weightDecay, { min: 0 });
    if (!Array.isArray(betas) || betas.length !== 2) {
      throw new ArgumentError(`${who} expects betas to be two numbers, got ${show(betas)}`);
    }
    for (const [index, beta] of betas.entries()) {
      checkNumber(who, `betas[${index}]`, beta, { min: 0, below: 1 });
    }
  };
}

abstract class AdamBase extends Optimizer<Required<AdamOptions>> {
  readonly #decoupled: boolean;

  protected constructor(
    who: string,
    params: Trained<AdamOptions>,
    options: AdamOptions,
    weightDecay: number,
    decoupled: boolean,
  ) {
    const defaults = { lr: 0.001, betas: [0.9, 0.999] as const, eps: 1e-8, weightDecay };
    super(who, params, options, defaults, checkAdam(who));
    this.#decoupled = decoupled;
  }

  /** @internal */
  override emitStep(context: StepContext): void {
    const { parameter, gradient, step, lr } = context;
    const { betas, eps, weightDecay } = this.groupOptions(context.group);
    const m = context.state('exp_avg');
    const v = context.state('exp_avg_sq');
    const [beta1, beta2] = betas;
    const attrs = { beta1, beta2, eps, weightDecay, decoupled: this.#decoupled };
    context.emit('adamStep', [parameter, gradient, m, v, step, lr], attrs);
  }
}

/**
 * Adam, with bias correction. Weight decay is added to the gradient.
 * @throws ArgumentError for unknown options, values out of range, or a parameter given twice.
 */
export class Adam extends AdamBase {
  constructor(params: Trained<AdamOptions>, options: AdamOptions = {}) {
    super('Adam', params, options, 0, false);
  }
}

/**
 * Adam with decoupled weight decay: parameters shrink by lr * weightDecay in each step.
 * @throws ArgumentError for unknown options, values out of range, or a parameter given twice.
 */
export class AdamW extends AdamBase {
  constructor(params: Trained<AdamOptions>, options: AdamOptions = {}) {
    super('AdamW', params, options, 0.01, true);
  }
}
