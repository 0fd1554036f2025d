/**
 * Owns the order in which a trainer's work reaches the device, and what is known of each step.
 *
 * Policy: runs go to the device in the order of the calls, and with the network's newest parameters:
 * whatever changed them on the host since is written first. Work that must not be mixed with steps
 * (compiling, reading or writing parameters, a whole evaluation) goes through one queue, and a step
 * that is called meanwhile copies its batch and waits its turn. A batch is checked before anything
 * is changed, at the call and again when its turn comes. Disposal lets what the device has begun
 * come to its end, and fails what waits.
 */
import { abortable } from '../abortable.js';
import { ArgumentError, DisposedError, isDeviceFailure } from '../errors.js';
import type { StateDict } from '../nn/index.js';
import {
  type CheckedImages,
  checkImages,
  checkTargets,
  type InputSignature,
  type LabelledBatch,
} from '../program/batch.js';
import type { CompiledGraph, RunInputs } from '../program/compiled.js';
import type { ParameterHolder } from '../program/host-values.js';
import type { PlanInfo } from '../program/native.js';
import { TaskQueue } from '../program/task-queue.js';
import { WaitingCalls } from '../waiting.js';
import { checkFits, checkSignature } from './fits.js';
import { isCalledByLoaderOf, refuseLoaderOf, withLoaderOf } from './loader-calls.js';
import {
  type OptimizerState,
  type ProgramInUse,
  Programs,
  type ProgramsOptions,
} from './programs.js';
import {
  type BatchResult,
  type EvaluationResult,
  MeanResult,
  type ReleasableBatch,
  release,
  type SubmittedStep,
} from './results.js';
import { Runs } from './runs.js';

/** A state of training to go back to, beside the parameters. */
export interface RestoredTraining {
  readonly optimizer: OptimizerState;
  readonly step: number;
  readonly seed: number;
}

/** What a checkpoint keeps, all of one moment, in arrays of its own. */
export interface Snapshot {
  readonly model: StateDict;
  /** undefined where no step could have been taken yet. */
  readonly optimizer: OptimizerState | undefined;
  readonly step: number;
  readonly seed: number;
}

/** Inputs of a training step. */
type TrainingInputs = RunInputs & Required<Pick<RunInputs, 'lr'>>;

/** Runs steps and evaluations of one trainer. */
export class Engine implements ParameterHolder {
  /** Seed of dropout; a change applies from the next step on. */
  seed: number;
  /** Steps submitted so far. */
  step = 0;
  readonly #optimizer: ProgramsOptions['optimizer'];
  readonly #programs: Programs;
  readonly #queue = new TaskQueue();
  readonly #waiting = new WaitingCalls('batches');
  readonly #runs = new Runs();
  /** The training step that a call in the queue will compile; calls meanwhile are checked by it. */
  #coming: CompiledGraph | undefined;
  readonly #end = new AbortController();
  #disposal: Promise<void> | undefined;
  #isEvaluating = false;
  /** Other holders that the task at work waits for. */
  #waitsFor = 0;

  constructor(options: ProgramsOptions, seed: number) {
    this.#optimizer = options.optimizer;
    this.#programs = new Programs(options, this, () => this.drain());
    this.seed = seed;
  }

  /** Whether a caller was told that the device failed: nothing can be read from it any more. */
  get isDeviceLost(): boolean {
    return this.#runs.isDeviceLost;
  }

  /** Whether results tell how many examples are right, as far as a program was compiled. */
  get countsCorrect(): boolean {
    const used = this.#programs.training ?? this.#programs.evaluation;
    return used?.graph.traced.loss?.hasCorrect !== false;
  }

  get isDisposed(): boolean {
    return this.#disposal !== undefined;
  }

  /** Aborted, with a DisposedError, when {@link dispose} is called: nobody waits for a loader then. */
  get ended(): AbortSignal {
    return this.#end.signal;
  }

  /** Bytes of a snapshot. */
  get snapshotBytes(): number {
    return this.#programs.snapshotBytes;
  }

