/**
 * Owns the metrics file: one JSON object a line, one line a step.
 *
 * Policy: lines are appended in the order of the steps and never rewritten, so that a reader may
 * follow the file while training runs. After a resume the steps since the checkpoint appear a
 * second time; the later line counts. A failed write is reported once, by the next call that can;
 * lines are dropped from there on until the file is opened again.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { FileError } from '../errors.js';
import type { StepEvent } from './reporter.js';

/** One line of the metrics file. */
export interface MetricsLine {
  step: number;
  epoch: number;
  /** Mean loss of the batch. */
  loss: number;
  correct: number;
  size: number;
  lr: number;
  ms: number;
}

/** Appends metrics lines to a file. */
export class MetricsFile {
  readonly #path: string;
  #file: FileHandle | undefined;
  #tail: Promise<void> = Promise.resolve();
  #waiting = '';
  #hasFailed = false;
  /** What writing failed with, until someone is told. */
  #failure: FileError | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * Opens the file for appending, creating it if need be. Open already, it is written to again if
   * writing had failed.
   *
   * @throws FileError
   */
  async open(): Promise<void> {
    this.#hasFailed = false;
    try {
      this.#file ??= await open(this.#path, 'a');
    } catch (error) {
      throw this.#error('opened', error);
    }
  }

  /** Queues one line. It reaches the file soon after; {@link flush} says when. */
  write(event: StepEvent): void {
    const file = this.#file;
    if (file === undefined || this.#hasFailed) return;
    const { step, epoch, loss, correct, size, lr, ms } = event;
    const line: MetricsLine = { step, epoch, loss, correct, size, lr, ms: Number(ms.toFixed(3)) };
    const first = this.#waiting === '';
    this.#waiting += `${JSON.stringify(line)}\n`;
    if (first) this.#tail = this.#tail.then(() => this.#append(file));
  }

  /** @throws FileError, once, where writing has failed. */
  throwIfFailed(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
  }

  /**
   * Resolves when every queued line is written.
   *
   * @throws FileError, as {@link throwIfFailed}.
   */
  async flush(): Promise<void> {
    await this.#tail;
    this.throwIfFailed();
  }

  /** Writes what is queued and closes the file; what comes later is not written. */
  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await this.#tail;
    try {
      await file?.close();
    } catch (error) {
      throw this.#error('closed', error);
    }
    this.throwIfFailed();
  }

  async #append(file: FileHandle): Promise<void> {
    const lines = this.#waiting;
    this.#waiting = '';
    try {
      await file.appendFile(lines);
    } catch (error) {
      this.#hasFailed = true;
      this.#failure = this.#error('written', error);
    }
  }

  #error(done: string, cause: unknown): FileError {
    const reason = cause instanceof Error ? cause.message : String(cause);
    return new FileError(`metricsFile ${this.#path} could not be ${done}: ${reason}`, { cause });
  }
}
