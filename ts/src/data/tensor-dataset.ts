/**
 * Owns the in-memory dataset, which worker threads can read.
 *
 * Policy: source images are kept as they came, in 8 bits; they move to shared memory when the first
 * worker needs them (at once, without a copy, where they already live in a SharedArrayBuffer).
 */

import { checkOptions, show } from '../arguments.js';
import { ArgumentError, DataError, ShapeError } from '../errors.js';
import { Resampler } from './resample.js';
import { type ImagePlan, planImages, type Transform } from './transforms.js';
import type { Dataset, ImageShape, Sample } from './types.js';

/** Arguments of {@link TensorDataset}. */
export interface TensorDatasetOptions {
  /** Pixels, [N, C, H, W] in row-major order. Not copied. */
  images: Uint8Array;
  /** Shape of one image as it lies in `images`. */
  imageShape: ImageShape;
  /** Class indices, [N]. */
  labels: ArrayLike<number>;
  /** Number of classes, where labels are to be checked against it. */
  numClasses?: number;
  /** Applied to every image that is read; ToTensor unless given. */
  transform?: Transform;
}

const names = [
  'images',
  'imageShape',
  'labels',
  'numClasses',
  'transform',
] as const satisfies readonly (keyof TensorDatasetOptions)[];

/** The raw images of a dataset, as the batch filling code (on any thread) reads them. */
export interface RawImages {
  /** [N, C, H, W] */
  readonly images: Uint8Array;
  readonly shape: ImageShape;
  readonly plan: ImagePlan;
}

/** Moves a dataset's images to shared memory, and returns them. For the loader's workers. */
export let shareImages: (dataset: TensorDataset) => RawImages;

/** A dataset's images where they are. For the loader's main thread. */
export let rawImages: (dataset: TensorDataset) => RawImages;

/**
 * A dataset of 8-bit images and labels in memory.
 *
 * @example
 * new TensorDataset({ images, imageShape: [1, 28, 28], labels, transform: new Resize(224) });
 */
export class TensorDataset implements Dataset {
  readonly length: number;
  readonly imageShape: ImageShape;
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** Class indices, [N]. */
  readonly labels: Int32Array;
  #raw: RawImages;
  #resampler: Resampler | null = null;

  static {
    rawImages = (dataset) => dataset.#raw;
    shareImages = (dataset) => {
      const { images } = dataset.#raw;
      if (!(images.buffer instanceof SharedArrayBuffer)) {
        const shared = new Uint8Array(new SharedArrayBuffer(images.length));
        shared.set(images);
        dataset.#raw = { ...dataset.#raw, images: shared };
      }
      return dataset.#raw;
    };
  }

  /**
   * @throws {ShapeError} where the number of pixels is not N * C * H * W.
   * @throws {DataError} where a label is not an integer from 0 to `numClasses` - 1.
   * @throws {ArgumentError} where an option is unknown or not what it should be.
   */
  constructor(options: TensorDatasetOptions) {
    checkOptions('TensorDataset', options, names);
    const { images, imageShape, labels, numClasses, transform } = options;
    if (!(images instanceof Uint8Array)) {
      throw new ArgumentError('TensorDataset: expected images to be a Uint8Array');
    }
    checkImageShape('TensorDataset', imageShape);
    if (numClasses !== undefined && !(Number.isSafeInteger(numClasses) && numClasses > 0)) {
      throw new ArgumentError(
        `TensorDataset: expected numClasses to be a positive integer, got ${numClasses}`,
      );
    }
    if (!Number.isSafeInteger(labels?.length) || typeof labels === 'string') {
      throw new ArgumentError(
        `TensorDataset: expected labels to be an array of numbers, got ${show(labels)}`,
      );
    }
    const pixels = imageSize(imageShape);
    if (images.length !== labels.length * pixels) {
      throw new ShapeError(
        `TensorDataset: expected ${labels.length} images of shape [${imageShape.join(', ')}] for ` +
          `${labels.length} labels, which are ${labels.length * pixels} bytes, got ${images.length}`,
      );
    }
    const limit = numClasses ?? 2 ** 31;
    for (let i = 0; i < labels.length; i++) {
      const label = labels[i]!;
      if (!(Number.isSafeInteger(label) && label >= 0 && label < limit)) {
        throw new DataError(
          'ERR_NN_DATA_CORRUPT',
          `TensorDataset: expected labels from 0 to ${limit - 1}, got ${label} at index ${i}`,
        );
      }
    }
    const plan = planImages(transform, imageShape);
    this.#raw = { images, shape: [...imageShape], plan };
    this.labels = Int32Array.from(labels);
    this.length = labels.length;
    this.imageShape = plan.imageShape;
    this.mean = plan.mean;
    this.std = plan.std;
  }

  /**
   * The sample at `index`, resized where the transform says so. The image is a copy.
   *
   * @throws {ArgumentError} where the index is not from 0 to `length` - 1.
   */
  get(index: number): Sample {
    if (!(Number.isSafeInteger(index) && index >= 0 && index < this.length)) {
      throw new ArgumentError(
        `TensorDataset.get: expected an index from 0 to ${this.length - 1}, got ${index}`,
      );
    }
    const image = new Uint8Array(imageSize(this.imageShape));
    this.#resampler ??= resamplerFor(this.#raw);
    fillImage(this.#raw, this.#resampler, index, image, 0);
    return { image, label: this.labels[index]! };
  }
}

/**
 * Whether the dataset's samples are those of its arrays, so that whoever fills batches may read them
 * there: a subclass with a `get` of its own decides itself what a sample is.
 */
export function readsFromMemory(dataset: Dataset): dataset is TensorDataset {
  return dataset instanceof TensorDataset && dataset.get === TensorDataset.prototype.get;
}

/** Number of pixels of one image. */
export function imageSize([channels, height, width]: ImageShape): number {
  return channels * height * width;
}

/** Checks a shape that a caller gave. `owner` starts the message. */
export function checkImageShape(owner: string, shape: unknown): asserts shape is ImageShape {
  const isValid =
    Array.isArray(shape) &&
    shape.length === 3 &&
    shape.every((d) => Number.isSafeInteger(d) && d > 0 && d <= 65535);
  if (!isValid) {
    throw new ArgumentError(
      `${owner}: expected imageShape to be [channels, height, width] of positive integers, got ${JSON.stringify(shape)}`,
    );
  }
}

/** The resampler for a dataset's plan. Where nothing is to be resized, it copies. */
export function resamplerFor({ shape, plan }: RawImages): Resampler {
  return new Resampler(shape[1], shape[2], plan.imageShape[1], plan.imageShape[2]);
}

/** Writes image `index` of `raw`, resized, into `target` from `offset` on. */
export function fillImage(
  raw: RawImages,
  resampler: Resampler,
  index: number,
  target: Uint8Array,
  offset: number,
): void {
  resampler.run(raw.images, index * imageSize(raw.shape), target, offset, raw.shape[0]);
}
