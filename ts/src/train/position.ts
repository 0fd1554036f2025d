/**
 * Owns where training stands in its data, and the way back to that place.
 *
 * Policy: the order of an epoch follows from the loader's settings. Where they are the same, an epoch
 * that was left half done is finished; a loader that cannot start in its midst is read from its start.
 */
import { CheckpointError } from '../errors.js';
import type { EpochSums, LoaderState } from './checkpoint-state.js';
import { type ReleasableBatch, release } from './results.js';

/** Source of batches; a `DataLoader` is one. Each iteration is one epoch. */
export interface BatchLoader extends AsyncIterable<ReleasableBatch> {
  /** Number of batches per epoch. */
  readonly length: number;
  /** Largest number of examples of a batch. */
  readonly batchSize: number;
  /** Number of samples; `length * batchSize` unless given. */
  readonly dataset?: { readonly length: number };
  readonly shuffle?: boolean;
  /** Seed of the order. */
  readonly seed?: number;
  /** Makes the next iteration start at this batch of this epoch, both from 0. */
  setEpoch?(epoch: number, firstBatch?: number): void;
}

/** Where training stands. */
export interface Position {
  /** Epochs done; the number, from 0, of the one in progress. */
  epoch: number;
  /** Batches done of the epoch in progress. */
  batch: number;
  sums: EpochSums;
  loader: LoaderState | null;
}

/** The order of a loader, as checkpoints keep it. */
export function loaderState(loader: BatchLoader): LoaderState {
  const { batchSize, length, shuffle, seed } = loader;
  return { batchSize, batches: length, seed: shuffle === true ? (seed ?? null) : null };
}

/** What differs between a loader and the one of a position. */
function difference(loader: BatchLoader, saved: LoaderState) {
  const now = loaderState(loader);
  const name = (['batchSize', 'batches', 'seed'] as const).find(
    (each) => now[each] !== saved[each],
  );
  return name === undefined ? undefined : { name, now: now[name], saved: saved[name] };
}

/** Whether a loader can go on with an epoch that was left half done. */
export function continues(loader: BatchLoader, { batch, loader: saved }: Position): boolean {
  return saved !== null && batch < saved.batches && difference(loader, saved) === undefined;
}

/** @throws CheckpointError where a loader is not the one that a checkpoint was made with. */
export function checkLoader(loader: BatchLoader, saved: LoaderState): void {
  const found = difference(loader, saved);
  if (found === undefined) return;
  throw new CheckpointError(
    `the training loader is not the checkpoint's: expected ${found.name} ${found.saved}, ` +
      `got ${found.now}. Make the loader as it was, so that the epoch goes on where it stopped.`,
  );
}

/** The batches from the position on. A loader that cannot start there is read from its start. */
export function startAt(
  loader: BatchLoader,
  { epoch, batch }: Position,
): AsyncIterable<ReleasableBatch> {
  if (loader.setEpoch !== undefined) {
    loader.setEpoch(epoch, batch);
    return loader;
  }
  return batch === 0 ? loader : skip(loader, batch);
}

async function* skip(loader: BatchLoader, count: number): AsyncGenerator<ReleasableBatch> {
  let index = 0;
  for await (const batch of loader) {
    if (index >= count) yield batch;
    else release('Trainer.fit', batch);
    index += 1;
  }
}
