/**
 * Owns what a trainer has running on its device: what each run comes to, when all have ended, and
 * whether the device was lost.
 */
import { isDeviceFailure } from '../errors.js';
import type { RunInputs } from '../program/compiled.js';
import type { ProgramInUse } from './programs.js';
import type { BatchResult } from './results.js';

export class Runs {
  readonly #running = new Set<Promise<void>>();
  #isDeviceLost = false;

  /** Whether a caller was told that the device failed: nothing can be read from it any more. */
  get isDeviceLost(): boolean {
    return this.#isDeviceLost;
  }

  /** Takes note of a failure that a caller is told. */
  note(error: unknown): void {
    this.#isDeviceLost ||= isDeviceFailure(error);
  }

  /** Gives a batch to the device; runs come to it in the order of these calls. */
  start({ graph, program }: ProgramInUse, inputs: RunInputs): Promise<BatchResult> {
    const { reduction, hasCorrect } = graph.traced.loss ?? {};
    const { size } = inputs;
    const result = graph.run(program, inputs).then((outputs): BatchResult => {
      const loss = Number(outputs.loss?.[0]);
      const result = { loss: reduction === 'sum' ? loss / size : loss, size };
      return hasCorrect === true ? { ...result, correct: Number(outputs.correct?.[0]) } : result;
    });
    const ended: Promise<void> = result
      .then(
        () => {},
        (error: unknown) => this.note(error),
      )
      .then(() => {
        this.#running.delete(ended);
      });
    this.#running.add(ended);
    return result;
  }

  /** Resolves when nothing that was started runs any more. */
  async drain(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }
}
