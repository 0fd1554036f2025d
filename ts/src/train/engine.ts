/**
 * Owns a trainer's programs: the training step and the evaluation, which share their parameters,
 * and the order in which work reaches them.
 *
 * Policy: runs go to the device in the order of the calls. Work that must not be mixed with steps
 * (compiling, reading or writing parameters, a whole evaluation) goes through one queue, and a step
 * that is called meanwhile copies its batch and waits its turn. Disposal lets what the device has
 * begun come to its end, and fails what waits.
 */
import { abortable } from '../abortable.js';
import { ArgumentError, DisposedError, ShapeError } from '../errors.js';
import { evalGraph, type StepRule, trainGraph } from '../graph/steps.js';
import type { NativeProgram } from '../native.js';
import type { CrossEntropyLoss, Module, StateTensor } from '../nn/index.js';
import {
  checkImages,
  checkLabels,
  describeSignature,
  type InputSignature,
  type LabelledBatch,
  sameSignature,
} from './batch.js';
import { CompiledGraph, type CompileTarget, type RunInputs } from './compiled.js';
import { checkState, classesOf, imageSpec, reductionOf } from './graph-facts.js';
import { TaskQueue } from './task-queue.js';

/** Optimizer state by name, in plain layout. */
export type OptimizerState = Record<string, StateTensor>;

/** A batch whose memory may be given back after use; those of a `DataLoader` are. */
export type ReleasableBatch = LabelledBatch & { release?(): void };

/** Result of one run over a batch. */
export interface BatchResult {
  /** Mean loss of the batch. */
  readonly loss: number;
  /** Examples whose largest output was the label's. */
  readonly correct: number;
  /** Examples in the batch. */
  readonly size: number;
}

/** A step that the device has been given. */
export interface SubmittedStep {
  /** Number of the step, from 1. */
  readonly step: number;
  /** Learning rate of each parameter group. */
  readonly lr: readonly number[];
  readonly result: Promise<BatchResult>;
}

/** A state of training to go back to, beside the parameters. */
export interface RestoredTraining {
  readonly optimizer: OptimizerState;
  readonly step: number;
  readonly seed: number;
}

/** An optimizer as the trainer needs it; those in `optim` are. */
export interface TrainerOptimizer extends StepRule {
  /** Groups with their learning rate, which may change, and the options that do not. */
  readonly paramGroups: readonly { lr: number; readonly options: object }[];
}

/** What to train, and where. */
export interface EngineOptions {
  readonly net: Module;
  readonly loss: CrossEntropyLoss;
  readonly optimizer: TrainerOptimizer;
  readonly target: CompileTarget;
}

/** The programs of one trainer. */
export class Engine {
  /** Seed of dropout; a change applies from the next step on. */
  seed: number;
  /** Steps submitted so far. */
  step = 0;
  readonly #options: EngineOptions;
  readonly #queue = new TaskQueue();
  readonly #running = new Set<Promise<void>>();
  #training: CompiledGraph | undefined;
  #evaluation: CompiledGraph | undefined;
  /** Optimizer state of a checkpoint that waits for the training program. */
  #restored: OptimizerState | undefined;
  /** Step up to which the network's host parameters are up to date. */
  #syncedStep = 0;
  #disposal: Promise<void> | undefined;

  constructor(options: EngineOptions, seed: number) {
    this.#options = options;
    this.seed = seed;
  }

  get isDisposed(): boolean {
    return this.#disposal !== undefined;
  }

