/**
 * Owns DataLoader: batches of a dataset, in a seeded order, filled ahead by worker threads.
 *
 * Policy: order and content depend on the dataset, the seed and the epoch alone. The main thread
 * does no more per batch than to post indices and to receive a buffer; without workers it fills
 * batches in slices of a few milliseconds.
 */
import { unlessAborted } from '../abortable.js';
import { checkInteger, show } from '../arguments.js';
import { ArgumentError, DisposedError } from '../errors.js';
import { BufferPool, LoadedBatch } from './batch.js';
import { type Filled, type Filler, MainFiller } from './filler.js';
import { checkLoaderOptions, type DataLoaderOptions } from './loader-options.js';
import { sequentialOrder, shuffledOrder } from './order.js';
import {
  checkImageShape,
  imageSize,
  readsFromMemory,
  shareImages,
  type TensorDataset,
} from './tensor-dataset.js';
import type { Batch, Dataset } from './types.js';
import { WorkerPool } from './worker-pool.js';

/** Ends the workers of a loader that was collected, which nobody can close any more. */
const abandoned = new FinalizationRegistry<WorkerPool>((pool) => {
  void pool.close(new DisposedError('DataLoader: nothing refers to it any more'));
});

/**
 * An async iterable of batches. Each iteration is one epoch.
 *
 * - Iterations may overlap: each has its own epoch, and they share the workers.
 * - `break` drops what was prefetched; the workers stay for the next epoch. They do not keep the
 *   process alive; `close` (or `await using`) stops them at once, and those of a loader that nothing
 *   refers to any more end when the garbage collector finds that out.
 * - If a worker dies, the pending step rejects with a {@link WorkerError}, the other workers are
 *   stopped, and the next iteration starts new ones.
 *
 * @example
 * await using loader = new DataLoader(dataset, { batchSize: 128, shuffle: true, numWorkers: 2 });
 * for await (const batch of loader) {
 *   await use(batch.image, batch.label);
 *   batch.release(); // optional: lets the loader reuse the memory
 * }
 */
export class DataLoader implements AsyncIterable<Batch>, AsyncDisposable {
  /** The dataset that the batches come from. */
  readonly dataset: Dataset;
  /** Samples per batch; the last batch of an epoch may have fewer. */
  readonly batchSize: number;
  /** Whether each epoch has a random order of its own. */
  readonly shuffle: boolean;
  /** Seed of the order. */
  readonly seed: number;
  /** Worker threads that fill batches; 0 where the calling thread does. */
  readonly numWorkers: number;
  /** Batches that are filled ahead per worker. */
  readonly prefetchFactor: number;
  /** Whether a last batch of fewer samples is left out. */
  readonly dropLast: boolean;
  readonly #signal: AbortSignal | undefined;
  readonly #buffers: BufferPool;
  #filler: WorkerPool | MainFiller | null = null;
  #closed: DisposedError | null = null;
  #next = { epoch: 0, batch: 0 };

  /**
   * @throws {ArgumentError} where an option is unknown or not what it should be, or workers are asked
   *   for with a dataset that they cannot read.
   */
  constructor(dataset: Dataset, options: DataLoaderOptions = {}) {
    checkDataset(dataset);
    const checked = checkLoaderOptions(options);
    this.dataset = dataset;
    this.batchSize = checked.batchSize;
    this.numWorkers = checked.numWorkers;
    this.prefetchFactor = checked.prefetchFactor;
    this.shuffle = checked.shuffle;
    this.dropLast = checked.dropLast;
    this.seed = checked.seed;
    this.#signal = checked.signal;
    if (this.numWorkers > 0 && !readsFromMemory(dataset)) {
      throw new ArgumentError(
        `DataLoader: expected a TensorDataset (or FashionMNIST, MNIST) for numWorkers ` +
          `${this.numWorkers}, got a dataset with a get() of its own, which cannot run on another ` +
          'thread. Use numWorkers: 0, or put the images into a TensorDataset.',
      );
    }
    this.#buffers = new BufferPool(Math.max(1, this.numWorkers) * this.prefetchFactor + 1);
  }

  /** Number of batches per epoch. */
  get length(): number {
    const batches = this.dataset.length / this.batchSize;
    return this.dropLast ? Math.floor(batches) : Math.ceil(batches);
  }

  /** Epoch of the next iteration, from 0. */
  get epoch(): number {
    return this.#next.epoch;
  }

  /**
   * Sets where the next iteration starts, so that a run can be resumed; later iterations count on
   * from there, each from its first batch.
   *
   * @param firstBatch Batches of that epoch to skip.
   * @throws {ArgumentError} where an argument is not an integer of 0 or more.
   */
  setEpoch(epoch: number, firstBatch = 0): void {
    checkInteger('DataLoader.setEpoch', 'epoch', epoch, 0, 2 ** 32 - 1);
    checkInteger('DataLoader.setEpoch', 'firstBatch', firstBatch, 0);
    this.#next = { epoch, batch: firstBatch };
  }

