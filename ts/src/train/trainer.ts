/**
 * Owns Trainer, the public face of training: its options, its misuse checks, and what it does with
 * checkpoints.
 *
 * Policy: arguments are checked before any work. Nothing is printed except by `fit`, through its
 * reporter. From the first step on the device has the newest parameters; the network's host parameters
 * are brought up to date by `fit`, `syncParameters`, `stateDict` and `dispose`, each with a new array,
 * so that nothing large is copied on the event loop.
 */
import { checkInteger, checkOneOf, checkOptions, checkPath } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import { largestSize } from '../graph/shapes.js';
import type { Module, Outputs, StateDict } from '../nn/index.js';
import { type LabelledBatch, makeSignature } from '../program/batch.js';
import { type DeviceChoice, type DeviceInfo, deviceNamed } from '../program/devices.js';
import type { PlanInfo } from '../program/native.js';
import { type CompileTarget, type Precision, resolveTarget } from '../program/target.js';
import { initialSeed } from '../random/index.js';
import { loadCheckpoint } from './checkpoint.js';
import { Engine } from './engine.js';
import { FitLoop, type FitResult, warn } from './fit.js';
import { MetricsFile } from './metrics.js';
import type { TrainerOptimizer } from './optimizer-settings.js';
import {
  checkFitOptions,
  checkLoaderArgument,
  checkSignal,
  checkTrainerOptions,
  type FitOptions,
  type TrainerOptions,
} from './options.js';
import type { BatchLoader } from './position.js';
import { TextReporter } from './reporter.js';
import type { BatchResult, EvaluationResult } from './results.js';
import { TrainingState } from './training-state.js';

/** Result of one training step. */
export interface StepResult extends BatchResult {
  /** Number of the step, from 1. */
  readonly step: number;
}

/**
 * Trains a network: compiles the whole training step once, then runs it off the event loop.
 *
 * Parameters have one owner. From a step on it is the trainer's device; `net.stateDict()` and
 * `parameter.data` throw a StaleParametersError until `syncParameters`, `stateDict`, the end of `fit`
 * or `dispose` has brought the values back. Values that are given to the network meanwhile, by
 * `net.loadStateDict` or `parameter.data = values`, replace the device's: the next step, evaluation or
 * checkpoint has them, and the optimizer's state stays as it is. Await the steps before: one that was
 * called earlier and has not begun trains with the new values. The same holds between trainers of
 * one network: each goes on from what the other learned, if the other's steps were awaited.
 *
 * @example
 * ```ts
 * await using trainer = new Trainer(net, {
 *   loss: new nn.CrossEntropyLoss(),
 *   optimizer: new optim.RMSprop(net.parameters(), { lr: 0.001 }),
 * });
 * await trainer.fit(train, { test, epochs: 5 });
 * // or: for await (const batch of train) await trainer.step(batch);
 * ```
 */
export class Trainer implements AsyncDisposable {
  /** The network. */
  readonly net: Module<Outputs>;
  /** The optimizer; its learning rate may be changed between steps. */
  readonly optimizer: TrainerOptimizer;
  /** The device's name and, where `'auto'` chose the CPU, why. */
  readonly deviceChoice: DeviceChoice;
  readonly #target: CompileTarget;
  readonly #engine: Engine;
  readonly #metrics: MetricsFile | undefined;
  readonly #state: TrainingState;
  #isFitting = false;

  /**
   * @throws ArgumentError for an option that is not what it should be.
   * @throws DeviceError where the device cannot be used; its code says why.
   */
  constructor(net: Module<Outputs>, options: TrainerOptions) {
    checkTrainerOptions(net, options);
    const { loss, optimizer, metricsFile } = options;
    const seed = checkInteger('Trainer', 'seed', options.seed ?? initialSeed(), 0);
    this.net = net;
    this.optimizer = optimizer;
    const { target, choice } = resolveTarget('Trainer', options, 'auto');
    this.#target = target;
    this.deviceChoice = choice;
    this.#metrics = metricsFile === undefined ? undefined : new MetricsFile(metricsFile);
    this.#engine = new Engine({ net, loss, optimizer, target }, seed);
    this.#state = new TrainingState(net, optimizer, this.#engine);
  }

