/**
 * Owns where and how a program computes: the options that trainers, predictors, operations and
 * programs have in common, their defaults and their checks.
 *
 * Policy: a target is resolved, and refused, before any work: its device is there, and can do what
 * the other options ask for.
 */
import { checkBoolean, checkOneOf } from './arguments.js';
import { chooseDevice, type DeviceChoice } from './devices.js';
import { ArgumentError } from './errors.js';

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

/** Where and how to compute. */
export interface TargetOptions {
  /**
   * `'cpu'`, `'cuda'` (the first GPU), `'cuda:1'`, or `'auto'`: the first GPU that works, else the
   * CPU. A device that was named is never replaced.
   */
  readonly device?: string | undefined;
  /** How convolutions are computed on the CPU. Default: `'auto'`. */
  readonly algorithm?: Algorithm | undefined;
  /** How products are computed: the CPU has `'f32'` alone. Default: `'f32'`. */
  readonly precision?: Precision | undefined;
  /**
   * Whether runs must repeat bit for bit. On a GPU it refuses kernels of the device's libraries whose
   * results depend on the order of their threads; leave `autotune` off as well. On the CPU, where no
   * result depends on the number of threads, it has `'auto'` choose algorithms by shape instead of
   * timing them. Default: false.
   */
  readonly deterministic?: boolean | undefined;
  /** Whether to time the plans that cuDNN offers and take the fastest, on a GPU. Default: false. */
  readonly autotune?: boolean | undefined;
  /** Whose max-pooling to use. Default: `'own'`. */
  readonly pooling?: Pooling | undefined;
}

/** Options resolved: every one has its value, and `device` is a device's own name. */
export interface CompileTarget {
  readonly device: string;
  readonly algorithm: Algorithm;
  readonly precision: Precision;
  readonly deterministic: boolean;
  readonly autotune: boolean;
  readonly pooling: Pooling;
}

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
