/**
 * Owns DataLoader: batches of a dataset, in a seeded order, filled ahead by worker threads.
 *
 * Policy: order and content depend on the dataset, the seed and the epoch alone. The main thread
 * does no more per batch than to post indices and to receive a buffer; without workers it fills
 * batches in slices of a few milliseconds.
 */
import { unlessAborted } from '../../abortable.js';
import { checkInteger, readMember, show } from '../../arguments.js';
import { ArgumentError, DisposedError } from '../../errors.js';
import { pixelBytes, pixelType } from '../../pixels.js';
import { checkMemory } from '../../program/memory.js';
import {
  checkImageShape,
  imageSize,
  rawImages,
  readsFromMemory,
  type TensorDataset,
} from '../datasets/tensor-dataset.js';
import { recipesOf } from '../transforms/recipes.js';
import type { Batch, Dataset, ImageShape } from '../types.js';
import { BufferPool, LoadedBatch } from './batch.js';
import { type Filled, type Filler, MainFiller } from './filler.js';
import { checkLoaderOptions, type DataLoaderOptions } from './options.js';
import { sequentialOrder, shuffledOrder } from './order.js';
import { WorkerPool } from './worker-pool.js';
import type { WorkerSetup } from './worker-protocol.js';

/** Ends the workers of a loader that was collected, which nobody can close any more. */
const abandoned = new FinalizationRegistry<WorkerPool>((pool) => {
  void pool.close(new DisposedError('DataLoader: nothing refers to it any more'));
});

/**
 * An async iterable of batches. Each iteration is one epoch.
 *
 * - Iterations may overlap: each has its own epoch, and they share the workers.
 * - `break` drops what was prefetched; the workers stay for the next epoch. They do not keep the
 *   process alive; `close` (or `await using`) stops them at once. Without it they end after ten
 *   seconds without work (the next step starts them anew), or when the garbage collector finds that
 *   nothing refers to their loader any more.
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
  #hasMemory = false;

  /**
   * @throws {ArgumentError} where an option is unknown or not what it should be, or workers are asked
   *   for with a dataset that they cannot read or a transform that they cannot make.
   */
  constructor(dataset: Dataset, options: DataLoaderOptions = {}) {
    readDataset(dataset);
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
    if (this.numWorkers > 0) setupOf(dataset as TensorDataset); // throws where there is none
    this.#buffers = new BufferPool(Math.max(1, this.numWorkers) * this.prefetchFactor + 1);
  }

  /** Number of batches per epoch. */
  get length(): number {
    return this.#batchesOf(this.dataset.length);
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
   * died, with {@link TransformError} where a transform threw, with {@link DisposedError} after
   * `close`, and with whatever the dataset's `get` throws.
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
    const facts = readDataset(this.dataset);
    const length = this.#batchesOf(facts.length);
    this.#checkBatchMemory(facts);
    const filler = this.#startFiller(facts);
    const owner: Iteration = { isOver: false };
    const pending: Promise<Filled>[] = [];
    const isOnWorkers = this.numWorkers > 0;
    const ahead = isOnWorkers ? this.numWorkers * this.prefetchFactor : 1;
    const ask = this.#requests(facts, filler, owner, epoch, firstBatch);
    const { imageShape, mean, std } = facts;
    try {
      for (let index = firstBatch; index < length; index++) {
        while (pending.length < Math.min(ahead, length - index)) pending.push(ask());
        const filled = await unlessAborted(pending.shift()!, signal);
        // The next batch is begun before this one is used.
        if (isOnWorkers && index + ahead < length) pending.push(ask());
        yield new LoadedBatch({ index, epoch, imageShape, mean, std }, filled, this.#buffers);
        this.#checkUsable();
      }
    } finally {
      owner.isOver = true;
      filler.cancel(owner);
      // What was filled ahead and is not wanted any more serves the next epoch.
      for (const promise of pending) promise.then((f) => this.#buffers.give(f.buffer), ignore);
      if (signal?.aborted) await filler.close(abortError(signal));
    }
  }

  /** A function that asks for one batch after another of the epoch. */
  #requests(
    { length }: DatasetFacts,
    filler: Filler,
    owner: Iteration,
    epoch: number,
    firstBatch: number,
  ) {
    const order = this.shuffle ? shuffledOrder(length, this.seed, epoch) : sequentialOrder();
    const room = Math.min(this.batchSize, length);
    const draw = { seed: this.seed, epoch };
    const skipped = Math.min(firstBatch * this.batchSize, length);
    let left = length - skipped;
    // Indices are drawn one batch after the other, in slices where they are many.
    let drawn: Promise<unknown> = order.skip(skipped);
    return () => {
      const count = Math.min(this.batchSize, left);
      left -= count;
      const indices = drawn.then(() => order.take(count));
      drawn = indices;
      const promise = indices.then((indices) => {
        if (owner.isOver) throw new DisposedError('DataLoader: this iteration is over');
        return filler.fill({ indices, room, draw, buffer: this.#buffers.take(), owner });
      });
      // A batch that fails before its turn reports it when its turn comes.
      promise.catch(ignore);
      return promise;
    };
  }

  /**
   * Asks for a batch's memory before any is taken: a system that gives too much ends the process.
   * Later epochs use the memory of the first.
   */
  #checkBatchMemory({ length, imageShape }: DatasetFacts): void {
    const { dataset } = this;
    if (this.#hasMemory) return;
    const images = Math.min(this.batchSize, length);
    const bytes = readsFromMemory(dataset) ? pixelBytes(pixelType(rawImages(dataset).images)) : 1;
    checkMemory(
      `DataLoader: a batch of ${images} images of [${imageShape.join(', ')}]`,
      images * imageSize(imageShape) * bytes,
    );
    this.#hasMemory = true;
  }

  #startFiller({ imageShape }: DatasetFacts): Filler {
    if (this.numWorkers === 0) {
      this.#filler ??= new MainFiller(this.dataset, imageSize(imageShape));
    } else if (!(this.#filler instanceof WorkerPool) || this.#filler.hasEnded) {
      const dataset = this.dataset as TensorDataset;
      const pool = new WorkerPool(setupOf(dataset), dataset.labels, this.numWorkers);
      abandoned.unregister(this); // the pool before this one has ended
      abandoned.register(this, pool, this);
      this.#filler = pool;
    }
    return this.#filler!;
  }

  #batchesOf(samples: number): number {
    const batches = samples / this.batchSize;
    return this.dropLast ? Math.floor(batches) : Math.ceil(batches);
  }

  #checkUsable(): void {
    if (this.#closed !== null) throw this.#closed;
    this.#signal?.throwIfAborted();
  }
}

/** What workers need of a dataset. */
function setupOf(tensors: TensorDataset): WorkerSetup {
  const { dataset, images, shape, plan } = rawImages(tensors);
  const { steps, shapes, imageShape } = plan;
  return { dataset, images, shape, shapes, imageShape, recipes: recipesOf('DataLoader', steps) };
}

function ignore(): void {}

function abortError(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason));
}

