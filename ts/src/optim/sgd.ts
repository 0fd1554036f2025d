/**
 * Owns stochastic gradient descent. Formulas and defaults: torch.optim.SGD.
 * State, with momentum: momentum_buffer.<parameter>.
 */

import type { SgdSettings } from '../graph/ops/optimizer.js';
import { Optimizer, type Trained } from './optimizer.js';

/** Options of {@link SGD}. */
export interface SGDOptions extends SgdSettings {
  /** PyTorch's default, the only one there is: the loss is minimised. */
  maximize?: false;
}

/**
 * Stochastic gradient descent, with momentum where asked for.
 * @throws ArgumentError for unknown options, values out of range, or a parameter given twice.
 */
export class SGD extends Optimizer<Required<SgdSettings>> {
  constructor(params: Trained<SGDOptions>, options: SGDOptions = {}) {
    super('SGD', params, options, { op: 'sgdStep', alwaysFalse: ['maximize'] });
  }
}
