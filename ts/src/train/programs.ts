/**
 * Owns a trainer's programs: the training step and the evaluation, which share their parameters.
 *
 * Policy: a program is in use once it is compiled and has its parameters and optimizer state. Until
 * then, and where that fails, the one before it stays. From the first step on the programs are the
 * holder of the parameters that they train, until the host has them back. Calls come one at a time, through the
 * engine's queue; only `trace` and the getters may be called at any moment. Where batches cannot be
 * padded, the program of the size before stays as a spare: an epoch's last batch is often smaller, and
 * the next epoch begins with whole ones again. A spare has its parameters in the same memory.
 */

import { elementCount } from '../graph/shapes.js';
import { modesOf } from '../graph/trace.js';
import type { Module, Outputs, StateDict, StateTensor } from '../nn/index.js';
import { savedTensors } from '../nn/module.js';
import type { InputSignature } from '../program/batch.js';
import { CompiledGraph } from '../program/compiled.js';
import { copyInSlices } from '../program/copy.js';
import { checkParameters, imageSpec, traceFor } from '../program/graph-facts.js';
import { evalGraph, type TracedGraph, trainGraph } from '../program/graphs.js';
import type { HostArray, ParameterHolder } from '../program/host-values.js';
import { allocateFloats } from '../program/memory.js';
import { hostValuesOf, type ModuleTensor } from '../program/module-tensor.js';
import type { NativeProgram } from '../program/native.js';
import type { CompileTarget } from '../program/target.js';
import { checkWhole, ProgramWeights } from '../program/weights.js';
import type { TrainerOptimizer } from './optimizer-settings.js';
import { checkState } from './optimizer-state.js';

/** Optimizer state by name, in plain layout. */
export type OptimizerState = Record<string, StateTensor>;

/** What to train, and where. */
export interface ProgramsOptions {
  readonly net: Module<Outputs>;
  readonly loss: Module;
  readonly optimizer: TrainerOptimizer;
  readonly target: CompileTarget;
}

/** A graph that is compiled, with its program. */
export interface ProgramInUse {
  readonly graph: CompiledGraph;
  readonly program: NativeProgram;
  readonly weights: ProgramWeights;
}

/** The programs of one trainer. */
export class Programs {
  readonly #options: ProgramsOptions;
  readonly #drain: () => Promise<void>;
  readonly #holder: ParameterHolder;
  #training: ProgramInUse | undefined;
  #evaluation: ProgramInUse | undefined;
  /** Programs of another size of batch, which have their parameters in the same memory. */
  #spareTraining: ProgramInUse | undefined;
  #spareEvaluation: ProgramInUse | undefined;
  /** Optimizer state of a checkpoint that waits for the training program. */
  #restored: OptimizerState | undefined;