  /**
   * The device that trains.
   *
   * @throws DeviceError where it is not there any more, since it failed.
   */
  get device(): DeviceInfo {
    return deviceNamed(this.#target.device);
  }

  /** How products are computed. */
  get precision(): Precision {
    return this.#target.precision;
  }

  /** Steps taken so far, those before a resume included. */
  get stepCount(): number {
    return this.#engine.step;
  }

  /** Epochs of `fit` that are complete, those before a resume included. */
  get epochCount(): number {
    return this.#state.position.epoch;
  }

  /** Seed of dropout. */
  get seed(): number {
    return this.#engine.seed;
  }

  /**
   * What the training program takes: bytes of memory, and the kernel of each operation. undefined
   * before the program is compiled, which `compile` does without taking a step.
   *
   * @throws DisposedError after `dispose`.
   */
  plan(): PlanInfo | undefined {
    return this.#engine.plan('Trainer.plan');
  }

  /**
   * Compiles the training step before the first batch comes. Without this call the first batch
   * decides: its size is then the largest that `step` takes.
   *
   * Called again with a larger batch size, it compiles a larger program that goes on with the same
   * parameters and optimizer state.
   *
   * @param options.batchSize Largest number of examples of a batch.
   * @param options.imageShape Shape of one image: [C, H, W].
   * @param options.dtype Element type of the images: bytes (`'u8'`, the default) or `'f32'`.
   * @param options.mean Mean per channel on the 0..1 scale, for bytes. Default: 0.
   * @param options.std Standard deviation per channel on the 0..1 scale, for bytes. Default: 1.
   * @throws ShapeError with the module's path where the network does not take such images.
   * @throws OutOfMemoryError where there is too little memory; an earlier program stays in use then.
   * @throws ArgumentError while `fit` runs.
   */
  async compile(options: {
    batchSize: number;
    imageShape: readonly number[];
    dtype?: 'u8' | 'f32';
    mean?: readonly number[];
    std?: readonly number[];
  }): Promise<void> {
    const caller = 'Trainer.compile';
    this.#engine.assertUsable(caller);
    this.#assertNotFitting(caller);
    checkOptions(caller, options, ['batchSize', 'imageShape', 'dtype', 'mean', 'std']);
    const { imageShape, dtype = 'u8', mean, std } = options;
    const batchSize = checkInteger(caller, 'batchSize', options.batchSize, 1, largestSize);
    checkOneOf(caller, 'dtype', dtype, ['u8', 'f32']);
    const signature = makeSignature(caller, imageShape, dtype, mean, std);
    await this.#engine.prepare(caller, signature, batchSize);
  }

  /**
   * Takes one training step. Calls may overlap: steps run in the order of the calls, and a batch
   * may be changed or released as soon as the call returned its promise.
   *
   * @returns The batch's mean loss and, where the loss counts them, correct examples, both before the
   *   update, and the step's number.
   * @throws ShapeError for images of another shape, mean or std than the program was compiled for, more
   *   of them than that, arrays of another length than their shape says, or a network that does not
   *   take them.
   * @throws DTypeError for images that are neither bytes nor floats, and targets of another type than
   *   the loss takes.
   * @throws ArgumentError for what is no batch, an empty one, a label that is no class, and a network
   *   whose layers were replaced. Whatever of these is thrown, it is before any work.
   * @throws QueueFullError where calls are not awaited, and batches of more than 512 MiB wait: such a
   *   step is not taken. Two may wait, however large.
   * @throws ArgumentError while `fit` runs.
   * @throws DisposedError after `dispose`.
   */
  async step(batch: LabelledBatch): Promise<StepResult> {
    this.#assertNotFitting('Trainer.step');
    const { step, result } = await this.#engine.submit('Trainer.step', batch);
    return { step, ...(await result) };
  }

  /**
   * Mean loss and, where the loss counts it, accuracy over a loader, in evaluation mode. Steps that are called meanwhile wait;
   * called by the loader itself, which the evaluation waits for, they and all else but `stateDict`,
   * `syncParameters` and `dispose` are refused.
   *
   * @throws What `step` throws, and the signal's reason after an abort.
   */
  async evaluate(
    loader: BatchLoader,
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<EvaluationResult> {
    const caller = 'Trainer.evaluate';
    this.#engine.assertUsable(caller);
    checkLoaderArgument(caller, 'loader', loader);
    checkOptions(caller, options, ['signal']);
    const { signal } = options;
    checkSignal(caller, signal);
    signal?.throwIfAborted();
    return this.#engine.evaluate(caller, loader, loader.batchSize, signal);
  }

  /**
   * Trains for some epochs. Prints a line per step and per epoch unless `log: false`.
   *
   * The epoch's line shows the sum of the batches' mean losses divided by the number of examples,
   * as the PyTorch text does whose output this follows; the events and the metrics file have the
   * true mean.
   *
   * An epoch that an earlier call or a loaded checkpoint left half done is finished first, and counts
   * as one of `epochs`, if the loader's batch size, length and seed are the same; with another loader
   * a new epoch begins.
   *
   * Two steps are in flight at a time: a learning rate that `onStep` sets for step k applies from
   * step k + 2 on. One that `onEpoch` sets applies from the next epoch's first step.
   *
   * @throws The signal's reason after an abort: the steps in flight are finished and reported, and a
   *   checkpoint is written first where `checkpoint` was given.
   * @throws CheckpointError where `resume` has no checkpoint, or one of another run.
   * @throws NotFiniteError where training diverges, unless `onNaN` is `'continue'`.
   * @throws FileError where the metrics file cannot be written.
   * @throws What `step`, the loaders and the callbacks throw.
   */
  async fit(train: BatchLoader, options: FitOptions): Promise<FitResult> {
    const caller = 'Trainer.fit';
    const engine = this.#engine;
    engine.assertUsable(caller);
    this.#assertNotFitting(caller);
    checkFitOptions(caller, train, options);
    const { test, epochs, resume, log = true, signal, checkpoint, onStep, onEpoch } = options;
    const { onNaN = 'stop' } = options;
    signal?.throwIfAborted();
    this.#isFitting = true;
    try {
      const state = this.#state;
      const { position } = state;
      let resumedFrom: string | undefined;
      if (resume !== undefined) {
        const contents = await loadCheckpoint(resume);
        resumedFrom = contents.path;
        await state.restore(caller, contents, train);
      } else {
        state.begin(train);
      }
      await this.#metrics?.begin();
      const reporter = log === true ? new TextReporter() : log;
      const loop = new FitLoop(engine, position, {
        train,
        test,
        lastEpoch: resume === undefined ? position.epoch + epochs : epochs,
        maxSteps: options.maxSteps ?? Infinity,
        signal,
        reporters: reporter === false ? [] : [reporter],
        metrics: this.#metrics,
        checkpoint,
        onStep,
        onEpoch,
        onNaN,
        resumedFrom,
        save: (where) => state.save(caller, where),
        endEpoch: (path, at) => state.noteEndOfEpoch(path, at),
      });
      const result = await loop.run().catch(async (error: unknown) => {
        await this.#settle(caller).catch(warn);
        throw error;
      });
      await this.#settle(caller);
      const name = onNaN === 'stop' ? await state.firstNotFinite() : undefined;
      if (name !== undefined) throw loop.diverged(`${name} is not after step ${result.step}`);
      return result;
    } finally {
      this.#isFitting = false;
    }
  }

  /**
   * Brings the network's host parameters up to date. Each gets a new array: those of an earlier
   * `net.stateDict()` keep their values.
   */
  async syncParameters(): Promise<void> {
    await this.#sync('Trainer.syncParameters');
  }

  /** The newest parameters by PyTorch's names, as copies. The network's are brought up to date. */
  async stateDict(): Promise<StateDict> {
    return this.#engine.stateDict('Trainer.stateDict');
  }

  /**
   * Loads parameters into the network and onto the device, as `net.loadStateDictAsync` does before the
   * next step; steps called before it are unaffected. The arrays must not change until the promise is
   * settled.
   *
   * @throws StateDictError where names or shapes do not match; nothing is changed then.
   * @throws ArgumentError while `fit` runs.
   */
  async loadStateDict(dict: StateDict): Promise<void> {
    this.#assertNotFitting('Trainer.loadStateDict');
    await this.#engine.restore('Trainer.loadStateDict', () => this.net.loadStateDictAsync(dict));
  }

  /**
   * Writes a checkpoint: parameters, optimizer state, step number, seed and learning rates.
   *
   * @param dir Directory of the checkpoints; this one becomes a directory in it.
   * @param options.keepLast Newest checkpoints of this run to keep; all unless given. Those that
   *   other runs wrote into the directory stay, but for one of the same step, which is replaced.
   * @returns Path of the checkpoint.
   * @throws CheckpointError where it cannot be written.
   * @throws QueueFullError where calls are not awaited, and checkpoints of more than 512 MiB wait. Two
   *   may wait, however large.
   * @throws NotFiniteError where parameters or optimizer state are not finite, since training has
   *   diverged; nothing is written then.
   * @throws ArgumentError before the first step or `compile`, while `fit` runs, and for a network whose
   *   layers were replaced.
   */
  async saveCheckpoint(dir: string, options: { keepLast?: number } = {}): Promise<string> {
    const caller = 'Trainer.saveCheckpoint';
    this.#assertNotFitting(caller);
    checkPath(caller, 'dir', dir);
    checkOptions(caller, options, ['keepLast']);
    const { keepLast } = options;
    if (keepLast !== undefined) checkInteger(caller, 'keepLast', keepLast, 1);
    const { written } = await this.#state.save(caller, { dir, keepLast });
    return written;
  }

  /**
   * Goes back to a checkpoint: parameters, optimizer state, step number, seed and learning rates. An
   * epoch that it has half done is finished by the next `fit`. The network's parameters get new
   * arrays: those of an earlier `net.stateDict()` keep their values.
   *
   * @param path A checkpoint, or a directory of checkpoints, of which the newest is taken. Where that
   *   is damaged, the one that its run wrote before is taken, and a warning of the process says so.
   * @throws CheckpointError where there is none, or it is damaged, or of another network or
   *   optimizer; nothing is changed then. Before anything is compiled, optimizer state that does
   *   not fit is found at the first step only.
   */
  async loadCheckpoint(path: string): Promise<void> {
    const caller = 'Trainer.loadCheckpoint';
    this.#engine.assertUsable(caller);
    this.#assertNotFitting(caller);
    checkPath(caller, 'path', path);
    await this.#state.restore(caller, await loadCheckpoint(path));
  }

  /**
   * Ends an evaluation that is under way, waits for the steps on the device and for checkpoints,
   * copies the parameters into the network, and frees all device memory. Calls that wait reject with a
   * DisposedError, as do later ones. Idempotent.
   */
  async dispose(): Promise<void> {
    try {
      await this.#engine.dispose();
      await this.#state.settled();
    } finally {
      await this.#metrics?.end();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  #assertNotFitting(caller: string): void {
    if (!this.#isFitting) return;
    throw new ArgumentError(
      `${caller}: fit is running and has the training to itself; wait for its promise. ` +
        'Its callbacks may call evaluate, stateDict and syncParameters.',
    );
  }

  async #sync(caller: string): Promise<void> {
    await this.#engine.synchronise(caller);
  }

  /**
   * What fit leaves behind: host parameters that are up to date, unless the device is lost, which its
   * caller is told; and metrics on disk.
   */
  async #settle(caller: string): Promise<void> {
    const { isDisposed, isDeviceLost } = this.#engine;
    if (!isDisposed && !isDeviceLost) await this.#sync(caller);
    await this.#metrics?.flush();
  }
}
