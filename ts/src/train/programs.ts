/**
 * Owns a trainer's programs: the training step and the evaluation, which share their parameters.
 *
 * Policy: a program is in use once it is compiled and has its parameters and optimizer state. Until
 * then, and where that fails, the one before it stays. Calls come one at a time, through the
 * engine's queue; only `trace` and the getters may be called at any moment.
 */
import { evalGraph, trainGraph } from '../graph/steps.js';
import type { NativeProgram } from '../native.js';
import type { CrossEntropyLoss, Module, StateDict, StateTensor } from '../nn/index.js';
import type { CompileTarget } from '../target.js';
import type { InputSignature } from './batch.js';
import { CompiledGraph } from './compiled.js';
import { copyInSlices } from './copy.js';
import { checkState, imageSpec, lossClasses } from './graph-facts.js';
import type { TrainerOptimizer } from './optimizer-settings.js';

/** Optimizer state by name, in plain layout. */
export type OptimizerState = Record<string, StateTensor>;

/** What to train, and where. */
export interface ProgramsOptions {
  readonly net: Module;
  readonly loss: CrossEntropyLoss;
  readonly optimizer: TrainerOptimizer;
  readonly target: CompileTarget;
}

/** A graph that is compiled, with its program. */
export interface ProgramInUse {
  readonly graph: CompiledGraph;
  readonly program: NativeProgram;
}

/** The programs of one trainer. */
export class Programs {
  readonly #options: ProgramsOptions;
  readonly #drain: () => Promise<void>;
  #training: ProgramInUse | undefined;
  #evaluation: ProgramInUse | undefined;
  /** Optimizer state of a checkpoint that waits for the training program. */
  #restored: OptimizerState | undefined;

  /** @param drain Resolves when nothing runs on the device. */
  constructor(options: ProgramsOptions, drain: () => Promise<void>) {
    this.#options = options;
    this.#drain = drain;
  }

  /** The training program in use. */
  get training(): ProgramInUse | undefined {
    return this.#training;
  }

  /** The evaluation program in use. */
  get evaluation(): ProgramInUse | undefined {
    return this.#evaluation;
  }

  /** Traces a training step; finds every error of shape. */
  trace(signature: InputSignature, batchSize: number, seed: number): CompiledGraph {
    const { net, loss, optimizer, target } = this.#options;
    const traced = trainGraph(net, loss, optimizer, imageSpec(signature, batchSize), { seed });
    lossClasses(traced);
    return new CompiledGraph(traced, signature, target, seed);
  }

  /** Puts a traced training step in use; it goes on with what the one before has learned. */
  async install(graph: CompiledGraph): Promise<ProgramInUse> {
    if (this.#restored !== undefined) checkState(graph.traced, this.#restored);
    await this.#drain();
    const before = this.#training;
    const training = { graph, program: await graph.compile(before?.graph) };
    try {
      if (this.#restored !== undefined) await writeState(training, this.#restored);
    } catch (error) {
      await graph.dispose();
      throw error;
    }
    const evaluation = this.#evaluation;
    this.#training = training;
    this.#evaluation = undefined;
    this.#restored = undefined;
    // An evaluation that was compiled first has parameters of its own; the next one shares these.
    await evaluation?.graph.dispose();
    await before?.graph.dispose();
    return training;
  }

  /** The evaluation program for batches of a size, compiled if need be. */
  async evaluationFor(signature: InputSignature, batchSize: number): Promise<ProgramInUse> {
    const before = this.#evaluation;
    if (before !== undefined && before.graph.batchSize >= batchSize) return before;
    const { net, loss, target } = this.#options;
    const traced = evalGraph(net, loss, imageSpec(signature, batchSize));
    lossClasses(traced);
    const graph = new CompiledGraph(traced, signature, target);
    await this.#drain();
    const evaluation = { graph, program: await graph.compile(this.#live?.graph) };
    this.#evaluation = evaluation;
    await before?.graph.dispose();
    return evaluation;
  }

  /**
   * Brings the network's host parameters up to date.
   *
   * @returns Whether there is a program to read them from.
   */
  async read(): Promise<boolean> {
    const live = this.#live;
    await live?.graph.readParameters();
    return live !== undefined;
  }

  /** The live parameters by their names in the network, in arrays of the caller's own. */
  async copyParameters(): Promise<StateDict> {
    const entries = Object.entries(this.#options.net.stateDict());
    const live = this.#live;
    const copies = new Map<Float32Array, Float32Array>();
    if (live !== undefined) {
      const sources = [...live.graph.traced.parameters].map(([name, { data }]) => ({ name, data }));
      for (const { name, data } of sources) copies.set(data, await live.program.read(name));
    }
    const dict: StateDict = {};
    for (const [name, { data, shape }] of entries) {
      dict[name] = { data: copies.get(data) ?? (await copyInSlices(data)), shape };
    }
    return dict;
  }

  /** The optimizer's state; undefined where no step could have been taken yet. */
  async readState(): Promise<OptimizerState | undefined> {
    if (this.#training === undefined) return this.#restored;
    const { graph, program } = this.#training;
    const state: OptimizerState = {};
    for (const [name, shape] of graph.traced.states) {
      state[name] = { data: await program.read(name), shape };
    }
    return state;
  }

  /** @throws CheckpointError where the state is not that of the training program in use. */
  checkState(state: OptimizerState): void {
    if (this.#training !== undefined) checkState(this.#training.graph.traced, state);
  }

  /** Writes the network's host parameters to the device and, if given, the optimizer's state. */
  async write(state: OptimizerState | undefined): Promise<void> {
    const training = this.#training;
    await training?.graph.writeParameters();
    await this.#evaluation?.graph.writeParameters(training?.graph);
    if (state === undefined) return;
    if (training === undefined) this.#restored = state;
    else await writeState(training, state);
  }

  /** The program that has the live parameters; those that an evaluation has alone do not change. */
  get #live(): ProgramInUse | undefined {
    return this.#training ?? this.#evaluation;
  }

  /** Frees the programs. Idempotent. */
  async dispose(): Promise<void> {
    await this.#evaluation?.graph.dispose();
    await this.#training?.graph.dispose();
  }
}

async function writeState({ graph, program }: ProgramInUse, state: OptimizerState): Promise<void> {
  checkState(graph.traced, state);
  for (const [name, { data }] of Object.entries(state)) await program.write(name, data);
}
