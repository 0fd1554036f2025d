/**
 * Owns what a training step asks of an optimizer: the nodes that update one parameter.
 */
import type { Attrs } from './spec.js';
import type { OpName } from './table.js';
import type { ParameterSource } from './tensor.js';

/** What a training step asks of an optimizer: the classes in optim have it. */
export interface StepRule {
  /** Every parameter it updates. */
  parameters(): readonly ParameterSource[];
  /** Index of the parameter group that updates this parameter. */
  groupOf(parameter: ParameterSource): number | undefined;
  /** Adds the node that updates one parameter. */
  emitStep(context: StepContext): void;
}

/** What an optimizer sees of one parameter. Values are indices into the graph's values. */
export interface StepContext {
  readonly group: number;
  readonly parameter: number;
  readonly gradient: number;
  readonly step: number;
  readonly lr: number;
  /** The state `<prefix>.<parameter>` of the parameter's shape, zero before the first step. */
  state(prefix: string): number;
  emit(op: OpName, inputs: readonly number[], attrs: Attrs): void;
}

/** Name of the learning rate input of a parameter group. */
export function learningRateName(group: number): string {
  return group === 0 ? 'lr' : `lr.${group}`;
}
