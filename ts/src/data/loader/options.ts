/** Owns a loader's options: their defaults and their checks. */
import { checkBoolean, checkInteger, checkOptions, checkSignal } from '../../arguments.js';
import { initialSeed } from '../../random/index.js';

/** Options of {@link DataLoader}. */
export interface DataLoaderOptions {
  /** Samples per batch; 1 unless given. */
  batchSize?: number;
  /** Whether each epoch has a random order of its own; false unless given. */
  shuffle?: boolean;
  /** Seed of the order and of random transforms: any safe integer of 0 or more; that of `manualSeed` unless given. */
  seed?: number;
  /**
   * Worker threads that fill batches; 0 (the default) fills them on the calling thread, in slices of
   * a few milliseconds. Workers need a {@link TensorDataset} whose `get` is not overridden, and whose
   * transforms say how a thread makes them (`Transform.worker`).
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

const names = [
  'batchSize',
  'shuffle',
  'seed',
  'numWorkers',
  'prefetchFactor',
  'dropLast',
  'signal',
] as const satisfies readonly (keyof DataLoaderOptions)[];

/**
 * Checks a loader's options and fills in the defaults.
 *
 * @throws {ArgumentError} that names the first option that is unknown or not what it should be.
 */
export function checkLoaderOptions(options: DataLoaderOptions): CheckedLoaderOptions {
  const who = 'DataLoader';
  checkOptions(who, options, names);
  const signal = checkSignal(who, options.signal);
  return {
    batchSize: checkInteger(who, 'batchSize', options.batchSize ?? 1, 1, 2 ** 31 - 1),
    shuffle: checkBoolean(who, 'shuffle', options.shuffle ?? false),
    seed: checkInteger(who, 'seed', options.seed ?? initialSeed(), 0),
    numWorkers: checkInteger(who, 'numWorkers', options.numWorkers ?? 0, 0, 256),
    prefetchFactor: checkInteger(who, 'prefetchFactor', options.prefetchFactor ?? 2, 1, 1024),
    dropLast: checkBoolean(who, 'dropLast', options.dropLast ?? false),
    ...(signal === undefined ? {} : { signal }),
  };
}
