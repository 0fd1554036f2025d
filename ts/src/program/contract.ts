/**
 * Owns the types that cross to native code beside the graph: a program's inputs and outputs, its plan,
 * and where and how it computes.
 */
import type { Phase } from '../graph/spec.js';
import type { OpName } from '../graph/table.js';

/** Typed arrays that cross to and from native code. */
export type NativeArray = Float32Array | Float64Array | Int32Array | Uint8Array;

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

/** Inputs of a run by name. Fewer rows than compiled for are padded with zeros. */
export type NativeInputs = Readonly<Record<string, NativeArray | number>>;

/**
 * How convolutions are computed on the CPU: `'auto'` times the algorithms that fit each layer and
 * takes the fastest, `'direct'` and `'winograd'` take that one (Winograd where it exists: 3x3 and 5x5
 * kernels of stride 1) without timing, so that every run computes alike. Whichever it is, the results
 * are the same bits on any number of threads.
 */
export type Algorithm = (typeof algorithms)[number];

export const algorithms = ['auto', 'direct', 'winograd'] as const;

/**
 * How products are computed. `'f32'`: in f32 throughout. `'tf32'`: their operands rounded to 10 bits
 * of mantissa. `'bf16'`: activations and operands kept as bf16; parameters, optimizer state, loss and
 * reductions in f32.
 */
export type Precision = (typeof precisions)[number];

export const precisions = ['f32', 'tf32', 'bf16'] as const;

/** Whose max-pooling is used: our own, or that of the device's library wherever that has it. */
export type Pooling = (typeof poolings)[number];

export const poolings = ['own', 'library'] as const;

/** Options resolved: every one has its value, and `device` is a device's own name. */
export interface CompileTarget {
  readonly device: string;
  readonly algorithm: Algorithm;
  readonly precision: Precision;
  readonly deterministic: boolean;
  readonly autotune: boolean;
  readonly pooling: Pooling;
}
