/**
 * Owns the training loop: epochs, steps, evaluation, callbacks, checkpoints, and how it ends.
 *
 * Policy: while the device works on one step, the next is already submitted, so at most two are in
 * flight; their results are reported in order. Before anything that must see a settled state (a
 * checkpoint, an evaluation, the end) the loop waits for both. Training goes on while a checkpoint
 * is written; one is written at a time. Whatever ends the loop, nothing is left in flight, position
 * and parameters agree, and the caller gets the error that ended it: what fails after that becomes a
 * warning of the process.
 */
import { abortable } from '../abortable.js';
import { ArgumentError, NotFiniteError } from '../errors.js';
import { checkImages } from '../program/batch.js';
import { emptySums } from './checkpoint-state.js';
import type { Engine } from './engine.js';
import type { MetricsFile } from './metrics.js';
import { type BatchLoader, loaderState, type Position, startAt } from './position.js';
import type { EpochEvent, Reporter, StepEvent } from './reporter.js';
import { type BatchResult, type ReleasableBatch, release, type SubmittedStep } from './results.js';

/** Where checkpoints go, and how often. */
export interface CheckpointOptions {
  /** Directory; each checkpoint is a directory in it. */
  dir: string;
  /** Steps between checkpoints, beside those at the end of each epoch; none unless given. */
  everySteps?: number | undefined;
  /** Minutes between checkpoints, in the same way; both may be given. */
  everyMinutes?: number | undefined;
  /**
   * Newest checkpoints of this run to keep; all unless given. Those that other runs wrote into the
   * directory stay, but for one of the same step, which is replaced.
   */
  keepLast?: number | undefined;
  /**
   * Called with the path of each checkpoint that was written. Its promise is awaited before the next
   * one is begun.
   */
  onSave?: ((path: string) => unknown) | undefined;
}

/** What ends or watches the loop. */
export interface FitLoopOptions {
  readonly train: BatchLoader;
  readonly test: BatchLoader | undefined;
  /** Number of the last epoch, from 1. */
  readonly lastEpoch: number;
  /** Steps to take at most. */
  readonly maxSteps: number;
  readonly signal: AbortSignal | undefined;
  readonly reporters: readonly Reporter[];
  readonly metrics: MetricsFile | undefined;
  readonly checkpoint: CheckpointOptions | undefined;
  readonly onStep: ((event: StepEvent) => void | Promise<void>) | undefined;
  readonly onEpoch: ((event: EpochEvent) => void | Promise<void>) | undefined;
  /** What to do where a loss or a parameter is not finite. */
  readonly onNaN: 'stop' | 'continue';
  /** The checkpoint that the run goes on from, if any. */
  readonly resumedFrom: string | undefined;
  /** Begins a checkpoint of this moment; training may go on once the promise is resolved. */
  readonly save: (options: CheckpointOptions) => Promise<BegunCheckpoint>;
  /** Notes in the checkpoint of the last step where training stands after the epoch's end. */
  readonly endEpoch: (path: string, position: Position) => Promise<void>;
}

/** A checkpoint whose contents are read from the device, and which is being written. */
export interface BegunCheckpoint {
  /** Path of the checkpoint, once it is complete. */
  readonly written: Promise<string>;
}

/** How training ended. */
export interface FitResult {
  /** Number of the last step. */
  readonly step: number;
  /** The epochs that this call completed. */
  readonly epochs: readonly EpochEvent[];
  /** Path of the newest checkpoint that this call wrote. */
  readonly checkpoint?: string;
}

const caller = 'Trainer.fit';

/** One call of `fit`. */
export class FitLoop {
  readonly #engine: Engine;
  readonly #position: Position;
  readonly #options: FitLoopOptions;
  readonly #epochs: EpochEvent[] = [];
  #isPrepared = false;
  #pending: SubmittedStep | undefined;
  #submitted = 0;
  #lastResultAt = 0;
  #epochStart = 0;
  /** Step of the newest checkpoint that was begun. */
  #savedStep: number | undefined;
  /** When that was, or the call of `run`. */
  #savedAt = 0;
  /** Resolves when no checkpoint is being written; never rejects. */
  #writing: Promise<void> = Promise.resolve();
  /** What writing one failed with, until it is thrown. */
  #writeFailure: { error: unknown } | undefined;
  /** The newest checkpoint that is complete. */
  #complete: { path: string; step: number } | undefined;

  /** @param position Is moved on as training goes. */
  constructor(engine: Engine, position: Position, options: FitLoopOptions) {
    this.#engine = engine;
    this.#position = position;
    this.#options = options;
  }

