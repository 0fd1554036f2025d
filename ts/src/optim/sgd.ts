/**
 * Owns stochastic gradient descent. Formulas and defaults: torch.optim.SGD.
 * State, with momentum: momentum_buffer.<parameter>.
 */

import { checkSgd, type SgdSettings, sgdAttrs, sgdDefaults } from '../graph/ops/optimizer.js';
import type { StepContext } from '../graph/step-rule.js';
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
    super('SGD', params, options, {
      defaults: sgdDefaults,
      alwaysFalse: ['maximize'],
      check: (settings) => checkSgd('SGD', settings),
    });
  }

  /** @internal */
  override emitStep(context: StepContext): void {
    const { parameter, gradient, step, lr } = context;
    const attrs = sgdAttrs(this.groupOptions(context.group));
    const buffer = attrs.momentum === 0 ? [] : [context.state('momentum_buffer')];
    context.emit('sgdStep', [parameter, gradient, ...buffer, step, lr], attrs);
  }
}
