/**
 * Owns the metrics file: one JSON object a line, one line a step.
 *
 * Policy: lines are appended in the order of the steps and never rewritten, so that a reader may
 * follow the file while training runs. After a resume the steps since the checkpoint appear a
 * second time; the later line counts. A failed write rejects the next call that can report it.
 */
import { type FileHandle, open } from 'node:fs/promises';
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
  readonly #file: FileHandle;
  #tail: Promise<void> = Promise.resolve();
  #waiting = '';

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** Opens the file for appending, creating it if need be; a failure rejects. */
  static async open(path: string): Promise<MetricsFile> {
    return new MetricsFile(await open(path, 'a'));
  }

  /** Queues one line. It reaches the file soon after; {@link flush} says when. */
  write(event: StepEvent): void {
    const { step, epoch, loss, correct, size, lr, ms } = event;
    const line: MetricsLine = { step, epoch, loss, correct, size, lr, ms: Number(ms.toFixed(3)) };
    const first = this.#waiting === '';
    this.#waiting += `${JSON.stringify(line)}\n`;
    if (!first) return;
    this.#tail = this.#tail.then(() => {
      const lines = this.#waiting;
      this.#waiting = '';
      return this.#file.appendFile(lines);
    });
    // Reported by flush(); without this handler an early failure would end the process.
    this.#tail.catch(() => {});
  }

  /** Resolves when every queued line is written; rejects if a write failed. */
  async flush(): Promise<void> {
    await this.#tail;
  }

  /** Writes what is queued and closes the file. */
  async close(): Promise<void> {
    try {
      await this.flush();
    } finally {
      await this.#file.close();
    }
  }
}
