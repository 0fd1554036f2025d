/**
 * Owns where and how a program computes: the options that trainers, predictors, operations and
 * programs have in common, their defaults and their checks.
 *
 * Policy: a target is resolved, and refused, before any work: its device is there, and can do what
 * the other options ask for.
 */
import { checkBoolean, checkOneOf } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import {
  type Algorithm,
  algorithms,
  type CompileTarget,
  type Pooling,
  type Precision,
  poolings,
  precisions,
} from './contract.js';
import { chooseDevice, type DeviceChoice } from './devices.js';

export type { Algorithm, CompileTarget, Pooling, Precision } from './contract.js';
export { algorithms, poolings, precisions } from './contract.js';

/** Where and how to compute: options of trainers, predictors and single operations. */
export interface TargetOptions {
  /**
   * Where to compute: `'cpu'`, `'cuda'` (the first GPU), `'cuda:1'`, or `'auto'`: the first GPU where
   * there is one, else the CPU. Default: `'auto'` for trainers and predictors, `'cpu'` for single
   * operations. A device that was named is never replaced.
   */
  device?: string | undefined;
  /**
   * How convolutions compute: `'auto'` times the algorithms and takes what is fastest here,
   * `'direct'` and `'winograd'` name one, on the CPU. Default: `'auto'`. Runs that must repeat bit
   * for bit name one, or set `deterministic`: two timings may choose differently, and algorithms
   * round differently. The number of threads changes no bit.
   */
  algorithm?: Algorithm | undefined;
  /**
   * How products are computed: `'f32'`, or on a GPU also `'tf32'` (operands rounded to 10 bits of
   * mantissa) and `'bf16'` (activations and operands kept as bf16). Parameters, optimizer state, loss
   * and reductions are f32 in any case. Default: `'f32'`.
   */
  precision?: Precision | undefined;
  /**
   * Whether a run must repeat bit for bit: on a GPU, kernels of its libraries whose results depend
   * on the order of their threads are refused, and `autotune` is left off; on the CPU, `'auto'`
   * chooses algorithms by shape instead of timing them. Default: false.
   */
  deterministic?: boolean | undefined;
  /**
   * Whether to time the convolution plans that cuDNN offers, and take the fastest, on a GPU. Two
   * timings may choose differently. Default: false.
   */
  autotune?: boolean | undefined;
  /**
   * Whose max-pooling to use on a GPU: `'own'`, or `'library'` for cuDNN's wherever that has it.
   * Default: `'own'`.
   */
  pooling?: Pooling | undefined;
}

/** Names of {@link TargetOptions}. */
export const targetOptionNames = [
  'device',
  'algorithm',
  'precision',
  'deterministic',
  'autotune',
  'pooling',
] as const satisfies readonly (keyof TargetOptions)[];

/** A target, and how its device was chosen. */
export interface ResolvedTarget {
  readonly target: CompileTarget;
  readonly choice: DeviceChoice;
}

/**
 * Checks the options and resolves the device.
 *
 * @param who The caller, for messages.
 * @param fallback The device where none is given.
 * @throws ArgumentError where an option is not what it should be, or the device cannot do it.
 * @throws DeviceError where the device is not there.
 */
export function resolveTarget(
  who: string,
  options: TargetOptions,
  fallback: 'auto' | 'cpu',
): ResolvedTarget {
  const settings = {
    algorithm: checkOneOf(who, 'algorithm', options.algorithm ?? 'auto', algorithms),
    precision: checkOneOf(who, 'precision', options.precision ?? 'f32', precisions),
    deterministic: checkBoolean(who, 'deterministic', options.deterministic ?? false),
    autotune: checkBoolean(who, 'autotune', options.autotune ?? false),
    pooling: checkOneOf(who, 'pooling', options.pooling ?? 'own', poolings),
  };
  const choice = chooseDevice(options.device ?? fallback);
  const { name, reason } = choice;
  if (name === 'cpu' && settings.precision !== 'f32') {
    const why = reason === undefined ? '' : `, which 'auto' chose since there is no GPU: ${reason}`;
    throw new ArgumentError(
      `${who} expects precision to be 'f32' on the CPU, got '${settings.precision}'; the others need ` +
        `an NVIDIA GPU. The device is the CPU${why}.`,
    );
  }
  return { target: { device: name, ...settings }, choice };
}
