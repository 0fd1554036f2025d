/**
 * Owns one traced graph and the native program it becomes: compiling it, filling in the inputs of a
 * run, and moving parameters between the program and the network.
 *
 * Policy: tracing is synchronous and finds every error of shape; compiling happens once, on first
 * need. Native code copies inputs during the call to `run`, and pads batches that are smaller than
 * the program; `count` tells it how many examples are real.
 */
import type { TracedGraph } from '../graph/steps.js';
import {
  type Algorithm,
  type CompileOptions,
  compile,
  type NativeInputs,
  type NativeProgram,
} from '../native.js';
import type { InputSignature } from './batch.js';

/** Where and how programs are compiled. */
export interface CompileTarget {
  readonly device: NonNullable<CompileOptions['device']>;
  readonly algorithm: Algorithm;
}

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
  readonly #target: CompileTarget;
  #program: NativeProgram | undefined;

  constructor(traced: TracedGraph, signature: InputSignature, target: CompileTarget, seed = 0) {
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
   * Compiles the program.
   *
   * @param share Program whose parameters and optimizer state are used; without one the parameters
   *   get the network's host values.
   */
  async compile(share: NativeProgram | undefined): Promise<NativeProgram> {
    if (this.#program !== undefined) return this.#program;
    const { device, algorithm } = this.#target;
    const program = await compile(
      this.traced.spec,
      share === undefined ? { device, algorithm } : { device, algorithm, share },
    );
    if (share === undefined) {
      try {
        await this.#write(program);
      } catch (error) {
        await program.dispose();
        throw error;
      }
    }
    this.#program = program;
    return program;
  }

  /** Writes the network's host parameters to the compiled program. */
  async writeParameters(): Promise<void> {
    if (this.#program !== undefined) await this.#write(this.#program);
  }

  /** Copies the compiled program's parameters to the network. */
  async readParameters(): Promise<void> {
    for (const [name, source] of this.traced.parameters) {
      const values = await this.#program?.read(name);
      if (values !== undefined) source.data.set(values);
    }
  }

  async #write(program: NativeProgram): Promise<void> {
    for (const [name, source] of this.traced.parameters) await program.write(name, source.data);
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
