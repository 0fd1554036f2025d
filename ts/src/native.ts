/**
 * Owns the addon's typed surface. The only file that loads it: lazily, so that what needs no device
 * (data, modules, safetensors) works where the addon cannot be loaded.
 *
 * Policy: what crosses to native code is checked there too; what it throws becomes a
 * NeuronodeError whose stack starts at the caller.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { ArgumentError, DeviceError, errorFromNative, NativeError } from './errors.js';
import type { GraphSpec, OpName, Phase } from './graph/spec.js';

/** Typed arrays that cross to and from native code. */
export type NativeArray = Float32Array | Float64Array | Int32Array | Uint8Array;

/** One device that programs can run on. */
export interface DeviceInfo {
  /** What to pass as `device`: `'cpu'`. */
  readonly name: string;
  /** The processor's name. */
  readonly model: string;
  /** Widest instruction set in use: `'baseline'`, `'avx2'` or `'avx512'`. */
  readonly isa: string;
  /** Threads that newly compiled programs compute with. */
  readonly threads: number;
  /** Cores that this process may use, by affinity and container limits. */
  readonly usableCores: number;
  /** Bytes that can still be taken. */
  readonly availableMemory: number;
}

/** One kernel of a program. */
export interface PlanStep {
  /** Path of the module that the kernel serves; empty for a reorder between layouts. */
  readonly name: string;
  readonly op: OpName | 'reorder';
  readonly phase: Phase;
  /** The kernel that was chosen, such as `'winograd F(4x4,3x3)'`. */
  readonly kernel: string;
}

/** What a program is made of. */
export interface PlanInfo {
  /** Bytes of activations, gradients and workspace. */
  readonly arenaBytes: number;
  /** Part of the arena that kernels use one after the other. */
  readonly workspaceBytes: number;
  /** Bytes of parameters and optimizer state, shared ones included. */
  readonly persistentBytes: number;
  readonly steps: readonly PlanStep[];
}

/** A kernel with its median time in milliseconds. */
export interface ProfileStep extends PlanStep {
  readonly medianMs: number;
}

/** Inputs of a run by name. Fewer rows than compiled for are padded with zeros. */
export type NativeInputs = Readonly<Record<string, NativeArray | number>>;

/**
 * How convolutions are computed: `'auto'` times the algorithms that fit each layer and takes the
 * fastest, `'direct'` and `'winograd'` take that one (Winograd where it exists: 3x3 and 5x5 kernels
 * of stride 1) without timing, so that every run computes alike.
 */
export type Algorithm = (typeof algorithms)[number];

export const algorithms = ['auto', 'direct', 'winograd'] as const;

export interface CompileOptions {
  /** Where the program runs; see {@link resolveDevice}. Default `'cpu'`. */
  readonly device?: string;
  /** How convolutions are computed. Default `'auto'`. */
  readonly algorithm?: Algorithm;
  /** Parameters and state of the same name use this program's memory. */
  readonly share?: NativeProgram;
}

/** @internal */
export interface RawProgram {
  run(inputs: NativeInputs): Promise<Record<string, NativeArray>>;
  profile(inputs: NativeInputs, iterations: number): Promise<number[]>;
  read(name: string): Promise<Float32Array>;
  write(name: string, data: Float32Array): Promise<void>;
  plan(): PlanInfo;
  dispose(): Promise<void>;
}

interface Addon {
  devices(): DeviceInfo[];
  setNumThreads(threads: number): void;
  getNumThreads(): number;
  compile(
    graph: GraphSpec,
    options: { algorithm: string; share?: RawProgram },
  ): Promise<RawProgram>;
  readonly operations: OpName[];
  readonly onednnVersion: string;
}

let loaded: Addon | undefined;

/**
 * OpenMP threads wait for each other by spinning, which wastes the cores where other processes or
 * workers want them: a small kernel then takes a whole time slice. A short spin costs nothing where
 * the cores are free. libgomp reads these variables once, when it is loaded; the user's own win.
 */