  /** Trains; rejects with the signal's reason after an abort. Nothing is in flight afterwards. */
  async run(): Promise<FitResult> {
    const { signal, train, lastEpoch, reporters } = this.#options;
    signal?.throwIfAborted();
    const { length, batchSize, dataset } = train;
    const examplesPerEpoch = Math.min(dataset?.length ?? Infinity, length * batchSize);
    for (const reporter of reporters) {
      await reporter.start?.({ epochs: lastEpoch, stepsPerEpoch: length, examplesPerEpoch });
    }
    this.#savedAt = performance.now();
    let failure: { error: unknown } | undefined;
    try {
      try {
        while (this.#position.epoch < lastEpoch && this.#hasStepsLeft) await this.#epoch();
      } catch (error) {
        if (signal?.aborted === true && error === signal.reason) await this.#finish();
        throw error;
      }
      await this.#finish();
    } catch (error) {
      failure = { error };
    }
    await this.#leaveNothing();
    for (const reporter of reporters) {
      try {
        await reporter.end?.();
      } catch (error) {
        if (failure === undefined) failure = { error };
        else warn(error);
      }
    }
    if (failure !== undefined) throw failure.error;
    const result = { step: this.#engine.step, epochs: this.#epochs };
    const checkpoint = this.#complete?.path;
    return checkpoint === undefined ? result : { ...result, checkpoint };
  }

  /** Reports the step in flight, and completes the last checkpoint. */
  async #finish(): Promise<void> {
    await this.#save();
    await this.#written();
  }

  /** Waits for what is still under way after the end, or after an error; never rejects. */
  async #leaveNothing(): Promise<void> {
    await this.#engine.drain();
    const pending = this.#pending;
    this.#pending = undefined;
    // A step that failed changed nothing that could be counted; an error before it ended the loop.
    const result = await pending?.result.catch(() => undefined);
    if (pending !== undefined && result !== undefined) this.#count(pending, result);
    await this.#writing;
    const { error } = this.#writeFailure ?? {};
    // That training has diverged, the caller was told.
    if (error !== undefined && !(error instanceof NotFiniteError)) warn(error);
  }

