/**
 * Owns the loading of the addon, and what it exports as it is. The only file that loads it: lazily,
 * so that what needs no device (data, modules, safetensors) works where the addon cannot be loaded.
 *
 * Policy: what the addon throws has a `code`; turning it into a class is for the caller. Only
 * `devices`, `missingDevices` and what names a GPU open the library of NVIDIA's backend.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { NativeError } from '../errors.js';
import type { GraphSpec } from '../graph/spec.js';
import type { OpName } from '../graph/table.js';
import type { CompileTarget, NativeArray, NativeInputs, PlanInfo } from './contract.js';

/** A device as the addon tells of it: names and figures that depend on its kind. */
export interface RawDevice {
  readonly name: string;
  readonly model: string;
  readonly emulated: boolean;
  readonly [more: string]: unknown;
}

/** A device that is not there, and why. */
export interface RawMissingDevice {
  readonly name: string;
  readonly code: string;
  readonly reason: string;
}

/** Memory of the addon's for one parameter or state. */
export interface StagedTensor {
  readonly data: Float32Array | Int32Array;
  /** What owns it. */
  readonly memory: unknown;
}

export interface RawProgram {
  run(inputs: NativeInputs): Promise<Record<string, NativeArray>>;
  profile(inputs: NativeInputs, iterations: number): Promise<number[]>;
  read(name: string): Promise<Float32Array | Int32Array>;
  /** With a copy of `data`, made at the call. */
  write(name: string, data: Float32Array | Int32Array): Promise<void>;
  /** Memory to fill for {@link writeStaged}, which takes it back. */
  stage(name: string): Promise<StagedTensor>;
  writeStaged(name: string, staged: StagedTensor): Promise<void>;
  plan(): PlanInfo;
  dispose(): Promise<void>;
}

/** MT19937 from a state on. */
export interface RawGenerator {
  /**
   * Asks for an array to be filled with uniform numbers, after those before it; nobody may touch it
   * until {@link start} or {@link finish} has seen to it.
   *
   * @returns Number of the request, from 1.
   */
  fillUniform(out: Float32Array, from: number, to: number): number;
  /** As {@link fillUniform}, with normal numbers. */
  fillNormal(out: Float32Array, mean: number, std: number): number;
  /** As {@link fillUniform}, with normal numbers in [from, to]. */
  fillTruncatedNormal(
    out: Float32Array,
    mean: number,
    std: number,
    from: number,
    to: number,
    byNormals: boolean,
  ): number;
  /** Fills what was asked for, in the background. */
  start(): Promise<void>;
  /** Fills at once what was asked for up to a request. */
  finish(number: number): void;
}

export interface Addon {
  devices(): RawDevice[];
  missingDevices(): RawMissingDevice[];
  /**
   * One of `devices`; undefined where it is missing. No other GPU is touched, and no library is
   * opened for the CPU.
   */
  device(name: string): RawDevice | undefined;
  /** Bytes that this process may still take, by the machine and by its control groups. */
  availableMemory(): number;
  setNumThreads(threads: number): void;
  getNumThreads(): number;
  compile(graph: GraphSpec, options: CompileTarget & { share?: RawProgram }): Promise<RawProgram>;
  /**
   * @param next The first of the 624 words that is not used yet.
   * @param spare A normal number that is left over of two, or NaN.
   */
  readonly Generator: new (
    words: Int32Array,
    next: number,
    spare: number,
  ) => RawGenerator;
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
  return fileURLToPath(new URL('../../build/Release/neuronode.node', import.meta.url));
}

/**
 * The addon, loaded at the first call.
 *
 * @throws NativeError It cannot be loaded.
 */
export function addon(): Addon {
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
