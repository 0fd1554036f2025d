/**
 * Owns native programs: compiling a graph for a device, running it, reading and writing its
 * parameters.
 *
 * Policy: what crosses to native code is checked there too; what it throws becomes a
 * NeuronodeError whose stack starts at the caller.
 */

import { errorFromNative } from '../errors.js';
import type { GraphSpec } from '../graph/spec.js';
import type { OpName } from '../graph/table.js';
import { addon, type RawProgram } from './addon.js';
import type { NativeArray, NativeInputs, PlanInfo, PlanStep } from './contract.js';
import { copyInSlices, sliceLength } from './copy.js';

export type { NativeArray, NativeInputs, PlanInfo, PlanStep } from './contract.js';

import { resolveTarget, type TargetOptions } from './target.js';

/** A kernel with its median time in milliseconds. */
export interface ProfileStep extends PlanStep {
  readonly medianMs: number;
}

/** Where and how a program computes; on the CPU by default. */
export interface CompileOptions extends TargetOptions {
  /** Parameters and state of the same name use this program's memory, on the same device. */
  readonly share?: NativeProgram | undefined;
}

/** Version of the libraries that the addon runs on. */
export function versions(): { readonly onednn: string } {
  return { onednn: addon().onednnVersion };
}

/** Names of the operations that native code knows, in its own order. */
export function nativeOperations(): readonly OpName[] {
  return addon().operations;
}

/**
 * A compiled graph. Calls are queued on the device's thread and run in their order; inputs are
 * copied at the call.
 */
export class NativeProgram {
  /** @internal Programs are made by {@link compile}. */
  constructor(
    /** @internal */
    readonly raw: RawProgram,
  ) {}

  /**
   * Runs the program once; gives every output of the graph by name, in plain layout.
   *
   * @throws At the call where the inputs are refused: nothing was submitted then.
   */
  run(inputs: NativeInputs): Promise<Record<string, NativeArray>> {
    let outputs: Promise<Record<string, NativeArray>>;
    try {
      outputs = this.raw.run(inputs);
    } catch (error) {
      throw errorFromNative(error);
    }
    return outputs.catch((error: unknown) => {
      throw errorFromNative(error);
    });
  }

  /**
   * Median milliseconds of each kernel over `iterations` runs. Parameters and state are afterwards
   * what they were before.
   */
  async profile(inputs: NativeInputs, iterations: number): Promise<ProfileStep[]> {
    try {
      const medians = await this.raw.profile(inputs, iterations);
      return this.raw.plan().steps.map((step, i) => ({ ...step, medianMs: medians[i] as number }));
    } catch (error) {
      throw errorFromNative(error);
    }
  }

  /** A parameter, buffer or state in plain (PyTorch's contiguous) layout, in its element type. */
  async read(name: string): Promise<Float32Array | Int32Array> {
    try {
      return await this.raw.read(name);
    } catch (error) {
      throw errorFromNative(error);
    }
  }

  /**
   * Sets a parameter or state from plain layout. A large array is copied in slices, so that the
   * event loop gets turns in between; it must not change until then.
   */
  async write(name: string, data: Float32Array | Int32Array): Promise<void> {
    try {
      if (data.length <= sliceLength) {
        await this.raw.write(name, data);
        return;
      }
      const staged = await this.raw.stage(name);
      await copyInSlices(data, staged.data);
      await this.raw.writeStaged(name, staged);
    } catch (error) {
      throw errorFromNative(error);
    }
  }

  /** Memory and kernels of the program. */
  plan(): PlanInfo {
    try {
      return this.raw.plan();
    } catch (error) {
      throw errorFromNative(error, this.plan);
    }
  }

  /** Frees the program's memory once the calls under way have ended. Idempotent. */
  async dispose(): Promise<void> {
    try {
      await this.raw.dispose();
    } catch (error) {
      throw errorFromNative(error);
    }
  }
}

/**
 * Compiles a graph: chooses kernels and layouts and takes all the memory it needs.
 *
 * @throws ShapeError, DTypeError, ArgumentError The graph is not well-formed, or an option is not
 *   what the device can do.
 * @throws OutOfMemoryError The machine has not enough memory left.
 * @throws DeviceError The device is not available.
 */
export async function compile(
  graph: GraphSpec,
  options: CompileOptions = {},
): Promise<NativeProgram> {
  const { share, ...wanted } = options;
  const { target } = resolveTarget('compile', wanted, 'cpu');
  try {
    const raw = await addon().compile(
      graph,
      share === undefined ? target : { ...target, share: share.raw },
    );
    return new NativeProgram(raw);
  } catch (error) {
    throw errorFromNative(error);
  }
}
