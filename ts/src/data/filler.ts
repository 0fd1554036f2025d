/**
 * Owns filling batches on the main thread, for loaders without workers.
 *
 * Policy: the event loop gets a turn after every few milliseconds of work, however large a batch is.
 */
import { setImmediate } from 'node:timers/promises';
import { DataError, ShapeError } from '../errors.js';
import {
  fillImage,
  imageSize,
  rawImages,
  readsFromMemory,
  resamplerFor,
} from './tensor-dataset.js';
import type { Dataset, Sample } from './types.js';

/** One batch to fill. */
export interface FillTask {
  /** Samples of the batch, in order. */
  readonly indices: Uint32Array;
  /** Bytes of a full batch. */
  readonly bytes: number;
  /** A buffer of that size to fill. */
  readonly buffer: ArrayBuffer | undefined;
  /** The iteration that asks; see {@link Filler.cancel}. */
  readonly owner: object;
}

/** A filled batch. */
export interface Filled {
  readonly buffer: ArrayBuffer;
  /** [n] */
  readonly label: Int32Array;
}

/** Fills batches, on this thread or on others. */
export interface Filler {
  fill(task: FillTask): Promise<Filled>;
  /** Drops the owner's tasks that no thread has begun. Their promises stay pending. */
  cancel(owner: object): void;
  /** Stops all work; pending tasks reject with `reason`. Idempotent. */
  close(reason: Error): Promise<void>;
}

/** Longest stretch of work between two turns of the event loop. */
const SLICE_MS = 2;

/** Fills batches on this thread. */
export class MainFiller implements Filler {
  readonly #dataset: Dataset;
  readonly #cancelled = new WeakSet<object>();
  #closed: Error | null = null;

  constructor(dataset: Dataset) {
    this.#dataset = dataset;
  }

  async fill({
    indices,
    bytes,
    buffer = new ArrayBuffer(bytes),
    owner,
  }: FillTask): Promise<Filled> {
    const target = new Uint8Array(buffer);
    const label = new Int32Array(indices.length);
    const put = this.#writer(target, label);
    let sliceEnd = performance.now() + SLICE_MS;
    for (let i = 0; i < indices.length; i++) {
      const pending = put(indices[i]!, i);
      if (pending !== undefined) await pending;
      if (performance.now() >= sliceEnd) {
        await setImmediate();
        if (this.#closed !== null) throw this.#closed;
        if (this.#cancelled.has(owner)) break;
        sliceEnd = performance.now() + SLICE_MS;
      }
    }
    return { buffer, label };
  }

  cancel(owner: object): void {
    this.#cancelled.add(owner);
  }

  async close(reason: Error): Promise<void> {
    this.#closed ??= reason;
  }

  /** Writes sample `index` as number `i` of the batch. */
  #writer(
    target: Uint8Array,
    label: Int32Array,
  ): (index: number, i: number) => Promise<void> | undefined {
    const dataset = this.#dataset;
    const size = imageSize(dataset.imageShape);
    if (readsFromMemory(dataset)) {
      const raw = rawImages(dataset);
      const resampler = resamplerFor(raw);
      return (index, i) => {
        fillImage(raw, resampler, index, target, i * size);
        label[i] = dataset.labels[index]!;
        return undefined;
      };
    }
    const copy = (sample: Sample, index: number, i: number) => {
      checkSample(sample, index, dataset);
      target.set(sample.image, i * size);
      label[i] = sample.label;
    };
    return (index, i) => {
      const sample = dataset.get(index);
      if (sample instanceof Promise) return sample.then((s) => copy(s, index, i));
      copy(sample, index, i);
      return undefined;
    };
  }
}

function checkSample(sample: Sample, index: number, { imageShape }: Dataset): void {
  if (!(sample?.image instanceof Uint8Array) || sample.image.length !== imageSize(imageShape)) {
    throw new ShapeError(
      `DataLoader: expected get(${index}) to return an image of ${imageSize(imageShape)} bytes ` +
        `(Uint8Array of shape [${imageShape.join(', ')}]), got ` +
        (sample?.image instanceof Uint8Array ? `${sample.image.length} bytes` : 'none'),
    );
  }
  if (!(Number.isSafeInteger(sample.label) && sample.label >= 0 && sample.label < 2 ** 31)) {
    throw new DataError(
      'ERR_NN_DATA_CORRUPT',
      `DataLoader: expected get(${index}) to return a label that is an integer of 0 or more, got ${sample.label}`,
    );
  }
}
