/**
 * Owns Adam (Kingma and Ba, 2015) and AdamW (Loshchilov and Hutter, 2019). Formulas and defaults:
 * torch.optim.Adam, torch.optim.AdamW. State: exp_avg.<parameter>, exp_avg_sq.<parameter>.
 */

import { type AdamSettings, adamAttrs, adamDefaults, checkAdam } from '../graph/ops/optimizer.js';
import type { StepContext } from '../graph/step-rule.js';
import { Optimizer, type Trained } from './optimizer.js';

/** Options of {@link Adam} and {@link AdamW}. */
export interface AdamOptions extends AdamSettings {
  /** PyTorch's default, the only one there is: the largest running mean is not kept. */
  amsgrad?: false;
  /** PyTorch's default, the only one there is: the loss is minimised. */
  maximize?: false;
}

abstract class AdamBase extends Optimizer<Required<AdamSettings>> {
  readonly #decoupled: boolean;

  protected constructor(
    who: string,
    params: Trained<AdamOptions>,
    options: AdamOptions,
    weightDecay: number,
    decoupled: boolean,
  ) {
    super(who, params, options, {
      defaults: { ...adamDefaults, weightDecay },
      alwaysFalse: ['amsgrad', 'maximize'],
      check: (settings) => checkAdam(who, settings),
    });
    this.#decoupled = decoupled;
  }

  /** @internal */
  override emitStep(context: StepContext): void {
    const { parameter, gradient, step, lr } = context;
    const m = context.state('exp_avg');
    const v = context.state('exp_avg_sq');
    const attrs = adamAttrs(this.groupOptions(context.group), this.#decoupled);
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
