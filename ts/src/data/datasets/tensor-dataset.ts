/**
 * Owns the in-memory dataset, which worker threads can read.
 *
 * Policy: source images lie in shared memory from the start, as bytes or floats just as they came, so
 * that every thread reads the same. What comes in memory of one thread alone is copied there.
 */

import { checkOptions, show } from '../../arguments.js';
import { ArgumentError, OutOfMemoryError, ShapeError } from '../../errors.js';
import {
  asPixels,
  describePixels,
  isIdentity,
  type Pixels,
  pixelBytes,
  pixelType,
  viewPixels,
} from '../../pixels.js';
import { checkMemory } from '../../program/memory.js';
import { initialSeed } from '../../random/index.js';
import type { TransformStep } from '../transforms/compose.js';
import { Pipeline } from '../transforms/pipeline.js';
import { type ImagePlan, planImages } from '../transforms/plan.js';
import type { Draw } from '../transforms/random.js';
import { nameOf } from '../transforms/transform.js';
import { type Dataset, type ImageShape, longestSide, type Sample } from '../types.js';
import { copyLabels } from './labels.js';

/** Arguments of {@link TensorDataset}. */
export interface TensorDatasetOptions {
  /**
   * Pixels, [N, C, H, W] in row-major order: bytes 0..255, or floats that are used as they are, which
   * can be neither transformed nor normalised here.
   *
   * Copied into shared memory, so that what you write into your array later reaches no sample. An
   * array over a SharedArrayBuffer (as `readIdx` makes it) is not copied: what you write there later
   * is seen by every sample read from then on, with any number of worker threads.
   */
  images: Pixels | Uint8ClampedArray;
  /** Shape of one image as it lies in `images`. */
  imageShape: ImageShape;
  /** Class indices, [N]. Copied. */
  labels: ArrayLike<number>;
  /** Number of classes, where labels are to be checked against it. */
  numClasses?: number;
  /** Applied to every image that is read; ToTensor unless given. */
  transform?: TransformStep;
}

const names = [
  'images',
  'imageShape',
  'labels',
  'numClasses',
  'transform',
] as const satisfies readonly (keyof TensorDatasetOptions)[];

/** The raw images of a dataset, as whoever fills batches reads them. */
export interface RawImages {
  /** Name of the dataset's class, for messages. */
  readonly dataset: string;
  /** [N, C, H, W], in shared memory. */
  readonly images: Pixels;
  readonly shape: ImageShape;
  readonly plan: ImagePlan;
}

/** A dataset's images, for whoever fills batches. */
export let rawImages: (dataset: TensorDataset) => RawImages;

/**
 * A dataset of images and labels in memory.
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
  readonly #raw: RawImages;
  #pipeline: Pipeline | null = null;

  static {
    rawImages = (dataset) => dataset.#raw;
  }

  /**
   * @throws {ShapeError} where the number of pixels is not N * C * H * W.
   * @throws {DataError} where a label is not an integer from 0 to `numClasses` - 1.
   * @throws {ArgumentError} where an option is unknown or not what it should be, or floats are to be
   *   transformed or normalised.
   * @throws {OutOfMemoryError} where there is no memory for a copy of the images.
   */
  constructor(options: TensorDatasetOptions) {
    const who = 'TensorDataset';
    const given = checkOptions(who, options, names);
    const { imageShape, numClasses, transform } = given;
    const images = asPixels(given.images);
    if (images === undefined) {
      throw new ArgumentError(
        `${who}: expected images to be a Uint8Array, Uint8ClampedArray or Float32Array, got ` +
          describePixels(given.images),
      );
    }
    checkImageShape(who, imageShape);
    if (numClasses !== undefined && !(Number.isSafeInteger(numClasses) && numClasses > 0)) {
      throw new ArgumentError(
        `${who}: expected numClasses to be a positive integer, got ${show(numClasses)}`,
      );
    }
    const labels = copyLabels(who, given.labels, numClasses);
    const pixels = imageSize(imageShape);
    if (images.length !== labels.length * pixels) {
      throw new ShapeError(
        `${who}: expected ${labels.length} images of shape [${imageShape.join(', ')}] for ` +
          `${labels.length} labels, which are ${labels.length * pixels} pixels, got ${images.length}`,
      );
    }
    const plan = planImages(transform, imageShape);
    if (pixelType(images) === 'f32') checkFloatPlan(plan);
    this.#raw = {
      dataset: nameOf(this),
      images: inSharedMemory(images),
      shape: [...imageShape],
      plan,
    };
    this.labels = labels;
    this.length = labels.length;
    this.imageShape = plan.imageShape;
    this.mean = plan.mean;
    this.std = plan.std;
  }

  /**
   * The sample at `index`, transformed. The image is a copy.
   *
   * A class with a `get` of its own that calls this one hands `draw` on: else every epoch draws alike.
   *
   * @param draw What random transforms draw from, as a loader of this seed does in this epoch; those
   *   of `manualSeed` and of epoch 0 unless given.
   * @throws {TransformError} where a transform throws.
   * @throws {ArgumentError} where the index is not from 0 to `length` - 1.
   */
  get(index: number, draw: Draw = { seed: initialSeed(), epoch: 0 }): Sample {
    if (!(Number.isSafeInteger(index) && index >= 0 && index < this.length)) {
      throw new ArgumentError(
        `TensorDataset.get: expected an index from 0 to ${this.length - 1}, got ${show(index)}`,
      );
    }
    const type = pixelType(this.#raw.images);
    const size = imageSize(this.imageShape);
    const image = viewPixels(type, new ArrayBuffer(size * pixelBytes(type)), size);
    this.#pipeline ??= pipelineFor(this.#raw);
    this.#pipeline.run(index, draw, image, 0);
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
    shape.every((d) => Number.isSafeInteger(d) && d > 0 && d <= longestSide);
  if (!isValid) {
    throw new ArgumentError(
      `${owner}: expected imageShape to be [channels, height, width] of integers from 1 to ` +
        `${longestSide}, got ${show(shape)}`,
    );
  }
}

/** What writes a dataset's samples into batches. */
export function pipelineFor({ dataset, images, shape, plan }: RawImages): Pipeline {
  return new Pipeline({ dataset, images, shape, steps: plan.steps, shapes: plan.shapes });
}

/** The images where every thread can read them. */
function inSharedMemory(images: Pixels): Pixels {
  if (images.buffer instanceof SharedArrayBuffer) return images;
  checkMemory('TensorDataset: a copy of the images', images.byteLength);
  try {
    const shared = viewPixels(
      pixelType(images),
      new SharedArrayBuffer(images.byteLength),
      images.length,
    );
    shared.set(images);
    return shared;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new OutOfMemoryError(
      `TensorDataset: there is no memory for a copy of the images' ${images.byteLength} bytes. Free ` +
        'some, or put the images into a SharedArrayBuffer, which is not copied.',
      { cause: error },
    );
  }
}

/** Transforms and Normalize are for bytes: mean and std are those of 0..255. */
function checkFloatPlan({ steps, mean, std }: ImagePlan): void {
  const [step] = steps;
  if (step === undefined && isIdentity(mean, std)) return;
  const what = step === undefined ? 'Normalize' : nameOf(step);
  throw new ArgumentError(
    `TensorDataset: expected no ${what} for images that are a Float32Array, which are used as they ` +
      'are. Give bytes, or transform the floats before.',
  );
}
