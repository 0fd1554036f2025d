/**
 * Owns what a loss says of itself: its targets, how it puts the examples' losses together, and
 * whether it leaves padded rows out. Whoever trains asks it here, and looks for nothing in the graph.
 *
 * Policy: a module that says nothing is a loss too. It is taken for a mean over the batch of class
 * labels that does not know of padding, so that its programs are compiled for whole batches.
 */
import { ArgumentError } from '../errors.js';
import { formatShape, type Shape } from './shapes.js';
import type { Tensor } from './tensor.js';
import type { TraceableModule } from './trace.js';

/** What a loss is given beside the network's outputs, as input `label`. */
export interface LossTargets {
  /** `'i32'` for class labels, `'f32'` for values. */
  readonly dtype: 'i32' | 'f32';
  /** Shape for a whole batch: [N], [N, C], ... */
  readonly shape: Shape;
  /** Labels are from 0 to below it; absent for values. */
  readonly classes?: number;
  /** A label that stands for no class, and is allowed beside them. */
  readonly ignoreIndex?: number;
}

/** A loss: a module that may say more of itself. */
export interface LossModule extends TraceableModule {
  readonly reduction?: unknown;
  readonly leavesPaddingOut?: unknown;
  targets?(output: Tensor): LossTargets;
}

/** What is known of a graph's loss. */
export interface LossFacts {
  /** Whether the loss is the mean of the examples' losses or their sum. */
  readonly reduction: 'mean' | 'sum';
  /** undefined where the loss does not read any. */
  readonly targets: LossTargets | undefined;
  /** Whether a run tells how many rows are right, as output `correct`. */
  readonly hasCorrect: boolean;
}

/** Class labels [N], of the C classes of logits [N, C]; of any number for outputs of another rank. */
export function classLabels(output: Tensor): LossTargets {
  const [rows = 1, classes] = output.shape;
  const labels = { dtype: 'i32', shape: [rows] } as const;
  return output.ndim === 2 && classes !== undefined ? { ...labels, classes } : labels;
}

/**
 * The targets that a loss takes for the network's first output.
 *
 * @throws ArgumentError where it wants some that no batch could have.
 */
export function targetsOf(loss: LossModule, output: Tensor, rows: number): LossTargets {
  const wanted = loss.targets === undefined ? classLabels(output) : loss.targets(output);
  const { dtype, shape } = wanted;
  if ((dtype !== 'i32' && dtype !== 'f32') || !Array.isArray(shape) || shape[0] !== rows) {
    throw new ArgumentError(
      `the loss must take targets of type i32 or f32 with one row for each of the ${rows} of the ` +
        `batch, got ${dtype} of shape ${formatShape(Array.isArray(shape) ? shape : [])}`,
    );
  }
  return wanted;
}

/** How a loss puts the examples' losses together: a mean, unless it says that it is a sum. */
export function reductionOf(loss: LossModule): 'mean' | 'sum' {
  return loss.reduction === 'sum' ? 'sum' : 'mean';
}