  /**
   * @param holder Whose the parameters are while the device is ahead of the host.
   * @param drain Resolves when nothing runs on the device.
   */
  constructor(options: ProgramsOptions, holder: ParameterHolder, drain: () => Promise<void>) {
    this.#options = options;
    this.#holder = holder;
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

  /** Whether a graph of a training step is still that of the network and seed. */
  isValid(graph: CompiledGraph, seed: number): boolean {
    return graph.seed === seed && graph.traced.modes === modesOf(this.#options.net);
  }

  /**
   * Traces a training step; finds every error of shape.
   *
   * @param size Examples of the batch at hand, for messages.
   */
  trace(signature: InputSignature, batchSize: number, seed: number, size: number): CompiledGraph {
    const spare = this.#spareTraining?.graph;
    if (spare?.batchSize === batchSize && this.isValid(spare, seed)) return spare;
    const { net, loss, optimizer, target } = this.#options;
    const traced = traceFor(size, batchSize, (n) =>
      trainGraph(net, loss, optimizer, imageSpec(signature, n), { seed }),
    );
    return new CompiledGraph(traced, signature, target, seed);
  }

  /** Puts a traced training step in use; it goes on with what the one before has learned. */
  async install(graph: CompiledGraph): Promise<ProgramInUse> {
    if (this.#restored !== undefined) checkState(graph.traced, this.#restored);
    await this.#drain();
    const before = this.#training;
    const spare = this.#spareTraining;
    const wasSpare = spare?.graph === graph;
    this.#spareTraining = undefined;
    if (!wasSpare) await spare?.graph.dispose();
    // What the new program does not have could not be read from it.
    if (before?.weights.areIn(graph) === false) {
      await before.weights.read(before.program, this.#holder);
    }
    const program = await graph.compile(before?.graph);
    const weights = new ProgramWeights(graph, { replaced: before?.weights });
    const training = { graph, program, weights };
    try {
      await this.#update(training);
      if (this.#restored !== undefined) await writeState(training, this.#restored);
    } catch (error) {
      await graph.dispose();
      throw error;
    }
    this.#training = training;
    this.#restored = undefined;
    // An evaluation that was compiled first has parameters of its own; the next one shares these.
    if (!wasSpare) await this.#disposeEvaluations();
    const staysSpare =
      graph.traced.wholeBatches && before !== undefined && this.isValid(before.graph, graph.seed);
    if (staysSpare) this.#spareTraining = before;
    else await before?.graph.dispose();
    return training;
  }

  async #disposeEvaluations(): Promise<void> {
    const evaluations = [this.#evaluation, this.#spareEvaluation];
    this.#evaluation = undefined;
    this.#spareEvaluation = undefined;
    for (const each of evaluations) await each?.graph.dispose();
  }

  /**
   * The evaluation program for batches of a size, compiled if need be, with the
   * newest parameters.
   *
   * @param size Examples of the batch at hand, for messages.
   */
  async evaluationFor(
    signature: InputSignature,
    batchSize: number,
    size: number,
  ): Promise<ProgramInUse> {
    const before = this.#evaluation;
    const fits = (graph: TracedGraph) =>
      graph.wholeBatches ? graph.batchSize === size : graph.batchSize >= batchSize;
    if (before !== undefined && fits(before.graph.traced)) return before;
    const spare = this.#spareEvaluation;
    const graph =
      spare !== undefined && fits(spare.graph.traced)
        ? spare.graph
        : this.#traceEvaluation(signature, batchSize, size, fits);
    await this.#drain();
    this.#spareEvaluation = undefined;
    if (graph !== spare?.graph) await spare?.graph.dispose();
    const training = this.#training;
    const program = await graph.compile((training ?? before)?.graph);
    const weights =
      training === undefined
        ? new ProgramWeights(graph, { replaced: before?.weights })
        : new ProgramWeights(graph, { shared: training.weights });
    const evaluation = { graph, program, weights };
    try {
      await this.#update(evaluation);
    } catch (error) {
      await graph.dispose();
      throw error;
    }
    this.#evaluation = evaluation;
    if (graph.traced.wholeBatches) this.#spareEvaluation = before;
    else await before?.graph.dispose();
    return evaluation;
  }

  /** The graph of an evaluation, of the batch's own size where it takes no padding. */
  #traceEvaluation(
    signature: InputSignature,
    batchSize: number,
    size: number,
    fits: (graph: TracedGraph) => boolean,
  ): CompiledGraph {
    const { net, loss, target } = this.#options;
    const trace = (n: number) => evalGraph(net, loss, imageSpec(signature, n));
    const largest = traceFor(size, batchSize, trace);
    return new CompiledGraph(fits(largest) ? largest : trace(size), signature, target);
  }

  /** @throws ArgumentError where the programs are of layers that the network has no more. */
  checkNet(caller: string): void {
    const { net, loss } = this.#options;
    for (const used of [this.#training, this.#evaluation]) {
      if (used !== undefined) checkParameters(caller, used.graph.traced, net, loss);
    }
  }

  /** Whether the training program has the network's newest parameters for certain. */
  get isCurrent(): boolean {
    return this.#training?.weights.isCurrent(this.#holder) === true;
  }

  /** Brings the programs up to date with the network's parameters. */
  async update(): Promise<void> {
    if (this.#training !== undefined) await this.#update(this.#training);
    if (this.#evaluation !== undefined) await this.#update(this.#evaluation);
  }

  async #update({ program, weights }: ProgramInUse): Promise<void> {
    await weights.update(program, this.#holder, this.#drain);
  }

  /** Makes the training program the owner of the newest parameters: a step is about to run. */
  hold(): void {
    this.#training?.weights.hold(this.#holder);
  }

  /** Makes the host the owner again, without the values that the device was ahead with. */
  release(): void {
    this.#training?.weights.release(this.#holder);
  }

  /** Gives the host the parameters that the device is ahead with. */
  async read(): Promise<void> {
    const training = this.#training;
    await training?.weights.read(training.program, this.#holder);
  }

  /** Brings the network's host parameters up to date, whoever is ahead of them. */
  async sync(): Promise<void> {
    for (const tensor of tensorsOf(this.#options.net)) {
      await hostValuesOf(tensor).bringBack(this.#holder);
    }
    await this.read();
  }

  /** The newest parameters and buffers by their names in the network, in arrays of the caller's own. */
  async copyParameters(): Promise<StateDict> {
    const { training } = this;
    const live = new Map<unknown, string>();
    for (const [name, source] of training?.graph.traced.parameters ?? []) live.set(source, name);
    const copies = new Map<ModuleTensor, HostArray>();
    const dict: StateDict = {};
    for (const [name, tensor] of savedTensors(this.#options.net)) {
      const host = hostValuesOf(tensor);
      await host.ready();
      await host.bringBack(this.#holder);
      const held = host.holder === this.#holder ? live.get(tensor) : undefined;
      let data = copies.get(tensor);
      if (data === undefined && training !== undefined && held !== undefined) {
        data = await training.program.read(held);
      } else if (data === undefined) {
        checkWhole(name, host.array, tensor.size);
        data = await copyInSlices(host.array, emptyFor(tensor));
      }
      copies.set(tensor, data);
      dict[name] = { data, shape: tensor.shape };
    }
    return dict;
  }

  /** Bytes of {@link copyParameters} and {@link readState}. */
  get snapshotBytes(): number {
    let elements = 0;
    for (const tensor of tensorsOf(this.#options.net)) elements += tensor.size;
    for (const shape of this.#training?.graph.traced.states.values() ?? []) {
      elements += elementCount(shape);
    }
    return elements * Float32Array.BYTES_PER_ELEMENT;
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

  /** Goes back to a state of the optimizer. */
  async writeState(state: OptimizerState): Promise<void> {
    const training = this.#training;
    if (training === undefined) this.#restored = state;
    else await writeState(training, state);
  }

  /** Frees the programs. Idempotent. */
  async dispose(): Promise<void> {
    const all = [this.#spareEvaluation, this.#evaluation, this.#spareTraining, this.#training];
    for (const each of all) await each?.graph.dispose();
  }
}

/** Every parameter and buffer, each once. */
function tensorsOf(net: Module<Outputs>): ModuleTensor[] {
  return [...net.parameters(), ...net.buffers()];
}

/** An array that takes a tensor's values. */
function emptyFor({ dtype, size }: ModuleTensor): HostArray {
  return dtype === 'i32' ? new Int32Array(size) : allocateFloats('a copy of a parameter', size);
}

async function writeState({ graph, program }: ProgramInUse, state: OptimizerState): Promise<void> {
  checkState(graph.traced, state);
  for (const [name, { data }] of Object.entries(state)) await program.write(name, data);
}
