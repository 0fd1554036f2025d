/**
 * Owns what a transform is: the contract that those of this folder fulfil, and users' own.
 *
 * Policy: a transform maps the bytes of one image. What it draws comes from the generator that it is
 * given, so that the number of worker threads changes no result. It may run on worker threads, each
 * of which makes a transform of its own by the {@link WorkerRecipe}.
 */
import type { ImageShape } from '../types.js';
import type { SampleRandom } from './random.js';

/** One image: bytes 0..255 of `shape`, row-major. */
export interface TransformedImage {
  readonly image: Uint8Array | Uint8ClampedArray;
  readonly shape: ImageShape;
}

/**
 * Shape of the images at some place of a chain, before there is an image. A height or width is null
 * where it differs from sample to sample.
 */
export type PlannedShape = readonly [channels: number, height: number | null, width: number | null];

/**
 * How a worker thread makes a transform of its own: it imports `module` and calls
 * `new module[export](...args)`.
 */
export interface WorkerRecipe {
  /** Address of the module, as `import.meta.url` is. Worker threads run plain JavaScript. */
  readonly module: string | URL;
  /** Name by which the module exports the class. */
  readonly export: string;
  /** Arguments of its constructor, which structuredClone must be able to copy; none unless given. */
  readonly args?: readonly unknown[];
}

/**
 * A map of one image, deterministic or random. Implement it for transforms of your own.
 *
 * @example
 * export class Invert implements data.Transform {
 *   readonly worker: data.WorkerRecipe;
 *   readonly p: number;
 *   constructor(p = 0.5) {
 *     this.p = p;
 *     this.worker = { module: import.meta.url, export: 'Invert', args: [p] };
 *   }
 *   apply(image: Uint8Array, shape: data.ImageShape, random: data.SampleRandom) {
 *     if (!random.chance(this.p)) return { image, shape };
 *     return { image: image.map((byte) => 255 - byte), shape };
 *   }
 * }
 */
export interface Transform {
  /**
   * Maps one image. What it throws reaches the loop over the batches as a TransformError that names
   * the sample.
   *
   * @param image Bytes of `shape`, which the transform may change and return.
   * @param shape [C, H, W]
   * @param random Random numbers of this sample and epoch; the only ones to use.
   */
  apply(image: Uint8Array, shape: ImageShape, random: SampleRandom): TransformedImage;
  /**
   * Shape of the result for images of `shape`. Asked once, when the dataset is made. Without it, the
   * shape stays.
   */
  outputShape?(shape: PlannedShape): PlannedShape;
  /**
   * How a worker thread makes this transform; without it, a loader must have `numWorkers: 0`. A class
   * that extends one of the package's has none unless it says so itself.
   */
  readonly worker?: WorkerRecipe | undefined;
}

/** A transform's name in messages: that of its class. */
export function nameOf(transform: object): string {
  const name: unknown = transform.constructor?.name;
  return typeof name === 'string' && name !== '' && name !== 'Object' ? name : 'a transform';
}
