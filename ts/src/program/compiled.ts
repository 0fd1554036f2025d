/**
 * Owns one traced graph and the native program it becomes: compiling it, and filling in the inputs
 * of a run. weights.ts brings parameters into it.
 *
 * Policy: tracing is synchronous and finds every error of shape; compiling happens once, on first
 * need. Native code copies inputs during the call to `run`, and pads batches that are smaller than
 * the program; `count` tells it how many examples are real.
 */

import type { InputSignature, Targets } from './batch.js';
import type { TracedGraph } from './graphs.js';
import { hostValuesOf, type ModuleTensor } from './module-tensor.js';
import { compile, type NativeInputs, type NativeProgram } from './native.js';
import type { TargetOptions } from './target.js';

/** Inputs of a run. Those that the graph does not use are left out of the call. */
export interface RunInputs {
  /** [n, C, H, W] with n up to the batch size. */
  readonly image: Uint8Array | Float32Array;
  /** Targets: [n], or of more axes. */
  readonly label?: Targets;
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
   * Compiles the program. Parameters are zero until they are written, but for those it shares.
   * Initial values that are being drawn are waited for: kernels are chosen by their times, which must
   * not depend on what else the cores do.
   *
   * @param share Compiled graph whose parameters and optimizer state are used.
   */
  async compile(share: CompiledGraph | undefined): Promise<NativeProgram> {
    if (this.#program !== undefined) return this.#program;
    for (const source of this.traced.parameters.values()) {
      await hostValuesOf(source as unknown as ModuleTensor).ready();
    }
    this.#program = await compile(this.traced.spec, { ...this.#target, share: share?.program });
    return this.#program;
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
    const program = this.#program;
    this.#program = undefined;
    await program?.dispose();
  }
}