  /**
   * Starts an epoch.
   *
   * A step rejects with the signal's reason after an abort, with {@link WorkerError} where a worker
   * died, with {@link DisposedError} after `close`, and with whatever the dataset's `get` throws.
   */
  [Symbol.asyncIterator](): AsyncGenerator<Batch, void, void> {
    const { epoch, batch } = this.#next;
    this.#next = { epoch: epoch + 1, batch: 0 };
    return this.#iterate(epoch, batch);
  }

  /** Stops the workers. Steps that are pending, and later ones, reject with DisposedError. */
  async close(): Promise<void> {
    this.#closed ??= new DisposedError(
      'DataLoader: it was closed; make a new one to iterate again.',
    );
    abandoned.unregister(this);
    await this.#filler?.close(this.#closed);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async *#iterate(epoch: number, firstBatch: number): AsyncGenerator<Batch, void, void> {
    const signal = this.#signal;
    this.#checkUsable();
    const filler = this.#startFiller();
    const owner = {};
    const pending: Promise<Filled>[] = [];
    const { length } = this;
    const isOnWorkers = this.numWorkers > 0;
    const ahead = isOnWorkers ? this.numWorkers * this.prefetchFactor : 1;
    const ask = this.#requests(filler, owner, epoch, firstBatch);
    try {
      for (let index = firstBatch; index < length; index++) {
        while (pending.length < Math.min(ahead, length - index)) pending.push(ask());
        const filled = await unlessAborted(pending.shift()!, signal);
        // The next batch is begun before this one is used.
        if (isOnWorkers && index + ahead < length) pending.push(ask());
        const { imageShape, mean, std } = this.#imageInfo;
        const info = { index, epoch, imageShape, mean, std };
        yield new LoadedBatch(info, filled.buffer, filled.label, this.#buffers);
        this.#checkUsable();
      }
    } finally {
      filler.cancel(owner);
      // What was filled ahead and is not wanted any more serves the next epoch.
      for (const promise of pending) promise.then((f) => this.#buffers.give(f.buffer), ignore);
      if (signal?.aborted) await filler.close(abortError(signal));
    }
  }

  /** A function that asks for one batch after another of the epoch. */
  #requests(filler: Filler, owner: object, epoch: number, firstBatch: number) {
    const { batchSize, dataset } = this;
    const order = this.shuffle
      ? shuffledOrder(dataset.length, this.seed, epoch)
      : sequentialOrder();
    let left = dataset.length;
    const take = () => {
      const count = Math.min(batchSize, left);
      left -= count;
      return order.take(count);
    };
    for (let i = 0; i < firstBatch && left > 0; i++) take();
    const bytes = batchSize * imageSize(dataset.imageShape);
    return () => {
      const indices = take();
      const promise = filler.fill({ indices, bytes, buffer: this.#buffers.take(), owner });
      // A batch that fails before its turn reports it when its turn comes.
      promise.catch(ignore);
      return promise;
    };
  }

  get #imageInfo() {
    const { imageShape, mean, std } = this.dataset;
    const [channels] = imageShape;
    return {
      imageShape,
      mean: mean ?? Array.from({ length: channels }, () => 0),
      std: std ?? Array.from({ length: channels }, () => 1),
    };
  }

  #startFiller(): Filler {
    if (this.numWorkers === 0) {
      this.#filler ??= new MainFiller(this.dataset);
    } else if (!(this.#filler instanceof WorkerPool) || this.#filler.hasEnded) {
      const dataset = this.dataset as TensorDataset;
      const pool = new WorkerPool(shareImages(dataset), dataset.labels, this.numWorkers);
      abandoned.unregister(this); // the pool before this one has ended
      abandoned.register(this, pool, this);
      this.#filler = pool;
    }
    return this.#filler!;
  }

  #checkUsable(): void {
    if (this.#closed !== null) throw this.#closed;
    this.#signal?.throwIfAborted();
  }
}

function ignore(): void {}

function abortError(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason));
}

function checkDataset(dataset: Dataset): void {
  const isDataset = typeof dataset?.get === 'function' && Number.isSafeInteger(dataset.length);
  if (!isDataset || dataset.length < 0 || dataset.length > 2 ** 32 - 1) {
    throw new ArgumentError(
      'DataLoader: expected a dataset with length, imageShape and get(index)',
    );
  }
  checkImageShape('DataLoader', dataset.imageShape);
  for (const name of ['mean', 'std'] as const) {
    const values: unknown = dataset[name];
    const [channels] = dataset.imageShape;
    const fits =
      values === undefined ||
      (Array.isArray(values) && values.length === channels && values.every(Number.isFinite));
    if (!fits) {
      throw new ArgumentError(
        `DataLoader: expected dataset.${name} to have one value per channel ` +
          `(${channels}), got ${show(values)}`,
      );
    }
  }
}