/** One iteration, as its fillers know it. */
interface Iteration {
  isOver: boolean;
}

/** What a dataset says of itself at one moment. */
interface DatasetFacts {
  readonly length: number;
  readonly imageShape: ImageShape;
  /** Per channel. */
  readonly mean: readonly number[];
  /** Per channel. */
  readonly std: readonly number[];
}

/** Reads each of a dataset's members once, and checks it. */
function readDataset(dataset: Dataset): DatasetFacts {
  const who = 'DataLoader';
  const isObject = typeof dataset === 'object' && dataset !== null;
  const length: unknown = isObject ? readMember(who, dataset, 'length') : undefined;
  const isDataset = isObject && typeof readMember(who, dataset, 'get') === 'function';
  if (!isDataset || !Number.isSafeInteger(length)) {
    throw new ArgumentError(`${who}: expected a dataset with length, imageShape and get(index)`);
  }
  const samples = checkInteger(who, 'dataset.length', length, 0, 2 ** 32 - 1);
  const imageShape: unknown = readMember(who, dataset, 'imageShape');
  checkImageShape(who, imageShape);
  const [channels] = imageShape;
  const perChannel = (name: 'mean' | 'std', otherwise: number): readonly number[] => {
    const values: unknown = readMember(who, dataset, name);
    if (values === undefined) return new Array<number>(channels).fill(otherwise);
    const isGood = (value: unknown) =>
      Number.isFinite(value) && (name === 'mean' || (value as number) > 0);
    if (Array.isArray(values) && values.length === channels && values.every(isGood)) {
      return values;
    }
    const kind = name === 'mean' ? 'value' : 'value above 0';
    throw new ArgumentError(
      `${who}: expected dataset.${name} to have one ${kind} per channel (${channels}), ` +
        `got ${show(values)}`,
    );
  };
  return { length: samples, imageShape, mean: perChannel('mean', 0), std: perChannel('std', 1) };
}
