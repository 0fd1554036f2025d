/**
 * Owns what a checkpoint keeps of an optimizer beside its state: kind and options of each group.
 *
 * Policy: everything but the learning rate is compiled into the training program, so a checkpoint is
 * taken up by an optimizer with the same options only.
 */
import { CheckpointError } from '../errors.js';
import type { StepRule } from '../graph/step-rule.js';
import type { CheckpointContents } from './checkpoint.js';
import type { CheckpointState } from './checkpoint-state.js';

/** An optimizer as the trainer needs it; those in `optim` are. */
export interface TrainerOptimizer extends StepRule {
  /** Names the rule in checkpoints: one is taken up by an optimizer of its kind only. */
  readonly kind: string;
  /** Groups with their learning rate, which may change, and the options that do not. */
  readonly paramGroups: readonly { lr: number; readonly options: object }[];
}

/** Options of each parameter group, the learning rate among them. */
export function groupSettings(optimizer: TrainerOptimizer): CheckpointState['groups'] {
  return optimizer.paramGroups.map(({ lr, options }) => ({ lr, ...options }));
}

/** @throws CheckpointError where the optimizer is not the one that a checkpoint was made with. */
export function checkOptimizer(
  optimizer: TrainerOptimizer,
  { state, path }: CheckpointContents,
): void {
  const { kind } = optimizer;
  if (state.optimizer !== kind) {
    throw new CheckpointError(`${path} is of optimizer ${state.optimizer}, not of ${kind}`);
  }
  const groups = groupSettings(optimizer);
  if (groups.length !== state.groups.length) {
    throw new CheckpointError(
      `${path} has ${state.groups.length} parameter group(s), the optimizer ${groups.length}`,
    );
  }
  for (const [index, group] of groups.entries()) {
    const saved = state.groups[index] ?? {};
    for (const key of new Set([...Object.keys(group), ...Object.keys(saved)])) {
      if (key === 'lr' || JSON.stringify(group[key]) === JSON.stringify(saved[key])) continue;
      throw new CheckpointError(
        `${path} was trained with ${key} ${JSON.stringify(saved[key])}, the optimizer has ` +
          `${JSON.stringify(group[key])}: make the optimizer with the checkpoint's options`,
      );
    }
  }
}
