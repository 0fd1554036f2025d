/**
 * Owns the metrics file: one JSON object a line, one line a step.
 *
 * Policy: lines are appended in the order of the steps and never rewritten, so that a reader may
 * follow the file while training runs. After a resume the steps since the checkpoint appear a
 * second time; the later line counts. A failed write is reported once, by the next call that can;
 * lines are dropped from there on until the file is begun again. The file is open only while lines
 * are appended: a trainer that nobody disposes of leaves no handle behind, and a file that was moved
 * away by a log rotation is begun anew.
 */
import { constants } from 'node:fs';
import { appendFile, open } from 'node:fs/promises';
import { FileError, reasonOf } from '../errors.js';
import type { StepEvent } from './reporter.js';

/** One line of the metrics file. */
export interface MetricsLine {
  step: number;
  epoch: number;
  /** Mean loss of the batch. */
  loss: number;
  /** Absent where the loss does not count. */
  correct?: number;
  size: number;
  lr: number;
  ms: number;
}

/** Appends metrics lines to a file. */
export class MetricsFile {
  readonly #path: string;
  #isBegun = false;
  #tail: Promise<void> = Promise.resolve();
  #waiting = '';
  #hasFailed = false;
  /** What writing failed with, until someone is told. */
  #failure: FileError | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * Creates the file, if need be, and takes lines from now on, also where writing had failed.
   *
   * @throws FileError
   */
  async begin(): Promise<void> {
    this.#hasFailed = false;
    try {
      await append(this.#path, '');
    } catch (error) {
      throw this.#error('opened', error);
    }
    this.#isBegun = true;
  }

  /** Queues one line. It reaches the file soon after; {@link flush} says when. */
  write(event: StepEvent): void {
    if (!this.#isBegun || this.#hasFailed) return;
    const { step, epoch, loss, correct, size, lr, ms } = event;
    const counted = correct === undefined ? {} : { correct };
    const line: MetricsLine = {
      step,
      epoch,
      loss,
      ...counted,
      size,
      lr,
      ms: Number(ms.toFixed(3)),
    };
    const first = this.#waiting === '';
    this.#waiting += `${JSON.stringify(line)}\n`;
    if (first) this.#tail = this.#tail.then(() => this.#append());
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

  /**
   * Writes what is queued; what comes later is not written.
   *
   * @throws FileError, as {@link throwIfFailed}.
   */
  async end(): Promise<void> {
    this.#isBegun = false;
    await this.flush();
  }

  async #append(): Promise<void> {
    const lines = this.#waiting;
    this.#waiting = '';
    try {
      await append(this.#path, lines);
    } catch (error) {
      this.#hasFailed = true;
      this.#failure = this.#error('written', error);
    }
  }

  #error(done: string, cause: unknown): FileError {
    const isUnread = (cause as NodeJS.ErrnoException).code === 'ENXIO';
    const reason = isUnread ? 'it is a FIFO that nobody reads, or a socket' : reasonOf(cause);
    return new FileError(`metricsFile ${this.#path} could not be ${done}: ${reason}`, { cause });
  }
}

/** Appends to a file, or to a device or FIFO; does not wait for a FIFO's reader to come. */
async function append(path: string, text: string): Promise<void> {
  const { O_WRONLY, O_APPEND, O_CREAT, O_NONBLOCK } = constants;
  const file = await open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK);
  try {
    if ((await file.stat()).isFile()) {
      await file.appendFile(text);
      return;
    }
    // Opened anew, so that a reader that is slow is waited for.
    if (text !== '') await appendFile(path, text);
  } finally {
    await file.close();
  }
}