  /** The program that has the live parameters, if one is compiled. */
  get liveGraph(): CompiledGraph | undefined {
    const graph = this.#training?.program === undefined ? this.#evaluation : this.#training;
    return graph?.program === undefined ? undefined : graph;
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
   */
  async prepare(caller: string, signature: InputSignature, batchSize: number): Promise<void> {
    this.assertUsable(caller);
    const { graph, before } = this.#trainingFor(caller, signature, batchSize);
    await this.#queue.enqueue(() => this.#compileTraining(caller, graph, before));
  }

  /**
   * Checks a batch, then submits one training step. The batch may be changed once this returns.
   *
   * @throws Typed errors for a batch that does not fit, before any work.
   */
  async submit(caller: string, batch: LabelledBatch): Promise<SubmittedStep> {
    this.assertUsable(caller);
    const { signature, size } = checkImages(caller, batch);
    const compiledFor = this.#training?.batchSize ?? size;
    if (size > compiledFor) {
      throw new ShapeError(
        `${caller}: the training program is compiled for at most ${compiledFor} examples, ` +
          `got a batch of ${size}. Call trainer.compile({ batchSize: ${size}, ... }) first, ` +
          'or begin with the largest batch.',
      );
    }
    const { graph, before } = this.#trainingFor(caller, signature, size);
    checkLabels(caller, batch.label, size, classesOf(graph.traced));
    const lr = this.#options.optimizer.paramGroups.map((group) => group.lr);
    const { image, label } = batch;
    const { program } = graph;
    if (this.#queue.idle && program !== undefined) {
      return this.#submit(graph, program, { image, label, size, lr });
    }
    const copy = { image: image.slice(), label: label.slice(), size, lr };
    return this.#queue.enqueue(async () => {
      const ready = await this.#compileTraining(caller, graph, before);
      this.assertUsable(caller);
      return this.#submit(graph, ready, copy);
    });
  }

  /** Mean loss and accuracy over batches, with the parameters of one moment. */
  evaluate(
    caller: string,
    batches: AsyncIterable<ReleasableBatch>,
    batchSize: number,
    signal: AbortSignal | undefined,
  ): Promise<{ loss: number; accuracy: number; size: number }> {
    const sums = { loss: 0, correct: 0, size: 0 };
    const add = ({ loss, correct, size }: BatchResult) => {
      sums.loss += loss * size;
      sums.correct += correct;
      sums.size += size;
    };
    return this.#queue.enqueue(async () => {
      let previous: Promise<BatchResult> | undefined;
      try {
        for await (const batch of abortable(batches, signal)) {
          this.assertUsable(caller);
          const result = await this.#submitEvaluation(caller, batch, batchSize);
          if (previous !== undefined) add(await previous);
          previous = result.promise;
        }
        if (previous !== undefined) add(await previous);
      } finally {
        await this.drain();
      }
      if (sums.size === 0) throw new ArgumentError(`${caller}: the loader has no batches`);
      return { loss: sums.loss / sums.size, accuracy: sums.correct / sums.size, size: sums.size };
    });
  }

  /** Copies the device's parameters into the network, then runs `task` before any further work. */
  synchronise<T>(caller: string, task: () => Promise<T>): Promise<T> {
    return this.#queue.enqueue(async () => {
      this.assertUsable(caller);
      await this.#readParameters();
      return task();
    });
  }

  /**
   * The optimizer's state. Only from within {@link synchronise}'s task.
   *
   * @returns undefined where no step could have been taken yet.
   */
  async readOptimizer(): Promise<OptimizerState | undefined> {
    const graph = this.#training;
    const { program } = graph ?? {};
    if (graph === undefined || program === undefined) return this.#restored;
    const state: OptimizerState = {};
    for (const [name, shape] of graph.traced.states) {
      state[name] = { data: await program.read(name), shape };
    }
    return state;
  }

  /**
   * Changes the network's host parameters, then writes them to the device; with `training`, goes
   * back to that state of the training too. Nothing is changed if anything does not fit.
   *
   * @param change Changes the host parameters, or throws.
   * @throws CheckpointError where the optimizer state is not the optimizer's.
   */
  restore(caller: string, change: () => void, training?: RestoredTraining): Promise<void> {
    return this.#queue.enqueue(async () => {
      this.assertUsable(caller);
      await this.drain();
      const graph = this.#training;
      if (graph !== undefined && training !== undefined) {
        checkState(graph.traced, training.optimizer);
      }
      change();
      if (training !== undefined) {
        this.#restored = training.optimizer;
        this.step = training.step;
        this.seed = training.seed;
      }
      await this.liveGraph?.writeParameters();
      this.#syncedStep = this.step;
      if (graph?.program !== undefined) await this.#writeRestored(graph, graph.program);
    });
  }

  /** Resolves when nothing that was submitted runs any more. */
  async drain(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  /**
   * Lets the runs on the device end, brings the network's host parameters up to date, and frees the
   * programs. Idempotent.
   */
  dispose(): Promise<void> {
    this.#disposal ??= this.#dispose();
    return this.#disposal;
  }

  async #dispose(): Promise<void> {
    await this.#queue.settled();
    await this.drain();
    try {
      await this.#readParameters();
    } finally {
      await this.#evaluation?.dispose();
      await this.#training?.dispose();
    }
  }

  async #readParameters(): Promise<void> {
    if (this.#syncedStep === this.step) return;
    const { step } = this;
    await this.liveGraph?.readParameters();
    this.#syncedStep = step;
  }

  /** The graph of the training step, traced if need be, and the one whose values it takes over. */
  #trainingFor(caller: string, signature: InputSignature, batchSize: number) {
    const before = this.#training;
    if (before !== undefined) this.#checkSignature(caller, before, signature);
    const size = Math.max(batchSize, before?.batchSize ?? 0);
    if (before !== undefined && before.batchSize === size && before.seed === this.seed) {
      return { graph: before, before: undefined };
    }
    const { net, loss, optimizer, target } = this.#options;
    const { seed } = this;
    const traced = trainGraph(net, loss, optimizer, imageSpec(signature, size), { seed });
    classesOf(traced);
    const graph = new CompiledGraph(traced, signature, target, seed);
    this.#training = graph;
    return { graph, before };
  }

  async #compileTraining(
    caller: string,
    graph: CompiledGraph,
    before: CompiledGraph | undefined,
  ): Promise<NativeProgram> {
    this.assertUsable(caller);
    if (graph.program !== undefined) return graph.program;
    try {
      if (this.#restored !== undefined) checkState(graph.traced, this.#restored);
      await this.drain();
      const program = await graph.compile(before?.program);
      await before?.dispose();
      // It was compiled first, so its parameters are its own; the next one shares the training's.
      await this.#evaluation?.dispose();
      this.#evaluation = undefined;
      await this.#writeRestored(graph, program);
      return program;
    } catch (error) {
      if (this.#training === graph) this.#training = before;
      throw error;
    }
  }

  async #writeRestored(graph: CompiledGraph, program: NativeProgram): Promise<void> {
    const state = this.#restored;
    if (state === undefined) return;
    checkState(graph.traced, state);
    for (const [name, { data }] of Object.entries(state)) await program.write(name, data);
    this.#restored = undefined;
  }

  async #submitEvaluation(
    caller: string,
    batch: ReleasableBatch,
    batchSize: number,
  ): Promise<{ promise: Promise<BatchResult> }> {
    const { signature, size } = checkImages(caller, batch);
    const graph = await this.#evaluationFor(caller, signature, Math.max(batchSize, size));
    const { image, label } = batch;
    checkLabels(caller, label, size, classesOf(graph.traced));
    const program = await graph.compile(this.#training?.program);
    const promise = this.#run(graph, program, { image, label, size });
    batch.release?.();
    return { promise };
  }

  async #evaluationFor(
    caller: string,
    signature: InputSignature,
    batchSize: number,
  ): Promise<CompiledGraph> {
    const before = this.#evaluation;
    if (before !== undefined) {
      this.#checkSignature(caller, before, signature);
      if (before.batchSize >= batchSize) return before;
    }
    const { net, loss, target } = this.#options;
    const traced = evalGraph(net, loss, imageSpec(signature, batchSize));
    const graph = new CompiledGraph(traced, signature, target);
    await this.drain();
    await graph.compile(this.#training?.program ?? before?.program);
    await before?.dispose();
    this.#evaluation = graph;
    return graph;
  }

  #checkSignature(caller: string, graph: CompiledGraph, signature: InputSignature): void {
    if (sameSignature(graph.signature, signature)) return;
    throw new ShapeError(
      `${caller}: expected images ${describeSignature(graph.signature)}, as the program was ` +
        `compiled for, got ${describeSignature(signature)}. One trainer takes one kind of image.`,
    );
  }

  #submit(graph: CompiledGraph, program: NativeProgram, inputs: RunInputs): SubmittedStep {
    this.step += 1;
    const { step } = this;
    const result = this.#run(graph, program, { ...inputs, step });
    return { step, lr: inputs.lr ?? [], result };
  }

  #run(graph: CompiledGraph, program: NativeProgram, inputs: RunInputs): Promise<BatchResult> {
    const isSum = reductionOf(graph.traced) === 'sum';
    const { size } = inputs;
    const result = graph.run(program, inputs).then((outputs): BatchResult => {
      const loss = Number(outputs.loss?.[0]);
      return { loss: isSum ? loss / size : loss, correct: Number(outputs.correct?.[0]), size };
    });
    const ended: Promise<void> = result
      .then(
        () => {},
        () => {},
      )
      .then(() => {
        this.#running.delete(ended);
      });
    this.#running.add(ended);
    return result;
  }
}