  get #hasStepsLeft(): boolean {
    return this.#submitted < this.#options.maxSteps;
  }

  /** Trains one epoch, what is left of it, or as much of it as `maxSteps` lets. */
  async #epoch(): Promise<void> {
    const { train, signal } = this.#options;
    const position = this.#position;
    position.loader = loaderState(train);
    this.#lastResultAt = performance.now();
    this.#epochStart = this.#lastResultAt - position.sums.seconds * 1000;
    const batches = abortable(startAt(train, position), signal, this.#engine.ended);
    let next = position.batch;
    let isOver = next >= train.length;
    try {
      while (!isOver && this.#hasStepsLeft) {
        const { value, done } = await batches.next();
        if (done === true) break;
        await this.#submit(value);
        next += 1;
        isOver = next >= train.length;
        signal?.throwIfAborted();
        if (!isOver && this.#isCheckpointDue) await this.#save();
      }
    } finally {
      await batches.return();
    }
    await this.#settle();
    if (isOver) await this.#endEpoch();
    else if (this.#hasStepsLeft) {
      throw new ArgumentError(
        `${caller}: the loader's length is ${train.length}, but it ended after ${next} batches`,
      );
    }
  }

  async #endEpoch(): Promise<void> {
    const { test, signal, reporters, onEpoch } = this.#options;
    const position = this.#position;
    // Before the evaluation, which may take long; a resume from here begins with it.
    await this.#save();
    const tested =
      test === undefined
        ? undefined
        : await this.#engine.evaluate(caller, test, test.batchSize, signal);
    const { examples, correct, lossOfBatches, lossOfExamples } = position.sums;
    const event: EpochEvent = {
      epoch: position.epoch + 1,
      step: this.#engine.step,
      loss: lossOfExamples / examples,
      lossPerExample: lossOfBatches / examples,
      ...(this.#engine.countsCorrect ? { trainAccuracy: correct / examples } : {}),
      ...(tested?.accuracy === undefined ? {} : { testAccuracy: tested.accuracy }),
      ...(tested === undefined ? {} : { testLoss: tested.loss }),
      seconds: (performance.now() - this.#epochStart) / 1000,
    };
    Object.assign(position, { epoch: position.epoch + 1, batch: 0, sums: emptySums() });
    this.#epochs.push(event);
    for (const reporter of reporters) await reporter.epoch?.(event);
    await onEpoch?.(event);
    this.#noteEndOfEpoch();
  }

  /** Lets a resume from the checkpoint of this moment begin with the next epoch. */
  #noteEndOfEpoch(): void {
    const { checkpoint, resumedFrom, endEpoch } = this.#options;
    if (checkpoint === undefined) return;
    const { step } = this.#engine;
    const before = this.#submitted === 0 ? resumedFrom : undefined;
    const position = { ...this.#position };
    this.#write(async () => {
      // One of this step may have been refused, since its parameters were not finite.
      const path = this.#complete?.step === step ? this.#complete.path : before;
      if (path !== undefined) await endEpoch(path, position);
    });
  }

  /** Submits one step, then reports the one before it. */
  async #submit(batch: ReleasableBatch): Promise<void> {
    const images = checkImages(caller, batch);
    if (!this.#isPrepared) {
      const { signature, size } = images;
      const largest = Math.max(size, this.#options.train.batchSize);
      await this.#engine.prepare(caller, signature, largest, size);
      this.#isPrepared = true;
    }
    const submitted = await this.#engine.submit(caller, batch, images);
    this.#submitted += 1;
    const before = this.#pending;
    this.#pending = submitted;
    try {
      release(caller, batch);
    } finally {
      if (before !== undefined) await this.#report(before);
    }
  }

  /** Waits for the step in flight, if any, and reports it. */
  async #settle(): Promise<void> {
    const pending = this.#pending;
    this.#pending = undefined;
    if (pending !== undefined) await this.#report(pending);
  }

  async #report(submitted: SubmittedStep): Promise<void> {
    const event = this.#count(submitted, await submitted.result);
    for (const reporter of this.#options.reporters) await reporter.step?.(event);
    await this.#options.onStep?.(event);
    if (!Number.isFinite(event.loss) && this.#options.onNaN === 'stop') {
      await this.#writing;
      throw this.diverged(`the loss of step ${event.step} is ${event.loss}`);
    }
    this.#options.metrics?.throwIfFailed();
    this.#throwIfNotWritten();
  }

  /** Counts a step that is done into the position and the metrics. */
  #count({ step, lr }: SubmittedStep, { loss, correct, size }: BatchResult): StepEvent {
    const now = performance.now();
    const position = this.#position;
    const { sums } = position;
    position.batch += 1;
    sums.steps += 1;
    sums.examples += size;
    sums.correct += correct ?? 0;
    sums.lossOfBatches += loss;
    sums.lossOfExamples += loss * size;
    sums.seconds = (now - this.#epochStart) / 1000;
    const event: StepEvent = {
      step,
      epoch: position.epoch + 1,
      stepInEpoch: position.batch,
      loss,
      size,
      ...(correct === undefined ? {} : { correct, trainAccuracy: sums.correct / sums.examples }),
      lr: lr[0] ?? 0,
      ms: now - this.#lastResultAt,
    };
    this.#lastResultAt = now;
    this.#options.metrics?.write(event);
    return event;
  }

  get #isCheckpointDue(): boolean {
    const { everySteps = Infinity, everyMinutes = Infinity } = this.#options.checkpoint ?? {};
    const minutes = (performance.now() - this.#savedAt) / 60_000;
    return this.#engine.step % everySteps === 0 || minutes >= everyMinutes;
  }

  /** Begins a checkpoint of the settled state, unless there is nothing new to write. */
  async #save(): Promise<void> {
    await this.#settle();
    const { checkpoint, save, metrics } = this.#options;
    const { step } = this.#engine;
    if (checkpoint === undefined || this.#submitted === 0 || this.#savedStep === step) return;
    await this.#written();
    await metrics?.flush();
    const { written } = await save(checkpoint);
    this.#savedStep = step;
    this.#savedAt = performance.now();
    this.#write(async () => {
      let path: string;
      try {
        path = await written;
      } catch (error) {
        if (!(error instanceof NotFiniteError)) throw error;
        if (this.#options.onNaN === 'stop') throw this.diverged(error.message, error);
        warn(error);
        return;
      }
      this.#complete = { path, step };
      await checkpoint.onSave?.(path);
    });
  }

  /** Does something with checkpoints while training goes on, after what was begun before. */
  #write(task: () => Promise<void>): void {
    this.#writing = this.#writing.then(task).catch((error: unknown) => {
      this.#writeFailure ??= { error };
    });
  }

  /** The error for a training that has diverged, once no checkpoint is being written any more. */
  diverged(what: string, cause?: unknown): NotFiniteError {
    const last = this.#complete?.path ?? this.#options.resumedFrom;
    const where =
      last === undefined
        ? 'This call of fit wrote no checkpoint before.'
        : `The last good checkpoint is ${last}; resume from it, with a smaller learning rate.`;
    return new NotFiniteError(
      `${caller}: expected finite numbers, but ${what}: training has diverged. ${where} ` +
        "With onNaN: 'continue' training goes on all the same.",
      cause === undefined ? {} : { cause },
    );
  }

  /** Waits for the checkpoint that is being written, if any. */
  async #written(): Promise<void> {
    await this.#writing;
    this.#throwIfNotWritten();
  }

  #throwIfNotWritten(): void {
    const failure = this.#writeFailure;
    this.#writeFailure = undefined;
    if (failure !== undefined) throw failure.error;
  }
}

/** Tells of a failure that comes second to the error that the caller gets. */
export function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error));
}
