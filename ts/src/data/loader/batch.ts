/**
 * Owns the loader's batch objects and the pool of their pixel memory.
 *
 * Policy: memory is reused only after `release()`, which detaches every view the caller still has.
 * A batch that nobody releases is garbage like any other object.
 */
import { DisposedError } from '../../errors.js';
import { type Pixels, viewPixels } from '../../pixels.js';
import { imageSize } from '../datasets/tensor-dataset.js';
import type { Batch, ImageShape } from '../types.js';
import type { Filled } from './filler.js';

/** Buffers of one size that wait to be filled again. */
export class BufferPool {
  readonly #limit: number;
  readonly #free: ArrayBuffer[] = [];

  /** @param limit Buffers to keep at most; further ones are left to the garbage collector. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** A buffer to reuse, or undefined where there is none. */
  take(): ArrayBuffer | undefined {
    return this.#free.pop();
  }

  /** Takes a buffer back. The caller's views of it become empty. */
  give(buffer: ArrayBuffer): void {
    // A transfer moves the memory to a new buffer object without copying it.
    const own = structuredClone(buffer, { transfer: [buffer] });
    if (this.#free.length < this.#limit) this.#free.push(own);
  }
}

/** What a loader knows about a batch before it is filled. */
export interface BatchInfo {
  readonly index: number;
  readonly epoch: number;
  readonly imageShape: ImageShape;
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** See {@link Batch}. */
export class LoadedBatch implements Batch {
  readonly imageShape: readonly [number, number, number, number];
  readonly label: Int32Array;
  readonly size: number;
  readonly index: number;
  readonly epoch: number;
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly #pool: BufferPool;
  #image: Pixels | null;

  constructor(info: BatchInfo, { buffer, type, label }: Filled, pool: BufferPool) {
    this.label = label;
    this.size = label.length;
    this.imageShape = [this.size, ...info.imageShape];
    this.index = info.index;
    this.epoch = info.epoch;
    this.mean = info.mean;
    this.std = info.std;
    this.#image = viewPixels(type, buffer, this.size * imageSize(info.imageShape));
    this.#pool = pool;
  }

  get image(): Pixels {
    if (this.#image === null) {
      throw new DisposedError(
        `Batch ${this.index} was released: read its image before release(), or copy it.`,
      );
    }
    return this.#image;
  }

  release(): void {
    if (this.#image === null) return;
    const buffer = this.#image.buffer as ArrayBuffer;
    this.#image = null;
    // A caller who moved the memory to another thread has nothing left to give back.
    if (buffer.byteLength > 0) this.#pool.give(buffer);
  }
}