  /** Memory and kernels of the training program; undefined before it is compiled. */
  plan(caller: string): PlanInfo | undefined {
    this.assertUsable(caller);
    return this.#programs.training?.program.plan();
  }

  /** @throws DisposedError after {@link dispose}. */
  assertUsable(caller: string): void {
    if (this.isDisposed) {
      throw new DisposedError(`${caller}: the trainer was disposed of; make a new Trainer`);
    }
  }

  /**
   * Makes sure that there is a training program for at least `batchSize` such images. What an
   * earlier program has learned goes over into a larger one.
   *
   * @param size Examples of the batch at hand, for messages.
   */
  async prepare(
    caller: string,
    signature: InputSignature,
    batchSize: number,
    size = batchSize,
  ): Promise<void> {
    this.assertUsable(caller);
    refuseLoaderOf(this, caller);
    const expected = this.#coming ?? this.#programs.training?.graph;
    if (expected !== undefined) checkSignature(caller, expected, signature);
    const graph = this.#graphFor(expected, signature, batchSize, size);
    await this.#enqueueWith(graph, () => this.#ready(caller, graph, signature, batchSize, size));
  }

  /**
   * Checks a batch, then submits one training step. The batch may be changed once this returns.
   *
   * @param images The batch's, where they were checked before.
   * @throws ShapeError, DTypeError, ArgumentError for a batch that the program does not take, before any
   *   work.
   */
  async submit(
    caller: string,
    batch: LabelledBatch,
    images?: CheckedImages,
  ): Promise<SubmittedStep> {
    this.assertUsable(caller);
    refuseLoaderOf(this, caller);
    this.#programs.checkNet(caller);
    const { image, signature, size } = images ?? checkImages(caller, batch);
    const expected = this.#coming ?? this.#programs.training?.graph;
    if (expected !== undefined) checkFits(caller, expected, signature, size);
    const graph = this.#graphFor(expected, signature, size, size);
    const label = checkTargets(caller, batch, size, graph.traced.loss?.targets);
    const lr = this.#optimizer.paramGroups.map((group) => group.lr);
    const end = this.#waiting.begin(caller, image.byteLength + (label?.byteLength ?? 0));
    try {
      const submitted = await this.#submitChecked(caller, graph, signature, {
        image,
        ...(label === undefined ? {} : { label }),
        size,
        lr,
      });
      submitted.result.then(end, end);
      return submitted;
    } catch (error) {
      end();
      throw error;
    }
  }

  /** Gives a step to the device, now or when its turn comes. */
  async #submitChecked(
    caller: string,
    graph: CompiledGraph,
    signature: InputSignature,
    inputs: TrainingInputs,
  ): Promise<SubmittedStep> {
    const { image, label, size } = inputs;
    const { training } = this.#programs;
    if (this.#queue.idle && training?.graph === graph && this.#programs.isCurrent) {
      return this.#submit(training, inputs);
    }
    const copy = { ...inputs, image: image.slice() };
    const copied = label === undefined ? copy : { ...copy, label: label.slice() };
    return this.#enqueueWith(graph, async () => {
      const now = this.#programs.training;
      if (now !== undefined) checkFits(caller, now.graph, signature, size);
      const ready = await this.#ready(caller, graph, signature, size, size);
      await this.#programs.update();
      this.assertUsable(caller);
      return this.#submit(ready, copied);
    });
  }

  /** Mean loss and accuracy over batches, with the parameters of one moment. */
  async evaluate(
    caller: string,
    batches: AsyncIterable<ReleasableBatch>,
    batchSize: number,
    signal: AbortSignal | undefined,
  ): Promise<EvaluationResult> {
    refuseLoaderOf(this, caller);
    const mean = new MeanResult();
    return this.#enqueue(async () => {
      let previous: Promise<BatchResult> | undefined;
      this.#isEvaluating = true;
      try {
        this.#programs.checkNet(caller);
        await this.#programs.update();
        await withLoaderOf(this, batches, async (loader) => {
          for await (const batch of abortable(loader, signal, this.ended)) {
            this.assertUsable(caller);
            const result = await this.#submitEvaluation(caller, batch, batchSize);
            if (previous !== undefined) mean.add(await previous);
            previous = result.promise;
          }
        });
        if (previous !== undefined) mean.add(await previous);
      } finally {
        this.#isEvaluating = false;
        await this.drain();
      }
      const result = mean.value();
      if (result === undefined) throw new ArgumentError(`${caller}: the loader has no batches`);
      return result;
    });
  }

  /** Brings the network's host parameters up to date. */
  synchronise(caller: string): Promise<void> {
    return this.#enqueueRead(async () => {
      this.assertUsable(caller);
      await this.#programs.sync();
    });
  }

  /** Does what {@link synchronise} does, and copies the parameters. */
  stateDict(caller: string): Promise<StateDict> {
    return this.#enqueueRead(async () => {
      this.assertUsable(caller);
      await this.#programs.sync();
      return this.#programs.copyParameters();
    });
  }

  /**
   * Gives the host the parameters that the device is ahead with; at once where the task at work
   * waits, for a loader or another holder, since either may be who asks.
   */
  sync(): Promise<void> {
    if (this.#isEvaluating || this.#waitsFor > 0) return this.#programs.read();
    return this.#disposal ?? this.#enqueue(() => this.#programs.read());
  }

  /** Waits for what another holder is ahead with, while {@link sync} answers at once. */
  async waitFor(other: ParameterHolder): Promise<void> {
    this.#waitsFor += 1;
    try {
      await other.sync();
    } finally {
      this.#waitsFor -= 1;
    }
  }

  /**
   * Parameters, optimizer state and counters of one moment.
   *
   * @param meanwhile Called at that moment, so that its result belongs to it.
   * @throws ArgumentError for a network whose layers were replaced.
   */
  async snapshot<T>(caller: string, meanwhile: () => T): Promise<[Snapshot, T]> {
    refuseLoaderOf(this, caller);
    return this.#enqueue(async () => {
      this.assertUsable(caller);
      this.#programs.checkNet(caller);
      const { step, seed } = this;
      const more = meanwhile();
      const optimizer = await this.#programs.readState();
      const model = optimizer === undefined ? {} : await this.#programs.copyParameters();
      return [{ model, optimizer, step, seed }, more];
    });
  }

  /**
   * Changes the network's host parameters, then writes them to the device; with `training`, goes
   * back to that state of the training too. Nothing is changed if anything does not fit.
   *
   * @param change Changes the host parameters, or fails; it may return a promise.
   * @throws CheckpointError where the optimizer state is not the optimizer's.
   */
  async restore(caller: string, change: () => unknown, training?: RestoredTraining): Promise<void> {
    refuseLoaderOf(this, caller);
    return this.#enqueue(async () => {
      this.assertUsable(caller);
      await this.drain();
      if (training !== undefined) this.#programs.checkState(training.optimizer);
      await change();
      if (training !== undefined) {
        this.step = training.step;
        this.seed = training.seed;
      }
      await this.#programs.update();
      if (training !== undefined) await this.#programs.writeState(training.optimizer);
    });
  }

  /** Resolves when nothing that was submitted runs any more. */
  drain(): Promise<void> {
    return this.#runs.drain();
  }

  /**
   * Lets the runs on the device end, brings the network's host parameters up to date, and frees the
   * programs. Where a caller was told that the device failed, the parameters stay as they are: the
   * failure is not told twice. Idempotent.
   */
  dispose(): Promise<void> {
    this.#disposal ??= this.#dispose();
    this.#end.abort(new DisposedError('the trainer was disposed of while it waited for a loader'));
    return this.#disposal;
  }

  async #dispose(): Promise<void> {
    await this.#queue.settled();
    await this.drain();
    try {
      await this.#programs.read();
    } catch (error) {
      if (!(this.isDeviceLost && isDeviceFailure(error))) throw error;
    } finally {
      this.#programs.release();
      await this.#programs.dispose();
    }
  }

  /** The expected graph where it will do, or a new one that is traced. */
  #graphFor(
    expected: CompiledGraph | undefined,
    signature: InputSignature,
    batchSize: number,
    size: number,
  ): CompiledGraph {
    const largest = rowsFor(expected, batchSize);
    if (expected?.batchSize === largest && this.#programs.isValid(expected, this.seed)) {
      return expected;
    }
    return this.#programs.trace(signature, largest, this.seed, size);
  }

  /** Queues a task whose failure its caller is told. */
  #enqueue<T>(task: () => Promise<T>): Promise<T> {
    return this.#queue.enqueue(() =>
      task().catch((error: unknown) => {
        this.#runs.note(error);
        throw error;
      }),
    );
  }

  /**
   * Queues a task that reads parameters. It runs at once during an evaluation, which changes none, if
   * that one's loader asks, or if nothing that was called before waits for the evaluation.
   */
  #enqueueRead<T>(task: () => Promise<T>): Promise<T> {
    const isFree = this.#queue.runsLast || isCalledByLoaderOf(this);
    return this.#isEvaluating && isFree ? task() : this.#enqueue(task);
  }

  /** Queues a task that will compile `graph`, unless it is in use already. */
  #enqueueWith<T>(graph: CompiledGraph, task: () => Promise<T>): Promise<T> {
    if (graph !== this.#programs.training?.graph) this.#coming = graph;
    return this.#enqueue(async () => {
      try {
        return await task();
      } finally {
        if (this.#coming === graph) this.#coming = undefined;
      }
    });
  }

  /**
   * The training program in use, or the one that takes its place: that of `graph`, or of a graph
   * that is traced anew where what came before in the queue has changed what is needed.
   */
  async #ready(
    caller: string,
    graph: CompiledGraph,
    signature: InputSignature,
    batchSize: number,
    size: number,
  ): Promise<ProgramInUse> {
    this.assertUsable(caller);
    const { training } = this.#programs;
    if (training !== undefined) checkSignature(caller, training.graph, signature);
    const needed = rowsFor(training?.graph, batchSize);
    const will = (each: CompiledGraph) =>
      each.batchSize === needed && this.#programs.isValid(each, this.seed);
    if (training !== undefined && will(training.graph)) return training;
    const next = will(graph) ? graph : this.#programs.trace(signature, needed, this.seed, size);
    const installed = await this.#programs.install(next);
    this.assertUsable(caller);
    return installed;
  }

  async #submitEvaluation(
    caller: string,
    batch: ReleasableBatch,
    batchSize: number,
  ): Promise<{ promise: Promise<BatchResult> }> {
    const { image, signature, size } = checkImages(caller, batch);
    const { evaluation } = this.#programs;
    if (evaluation !== undefined) checkSignature(caller, evaluation.graph, signature);
    const used = await this.#programs.evaluationFor(signature, Math.max(batchSize, size), size);
    const label = checkTargets(caller, batch, size, used.graph.traced.loss?.targets);
    const inputs = label === undefined ? { image, size } : { image, label, size };
    const promise = this.#runs.start(used, inputs);
    release(caller, batch);
    return { promise };
  }

  #submit(training: ProgramInUse, inputs: TrainingInputs): SubmittedStep {
    const step = this.step + 1;
    const result = this.#runs.start(training, { ...inputs, step });
    this.step = step;
    this.#programs.hold();
    return { step, lr: inputs.lr, result };
  }
}

/**
 * Rows of the program that takes a batch after one that is in use: no fewer than that one's, or
 * exactly the batch's where none may be padded.
 */
function rowsFor(before: CompiledGraph | undefined, batchSize: number): number {
  const isWhole = before?.traced.wholeBatches === true;
  return isWhole ? batchSize : Math.max(batchSize, before?.batchSize ?? 0);
}
