/**
 * Owns Adam (Kingma and Ba, 2015) and AdamW (Loshchilov and Hutter, 2019). Formulas and defaults:
 * torch.optim.Adam, torch.optim.AdamW. State: exp_avg.<parameter>, exp_avg_sq.<parameter>.
 */

import type { AdamSettings } from '../graph/ops/optimizer.js';
import { Optimizer, type Trained } from './optimizer.js';

/** Options of {@link Adam} and {@link AdamW}. */
export interface AdamOptions extends AdamSettings {
  /** PyTorch's default, the only one there is: the largest running mean is not kept. */
  amsgrad?: false;
  /** PyTorch's default, the only one there is: the loss is minimised. */
  maximize?: false;
}

const alwaysFalse = ['amsgrad', 'maximize'];

/**
 * Adam, with bias correction. Weight decay is added to the gradient.
 * @throws ArgumentError for unknown options, values out of range, or a parameter given twice.
 */
export class Adam extends Optimizer<Required<AdamSettings>> {
  constructor(params: Trained<AdamOptions>, options: AdamOptions = {}) {
    super('Adam', params, options, { op: 'adamStep', alwaysFalse, fixed: { decoupled: false } });
  }
}

/**
 * Adam with decoupled weight decay: parameters shrink by lr * weightDecay in each step.
 * @throws ArgumentError for unknown options, values out of range, or a parameter given twice.
 */
export class AdamW extends Optimizer<Required<AdamSettings>> {
  constructor(params: Trained<AdamOptions>, options: AdamOptions = {}) {
    super('AdamW', params, options, {
      op: 'adamStep',
      alwaysFalse,
      defaults: { weightDecay: 0.01 },
      fixed: { decoupled: true },
    });
  }
}
