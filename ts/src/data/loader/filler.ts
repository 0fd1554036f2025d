/**
 * Owns filling batches on the main thread, for loaders without workers.
 *
 * Policy: the event loop gets a turn after every few milliseconds of work, however large a batch is.
 */
import { setImmediate } from 'node:timers/promises';
import { readMember, show } from '../../arguments.js';
import { DataError, DTypeError, OutOfMemoryError, ShapeError } from '../../errors.js';
import {
  asPixels,
  describePixels,
  type Pixels,
  type PixelType,
  pixelBytes,
  pixelType,
  viewPixels,
} from '../../pixels.js';
import { describeLabel, isLabel } from '../datasets/labels.js';
import { pipelineFor, rawImages, readsFromMemory } from '../datasets/tensor-dataset.js';
import type { Draw } from '../transforms/random.js';
import type { Dataset, Sample } from '../types.js';

/** One batch to fill. */
export interface FillTask {
  /** Samples of the batch, in order. */
  readonly indices: Uint32Array;
  /** Images of a full batch. */
  readonly room: number;
  /** A buffer of that size to fill. */
  readonly buffer: ArrayBuffer | undefined;
  /** Seed and epoch. */
  readonly draw: Draw;
  /** The iteration that asks; see {@link Filler.cancel}. */
  readonly owner: object;
}

/** A filled batch. */
export interface Filled {
  /** Pixels of a full batch, of which the first are filled. */
  readonly buffer: ArrayBuffer;
  readonly type: PixelType;
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
  readonly #size: number;
  readonly #cancelled = new WeakSet<object>();
  #closed: Error | null = null;

  /** @param size Pixels of one image. */
  constructor(dataset: Dataset, size: number) {
    this.#dataset = dataset;
    this.#size = size;
  }

  async fill(task: FillTask): Promise<Filled> {
    if (this.#closed !== null) throw this.#closed;
    const { indices, owner } = task;
    const label = new Int32Array(indices.length);
    const target = new Target(task, this.#size);
    const put = this.#writer(target, label, task.draw);
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
    return { ...target.filled(), label };
  }

  cancel(owner: object): void {
    this.#cancelled.add(owner);
  }

  async close(reason: Error): Promise<void> {
    this.#closed ??= reason;
  }

  /** Writes sample `index` as number `i` of the batch. */
  #writer(
    target: Target,
    label: Int32Array,
    draw: Draw,
  ): (index: number, i: number) => PromiseLike<void> | undefined {
    const dataset = this.#dataset;
    const size = this.#size;
    if (readsFromMemory(dataset)) {
      const raw = rawImages(dataset);
      const pixels = target.of(pixelType(raw.images));
      const pipeline = pipelineFor(raw);
      return (index, i) => {
        pipeline.run(index, draw, pixels, i * size);
        label[i] = dataset.labels[index]!;
        return undefined;
      };
    }
    const copy = (sample: Sample, index: number, i: number) => {
      const checked = checkSample(sample, index, dataset.imageShape, size);
      const type = pixelType(checked.image);
      if (target.type !== undefined && target.type !== type) {
        throw new DTypeError(
          `DataLoader: expected get(${index}) to return an image of ${target.type}, as the samples ` +
            `before it in the batch, got ${type}`,
        );
      }
      target.of(type).set(checked.image, i * size);
      label[i] = checked.label;
    };
    return (index, i) => {
      const sample = dataset.get(index, draw);
      if (isThenable(sample)) return Promise.resolve(sample).then((s) => copy(s, index, i));
      copy(sample, index, i);
      return undefined;
    };
  }
}

/** Where a batch's pixels go: memory that is taken when their kind is known. */
class Target {
  readonly #task: FillTask;
  readonly #size: number;
  #pixels: (Pixels & { readonly buffer: ArrayBuffer }) | undefined;

  constructor(task: FillTask, size: number) {
    this.#task = task;
    this.#size = size;
  }

  /** The kind, once it is known. */
  get type(): PixelType | undefined {
    return this.#pixels && pixelType(this.#pixels);
  }

  /** Room for a full batch of that kind. */
  of(type: PixelType): Pixels {
    if (this.#pixels === undefined) {
      const { room, buffer } = this.#task;
      const bytes = room * this.#size * pixelBytes(type);
      const used = buffer?.byteLength === bytes ? buffer : allocate(bytes);
      this.#pixels = viewPixels(type, used, room * this.#size);
    }
    return this.#pixels;
  }

  filled(): { buffer: ArrayBuffer; type: PixelType } {
    const { buffer } = this.#pixels!; // a batch has a sample at least
    return { buffer, type: this.type! };
  }
}

function allocate(bytes: number): ArrayBuffer {
  try {
    return new ArrayBuffer(bytes);
  } catch (error) {
    throw new OutOfMemoryError(
      `DataLoader: there is no memory for a batch of ${bytes} bytes. Use a smaller batchSize.`,
      { cause: error },
    );
  }
}

function isThenable(value: Sample | PromiseLike<Sample>): value is PromiseLike<Sample> {
  return typeof (value as PromiseLike<Sample> | undefined)?.then === 'function';
}

/** A sample's members, each read once. */
function checkSample(
  sample: Sample,
  index: number,
  imageShape: Dataset['imageShape'],
  size: number,
): { image: Pixels; label: number } {
  const wanted =
    `DataLoader: expected get(${index}) to return an image of ${size} pixels ` +
    `(Uint8Array, Uint8ClampedArray or Float32Array of shape [${imageShape.join(', ')}])`;
  if (typeof sample !== 'object' || sample === null) {
    throw new ShapeError(`${wanted} and its label, got ${show(sample)}`);
  }
  const who = `DataLoader: get(${index})`;
  const given = readMember(who, sample, 'image');
  const image = asPixels(given);
  if (given === undefined) {
    throw new DTypeError(
      `${wanted} and its label, as { image, label }, got ${show(sample)} whose image is undefined`,
    );
  }
  if (image === undefined) throw new DTypeError(`${wanted}, got ${describePixels(given)}`);
  if (image.length !== size) throw new ShapeError(`${wanted}, got ${image.length} pixels`);
  const label: unknown = readMember(who, sample, 'label');
  if (!isLabel(label)) {
    throw new DataError(
      'ERR_NN_DATA_CORRUPT',
      `DataLoader: expected get(${index}) to return a label that is an integer of 0 or more, got ` +
        describeLabel(label),
    );
  }
  return { image, label };
}
