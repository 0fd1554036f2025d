/** Owns how much may wait, in memory, for calls that nobody awaits: for a device, or for a disk. */
import { QueueFullError } from './errors.js';

/** Bytes that may wait at a time. */
export const waitingLimit = 512 * 2 ** 20;

/** What a call takes beside its data, about. */
const bytesPerCall = 4096;

/** Counts the calls that wait, and refuses more of them than memory should hold. */
export class WaitingCalls {
  readonly #what: string;
  #bytes = 0;
  #count = 0;

  /** @param what Waits, for messages. */
  constructor(what: string) {
    this.#what = what;
  }

  /**
   * Counts a call in.
   *
   * @param bytes Of its data.
   * @returns Counts it out; to be called once.
   * @throws QueueFullError where too many bytes would wait. Two calls may wait, however large.
   */
  begin(caller: string, bytes: number): () => void {
    const all = bytes + bytesPerCall;
    if (this.#count >= 2 && this.#bytes + all > waitingLimit) {
      const inMiB = (value: number) => `${Math.ceil(value / 2 ** 20)} MiB`;
      throw new QueueFullError(
        `${caller}: expected at most ${inMiB(waitingLimit)} of ${this.#what} to wait, got ` +
          `${this.#count} calls with ${inMiB(this.#bytes)} and one more of ${inMiB(all)}. ` +
          'Await earlier calls first.',
      );
    }
    this.#bytes += all;
    this.#count += 1;
    return () => {
      this.#bytes -= all;
      this.#count -= 1;
    };
  }
}
