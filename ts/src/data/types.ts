/**
 * Owns the interfaces that datasets, transforms and loaders share.
 *
 * Policy: images stay as they are up to the device, bytes as a rule. A batch carries the mean and
 * std with which the program's first node turns its bytes into floats; nothing here does
 * floating-point work on pixels.
 */
import type { Pixels } from '../pixels.js';
import type { Draw } from './transforms/random.js';

/** Shape of one image: [channels, height, width]. */
export type ImageShape = readonly [channels: number, height: number, width: number];

/** Most channels of an image, and most pixels a side. */
export const longestSide = 65535;

/** One sample of a dataset. */
export interface Sample {
  /**
   * Pixels, [C, H, W] in row-major order, of the dataset's `imageShape`: bytes 0..255, or floats that
   * are used as they are. All samples of a dataset are of one kind.
   */
  readonly image: Pixels | Uint8ClampedArray;
  /** Class index. */
  readonly label: number;
}

/**
 * What a {@link DataLoader} reads. Any object with these members is a dataset; a
 * {@link TensorDataset} (which {@link FashionMNIST} and {@link MNIST} are) can be read by worker
 * threads too.
 */
export interface Dataset {
  /** Number of samples. */
  readonly length: number;
  /** Shape of every image that `get` returns. */
  readonly imageShape: ImageShape;
  /** Mean per channel on the 0..1 scale, for bytes; 0 unless given. */
  readonly mean?: readonly number[];
  /** Standard deviation per channel on the 0..1 scale, for bytes; 1 unless given. */
  readonly std?: readonly number[];
  /**
   * The sample at `index`, 0 <= index < length, or a promise of it (or anything else with `then`).
   * The loader copies the image before it asks for the next sample, so that one buffer may be
   * reused.
   *
   * @param draw Seed and epoch of the loader, for whoever draws random numbers.
   */
  get(index: number, draw: Draw): Sample | PromiseLike<Sample>;
}

/**
 * One batch of a {@link DataLoader}.
 *
 * Lifetime: the batch is the caller's for as long as it is referenced, and its memory is collected
 * like any object's. Call {@link Batch.release} as soon as the pixels were used (a program copies its
 * inputs during the call to `run`), and the loader reuses the memory for a later batch; nothing is
 * ever reused without that call.
 */
export interface Batch {
  /** Pixels, [n, C, H, W], of the dataset's kind. Throws a {@link DisposedError} after `release`. */
  readonly image: Pixels;
  /** Shape of `image`. */
  readonly imageShape: readonly [n: number, channels: number, height: number, width: number];
  /** Class indices, [n]. */
  readonly label: Int32Array;
  /** Number of samples n: the loader's batch size, or fewer in the last batch. */
  readonly size: number;
  /** Number of the batch in its epoch, from 0. */
  readonly index: number;
  /** Epoch that the batch belongs to, from 0. */
  readonly epoch: number;
  /** Mean per channel on the 0..1 scale, for bytes. */
  readonly mean: readonly number[];
  /** Standard deviation per channel on the 0..1 scale, for bytes. */
  readonly std: readonly number[];
  /**
   * Gives the pixel memory back to the loader. Idempotent. Views of `image` that were taken before
   * have length 0 afterwards: they never show another batch's pixels.
   */
  release(): void;
}
