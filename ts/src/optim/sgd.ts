/**
 * Owns stochastic gradient descent. Formulas and defaults: torch.optim.SGD.
 * State, with momentum: momentum_buffer.<parameter>.
 */
import { ArgumentError } from '../errors.js';
import { checkBoolean, checkNumber } from '../graph/arguments.js';
import type { StepContext } from '../graph/steps.js';
import { Optimizer, type Trained } from './options.js';

/** Options of {@link SGD}. */
export interface SGDOptions {
  /** Learning rate; 0.001 by default. */
  lr?: number;
  /** Part of the last update that is kept; 0 by default. */
  momentum?: number;
  /** Part of the gradient that momentum leaves out; 0 by default. */
  dampening?: number;
  /** Weight decay, added to the gradient; 0 by default. */
  weightDecay?: number;
  /** Nesterov's momentum; false by default. It takes momentum and no dampening. */
  nesterov?: boolean;
}

function checkSgd(options: Required<SGDOptions>): void {
  const { lr, momentum, dampening, weightDecay, nesterov } = options;
  checkNumber('SGD', 'lr', lr, { min: 0 });
  checkNumber('SGD', 'momentum', momentum, { min: 0 });
  checkNumber('SGD', 'dampening', dampening);
  checkNumber('SGD', 'weightDecay', weightDecay, { min: 0 });
  if (checkBoolean('SGD', 'nesterov', nesterov) && (momentum === 0 || dampening !== 0)) {
    throw new ArgumentError(
      `SGD takes nesterov with a momentum above 0 and no dampening, got momentum ${momentum} ` +
        `and dampening ${dampening}`,
    );
  }
}

/**
 * Stochastic gradient descent, with momentum where asked for.
 * @throws ArgumentError for unknown options, values out of range, or a parameter given twice.
 */
export class SGD extends Optimizer<Required<SGDOptions>> {
  constructor(params: Trained<SGDOptions>, options: SGDOptions = {}) {
    const defaults = { lr: 0.001, momentum: 0, dampening: 0, weightDecay: 0, nesterov: false };
    super('SGD', params, options, defaults, checkSgd);
  }

  /** @internal */
  override emitStep(context: StepContext): void {
    const { parameter, gradient, step, lr } = context;
    const attrs = this.groupOptions(context.group);
    const buffer = attrs.momentum === 0 ? [] : [context.state('momentum_buffer')];
    context.emit('sgdStep', [parameter, gradient, step, lr, ...buffer], { ...attrs });
  }
}
