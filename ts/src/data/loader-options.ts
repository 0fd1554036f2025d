/** Owns a loader's options: their defaults and their checks. */
import { ArgumentError } from '../errors.js';
import { initialSeed } from '../random/index.js';

/** Options of {@link DataLoader}. */
export interface DataLoaderOptions {
  /** Samples per batch; 1 unless given. */
  batchSize?: number;
  /** Whether each epoch has a random order of its own; false unless given. */
  shuffle?: boolean;
  /** Seed of the order: any safe integer of 0 or more; that of `manualSeed` unless given. */
  seed?: number;
  /**
   * Worker threads that fill batches; 0 (the default) fills them on the calling thread, in slices of
   * a few milliseconds. Workers need a {@link TensorDataset} whose `get` is not overridden.
   */
  numWorkers?: number;
  /** Batches that are filled ahead per worker; 2 unless given. Without workers, none is. */
  prefetchFactor?: number;
  /** Whether a last batch of fewer samples is left out; false unless given. */
  dropLast?: boolean;
  /** Ends every iteration with the signal's reason, and stops the workers. */
  signal?: AbortSignal;
}

/** Options with their defaults filled in. */
export type CheckedLoaderOptions = Required<Omit<DataLoaderOptions, 'signal'>> &
  Pick<DataLoaderOptions, 'signal'>;

/**
 * Checks a loader's options and fills in the defaults.
 *
 * @throws {ArgumentError} that names the first option that is not what it should be.
 */
export function checkLoaderOptions(options: DataLoaderOptions): CheckedLoaderOptions {
  const { signal } = options;
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new ArgumentError(
      `DataLoader: expected signal to be an AbortSignal, got ${String(signal)}`,
    );
  }
  return {
    batchSize: checkCount('batchSize', options.batchSize ?? 1, 1, 2 ** 31 - 1),
    shuffle: checkBoolean('shuffle', options.shuffle ?? false),
    seed: checkCount('seed', options.seed ?? initialSeed(), 0, Number.MAX_SAFE_INTEGER),
    numWorkers: checkCount('numWorkers', options.numWorkers ?? 0, 0, 256),
    prefetchFactor: checkCount('prefetchFactor', options.prefetchFactor ?? 2, 1, 1024),
    dropLast: checkBoolean('dropLast', options.dropLast ?? false),
    ...(signal === undefined ? {} : { signal }),
  };
}

/** An integer within its limits, or an ArgumentError that names it. */
export function checkCount(name: string, value: number, least: number, most: number): number {
  if (!(Number.isSafeInteger(value) && value >= least && value <= most)) {
    throw new ArgumentError(
      `DataLoader: expected ${name} to be an integer from ${least} to ${most}, got ${String(value)}`,
    );
  }
  return value;
}

function checkBoolean(name: string, value: boolean): boolean {
  if (typeof value !== 'boolean') {
    throw new ArgumentError(`DataLoader: expected ${name} to be a boolean, got ${String(value)}`);
  }
  return value;
}
