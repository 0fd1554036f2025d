/**
 * Owns one traced graph and the native program it becomes: compiling it, filling in the inputs of a
 * run, and moving parameters between the program and the network.
 *
 * Policy: tracing is synchronous and finds every error of shape; compiling happens once, on first
 * need. Native code copies inputs during the call to `run`, and pads batches that are smaller than
 * the program; `count` tells it how many examples are real.
 */
import type { TracedGraph } from '../graph/steps.js';
import { compile, type NativeInputs, type NativeProgram } from '../native.js';
import type { Parameter } from '../nn/index.js';
import type { TargetOptions } from '../target.js';
import type { InputSignature } from './batch.js';

/** Inputs of a run. Those that the graph does not use are left out of the call. */
export interface RunInputs {
  /** [n, C, H, W] with n up to the batch size. */
  readonly image: Uint8Array | Float32Array;
  /** [n] */
  readonly label?: Int32Array;
  /** Number of examples n. */
  readonly size: number;
  /** 1 for the first step. */
  readonly step?: number;
  /** Learning rate of each parameter group. */
  readonly lr?: readonly number[];
}

/** Outputs of a run, by name. */
export type RunOutputs = Awaited<ReturnType<NativeProgram['run']>>;

/** A traced graph that is compiled on first need. */
export class CompiledGraph {
  readonly traced: TracedGraph;
  readonly signature: InputSignature;
  /** Seed of dropout that the graph was traced with. */
  readonly seed: number;
  readonly #target: TargetOptions;
  #program: NativeProgram | undefined;

  constructor(traced: TracedGraph, signature: InputSignature, target: TargetOptions, seed = 0) {
    this.traced = traced;
    this.signature = signature;
    this.seed = seed;
    this.#target = target;
  }

  /** Largest number of examples of a run. */
  get batchSize(): number {
    return this.traced.batchSize;
  }

  /** The program, once it is compiled. */
  get program(): NativeProgram | undefined {
    return this.#program;
  }

  /**
   * Compiles the program. Parameters get the network's host values.
   *
   * @param share Compiled graph whose parameters and optimizer state are used; only the parameters
   *   that it lacks get the host's values then.
   */
  async compile(share: CompiledGraph | undefined): Promise<NativeProgram> {
    if (this.#program !== undefined) return this.#program;
    const shared = share?.program;
    const program = await compile(this.traced.spec, { ...this.#target, share: shared });
    try {
      await this.#write(program, shared === undefined ? undefined : share);
    } catch (error) {
      await program.dispose();
      throw error;
    }
    this.#program = program;
    return program;
  }

  /** Writes the network's host parameters to the compiled program, but those that `besides` has. */
  async writeParameters(besides?: CompiledGraph): Promise<void> {
    if (this.#program !== undefined) await this.#write(this.#program, besides);
  }

  /** Brings the network's host parameters up to date with the compiled program. */
  async readParameters(): Promise<void> {
    for (const [name, source] of this.traced.parameters) {
      const values = await this.#program?.read(name);
      // The array itself is taken over: copying one of 100 MB would hold the event loop up.
      if (values !== undefined) (source as Parameter).data = values;
    }
  }

  async #write(program: NativeProgram, besides: CompiledGraph | undefined): Promise<void> {
    for (const [name, source] of this.traced.parameters) {
      if (besides?.traced.parameters.has(name) !== true) await program.write(name, source.data);
    }
  }

  /** Submits a run of the compiled program; the inputs may be changed once this returns. */
  run(program: NativeProgram, inputs: RunInputs): Promise<RunOutputs> {
    const { image, label, size, step, lr } = inputs;
    const filled: Record<string, NativeInputs[string]> = {};
    for (const name of this.traced.inputs.keys()) {
      if (name === 'image') filled[name] = image;
      else if (name === 'label' && label !== undefined) filled[name] = label;
      else if (name === 'count') filled[name] = size;
      else if (name === 'step' && step !== undefined) filled[name] = step;
      else if (name === 'lr') filled[name] = lr?.[0] ?? 0;
      else if (name.startsWith('lr.')) filled[name] = lr?.[Number(name.slice(3))] ?? 0;
    }
    return program.run(filled);
  }

  /** Frees the program. Idempotent. */
  async dispose(): Promise<void> {
    await this.#program?.dispose();
  }
}
