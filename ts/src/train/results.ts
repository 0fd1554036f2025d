/** Owns what goes into training and comes out of it: batches, and the results of steps and evaluations. */
import { readMember, show } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import type { LabelledBatch } from '../program/batch.js';

/** A batch whose memory may be given back after use; those of a `DataLoader` are. */
export type ReleasableBatch = LabelledBatch & { release?(): void };

/**
 * Gives a batch's memory back, if it can be.
 *
 * @throws ArgumentError where its `release` is no function.
 */
export function release(caller: string, batch: ReleasableBatch): void {
  const method: unknown = readMember(caller, batch, 'release');
  if (method === undefined) return;
  if (typeof method !== 'function') {
    throw new ArgumentError(
      `${caller} expects a batch's release to be a function, got ${show(method)}`,
    );
  }
  method.call(batch);
}

/** Result of one run over a batch. */
export interface BatchResult {
  /** Mean loss of the batch. */
  readonly loss: number;
  /** Examples whose largest output was the label's; absent where the loss does not count them. */
  readonly correct?: number;
  /** Examples in the batch. */
  readonly size: number;
}

/** Result of an evaluation. */
export interface EvaluationResult {
  /** Mean loss over all examples. */
  readonly loss: number;
  /**
   * Share of examples whose largest output was the label's, 0 to 1; absent where the loss does not
   * count them.
   */
  readonly accuracy?: number;
  /** Number of examples. */
  readonly size: number;
}

/** A step that the device has been given. */
export interface SubmittedStep {
  /** Number of the step, from 1. */
  readonly step: number;
  /** Learning rate of each parameter group. */
  readonly lr: readonly number[];
  readonly result: Promise<BatchResult>;
}

/** The mean over batches, each of which counts by its examples. */
export class MeanResult {
  #loss = 0;
  #correct: number | undefined = 0;
  #size = 0;

  add({ loss, correct, size }: BatchResult): void {
    this.#loss += loss * size;
    if (correct === undefined) this.#correct = undefined;
    else if (this.#correct !== undefined) this.#correct += correct;
    this.#size += size;
  }

  /** undefined where there was no batch. */
  value(): EvaluationResult | undefined {
    if (this.#size === 0) return undefined;
    const size = this.#size;
    const result = { loss: this.#loss / size, size };
    return this.#correct === undefined ? result : { ...result, accuracy: this.#correct / size };
  }
}
