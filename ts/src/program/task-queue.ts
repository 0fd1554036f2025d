/**
 * Owns the order of a trainer's asynchronous work.
 *
 * Policy: tasks run one after the other in the order they were queued; a failed task fails its
 * caller alone. A task that only submits work to the device resolves at the submission, not at the
 * result: the device keeps the order from there on.
 */

/** A first-in, first-out queue of asynchronous tasks. */
export class TaskQueue {
  #tail: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /** Whether no task runs or waits. */
  get idle(): boolean {
    return this.#waiting === 0;
  }

  /** Whether one task runs and none waits. */
  get runsLast(): boolean {
    return this.#waiting === 1;
  }

  /** Runs a task after all those queued before it; settles as the task does. */
  enqueue<T>(task: () => Promise<T>): Promise<T> {
    this.#waiting += 1;
    const result = this.#tail.then(task).finally(() => {
      this.#waiting -= 1;
    });
    this.#tail = result.catch(() => {});
    return result;
  }

  /** Resolves when the tasks queued so far are over, whether they succeeded or not. */
  async settled(): Promise<void> {
    await this.#tail;
  }
}