function limitSpinning(): void {
  const { OMP_WAIT_POLICY, GOMP_SPINCOUNT } = process.env;
  if (OMP_WAIT_POLICY === undefined && GOMP_SPINCOUNT === undefined) {
    process.env.GOMP_SPINCOUNT = '1000';
  }
}

function addonPath(): string {
  const override = process.env.NEURONODE_ADDON;
  if (override !== undefined && override !== '') return override;
  return fileURLToPath(new URL('../build/Release/neuronode.node', import.meta.url));
}

function addon(): Addon {
  if (loaded !== undefined) return loaded;
  const path = addonPath();
  if (!existsSync(path)) {
    throw new NativeError(
      `The native addon is not there: expected ${path}. ` +
        'Build it with `npm run build`, or set NEURONODE_ADDON to its path.',
    );
  }
  limitSpinning();
  try {
    loaded = createRequire(import.meta.url)(path) as Addon;
  } catch (cause) {
    throw new NativeError(
      `The native addon ${path} cannot be loaded: ${(cause as Error).message}. ` +
        'If a library is missing, install it (Debian: libdnnl2); if the addon was built for ' +
        'another system or Node.js, build it anew with `npm run build`.',
      { cause },
    );
  }
  return loaded;
}

/**
 * The devices that programs can run on here.
 *
 * @throws NativeError The addon cannot be loaded.
 */
export function devices(): DeviceInfo[] {
  try {
    return addon().devices();
  } catch (error) {
    throw errorFromNative(error, devices);
  }
}

/**
 * How many threads programs compiled from now on compute with. The default is the number of cores
 * that the process may really use (affinity and container limits).
 *
 * @throws ArgumentError Not a whole number from 1 to four times the usable cores.
 */
export function setNumThreads(threads: number): void {
  try {
    addon().setNumThreads(threads);
  } catch (error) {
    throw errorFromNative(error, setNumThreads);
  }
}

/** How many threads programs compiled from now on compute with. */
export function getNumThreads(): number {
  try {
    return addon().getNumThreads();
  } catch (error) {
    throw errorFromNative(error, getNumThreads);
  }
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
 * The name of the device that `device` asks for. `'auto'` takes the best there is.
 *
 * @throws ArgumentError Not a device's name.
 * @throws DeviceError The device is not available: there is no silent change to another.
 */
export function resolveDevice(device: string): 'cpu' {
  if (device === 'auto' || device === 'cpu') return 'cpu';
  if (/^cuda(:\d+)?$/.test(device)) {
    throw new DeviceError(
      'ERR_NN_DEVICE_UNAVAILABLE',
      `Device '${device}' is not available: this build has no CUDA backend. ` +
        "Use device 'cpu', or 'auto' for the best that there is.",
    );
  }
  throw new ArgumentError(`Expected device 'auto', 'cpu', 'cuda' or 'cuda:N', got '${device}'.`);
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

  /** Runs the program once; gives every output of the graph by name, in plain layout. */
  async run(inputs: NativeInputs): Promise<Record<string, NativeArray>> {
    try {
      return await this.raw.run(inputs);
    } catch (error) {
      throw errorFromNative(error);
    }
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

  /** A parameter or state in plain (PyTorch's contiguous) layout. */
  async read(name: string): Promise<Float32Array> {
    try {
      return await this.raw.read(name);
    } catch (error) {
      throw errorFromNative(error);
    }
  }

  /** Sets a parameter or state from plain layout. */
  async write(name: string, data: Float32Array): Promise<void> {
    try {
      await this.raw.write(name, data);
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
 * @throws ShapeError, DTypeError, ArgumentError The graph is not well-formed.
 * @throws OutOfMemoryError The machine has not enough memory left.
 * @throws DeviceError The device is not available.
 */
export async function compile(
  graph: GraphSpec,
  options: CompileOptions = {},
): Promise<NativeProgram> {
  resolveDevice(options.device ?? 'cpu');
  const algorithm = options.algorithm ?? 'auto';
  try {
    const share = options.share?.raw;
    const raw = await addon().compile(
      graph,
      share === undefined ? { algorithm } : { algorithm, share },
    );
    return new NativeProgram(raw);
  } catch (error) {
    throw errorFromNative(error);
  }
}
