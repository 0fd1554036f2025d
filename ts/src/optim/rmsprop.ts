/**
 * Owns RMSprop (Tieleman and Hinton, 2012). Formula and defaults: torch.optim.RMSprop.
 * State: square_avg.<parameter>; with momentum momentum_buffer.<parameter>; centered,
 * grad_avg.<parameter>.
 */

import type { RmspropSettings } from '../graph/ops/optimizer.js';
import { Optimizer, type Trained } from './optimizer.js';

/** Options of {@link RMSprop}. */
export interface RMSpropOptions extends RmspropSettings {
  /** PyTorch's default, the only one there is: the loss is minimised. */
  maximize?: false;
}

/**
 * RMSprop: the gradient divided by the root of the running mean of its square.
 * @throws ArgumentError for unknown options, values out of range, or a parameter given twice.
 */
export class RMSprop extends Optimizer<Required<RmspropSettings>> {
  constructor(params: Trained<RMSpropOptions>, options: RMSpropOptions = {}) {
    super('RMSprop', params, options, { op: 'rmspropStep', alwaysFalse: ['maximize'] });
  }
}
