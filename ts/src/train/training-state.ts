/**
 * Owns how far a training has come, and its way into checkpoints and back.
 *
 * Policy: a checkpoint is of one moment: parameters, optimizer state, counters and settings are taken
 * together, in arrays of their own, and written while training goes on, one checkpoint after the
 * other. Going back to one changes everything or, where it does not fit, nothing.
 */
import { randomBytes } from 'node:crypto';
import { ArgumentError, NotFiniteError } from '../errors.js';
import type { Module, Outputs, StateTensor } from '../nn/index.js';
import { savedTensors } from '../nn/module.js';
import { hostValuesOf } from '../program/module-tensor.js';
import { TaskQueue } from '../program/task-queue.js';
import { WaitingCalls } from '../waiting.js';
import {
  amendCheckpoint,
  type CheckpointContents,
  loadModel,
  saveCheckpoint,
} from './checkpoint.js';
import { checkpointVersion, emptySums } from './checkpoint-state.js';
import type { Engine } from './engine.js';
import { firstNotFinite } from './finite.js';
import type { BegunCheckpoint, CheckpointOptions } from './fit.js';
import { checkOptimizer, groupSettings, type TrainerOptimizer } from './optimizer-settings.js';
import { type BatchLoader, checkLoader, continues, type Position } from './position.js';

/** How far one trainer has come. */
export class TrainingState {
  readonly position: Position = { epoch: 0, batch: 0, sums: emptySums(), loader: null };
  readonly #net: Module<Outputs>;
  readonly #optimizer: TrainerOptimizer;
  readonly #engine: Engine;
  /** Checkpoints being written, one after the other. */
  readonly #writes = new TaskQueue();
  readonly #waiting = new WaitingCalls('checkpoints');
  /** Name of the run in checkpoints. */
  #run = randomBytes(8).toString('hex');

  constructor(net: Module<Outputs>, optimizer: TrainerOptimizer, engine: Engine) {
    this.#net = net;
    this.#optimizer = optimizer;
    this.#engine = engine;
  }

  /** Makes ready for a loader: an epoch left half done that it cannot finish gives way to the next. */
  begin(train: BatchLoader): void {
    const { position } = this;
    if (position.batch > 0 && !continues(train, position)) {
      this.#moveTo({ epoch: position.epoch + 1 });
    }
  }

  /**
   * Takes a checkpoint, and begins to write it.
   *
   * @throws ArgumentError where no step could have been taken yet.
   * @throws QueueFullError where too many are being written.
   */
  async save(caller: string, options: CheckpointOptions): Promise<BegunCheckpoint> {
    const end = this.#waiting.begin(caller, this.#engine.snapshotBytes);
    try {
      const begun = await this.#save(caller, options);
      begun.written.then(end, end);
      return begun;
    } catch (error) {
      end();
      throw error;
    }
  }

  async #save(caller: string, { dir, keepLast }: CheckpointOptions): Promise<BegunCheckpoint> {
    const [snapshot, position] = await this.#engine.snapshot(caller, () => {
      const groups = groupSettings(this.#optimizer);
      return { ...this.position, sums: { ...this.position.sums }, groups };
    });
    const { model, optimizer, step, seed } = snapshot;
    if (optimizer === undefined) {
      throw new ArgumentError(
        `${caller}: there is nothing to save before the first step; call compile or step first`,
      );
    }
    const { epoch, batch, sums, loader, groups } = position;
    const state = {
      version: checkpointVersion,
      run: this.#run,
      savedAt: new Date().toISOString(),
      step,
      epoch,
      batch,
      seed,
      optimizer: this.#optimizer.kind,
      groups,
      sums,
      loader,
    };
    const contents = { model, optimizer, state };
    const written = this.#writes.enqueue(async () => {
      const name = (await firstNotFinite(model)) ?? (await firstNotFinite(optimizer));
      if (name !== undefined) {
        throw new NotFiniteError(
          `${caller}: ${name} has values that are not finite after step ${step}, so that no ` +
            'checkpoint was written',
        );
      }
      return saveCheckpoint(dir, keepLast, contents);
    });
    return { written };
  }

  /** Notes in a checkpoint of this run where training stands after its epoch's end. */
  noteEndOfEpoch(path: string, position: Position): Promise<void> {
    return this.#writes.enqueue(() => amendCheckpoint(path, this.#run, position));
  }

  /** Name of the first parameter or buffer whose host values are not finite. */
  async firstNotFinite(): Promise<string | undefined> {
    const tensors: Record<string, StateTensor> = {};
    for (const [name, tensor] of savedTensors(this.#net)) {
      const host = hostValuesOf(tensor);
      await host.ready();
      tensors[name] = { data: host.array, shape: tensor.shape };
    }
    return firstNotFinite(tensors);
  }

  /**
   * Goes back to a checkpoint.
   *
   * @param train The loader that is to finish its epoch.
   * @throws CheckpointError where it is of another network, optimizer or loader; nothing is changed
   *   then.
   */
  async restore(caller: string, contents: CheckpointContents, train?: BatchLoader): Promise<void> {
    const { state, optimizer } = contents;
    if (train !== undefined && state.loader !== null) checkLoader(train, state.loader);
    checkOptimizer(this.#optimizer, contents);
    const { step, seed } = state;
    const change = () => loadModel(this.#net, contents);
    await this.#engine.restore(caller, change, { optimizer, step, seed });
    for (const [index, group] of state.groups.entries()) {
      const target = this.#optimizer.paramGroups[index];
      if (target !== undefined) target.lr = group.lr as number;
    }
    this.#run = state.run;
    const { epoch, batch, sums, loader } = state;
    this.#moveTo({ epoch, batch, sums, loader });
  }

  /** Resolves when no checkpoint is being written any more. */
  settled(): Promise<void> {
    return this.#writes.settled();
  }

  #moveTo(to: Partial<Position>): void {
    const start: Position = { epoch: 0, batch: 0, sums: emptySums(), loader: null };
    Object.assign(this.position, start, to);
  }
}
