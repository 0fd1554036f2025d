/** Owns the pauses of long work on the event loop, which give others a turn. */
import { setImmediate } from 'node:timers/promises';

/** Counts work of one kind, whoever does it, so that many small pieces have pauses too. */
export class Pace {
  readonly #most: number;
  #done = 0;

  /** @param most Work between two pauses: what takes a millisecond or two. */
  constructor(most: number) {
    this.#most = most;
  }

  /** Resolves when a piece of work may be done: after a pause where it is due. */
  async take(work: number): Promise<void> {
    if (this.#done + work > this.#most) {
      await setImmediate();
      this.#done = 0;
    }
    this.#done += work;
  }
}
