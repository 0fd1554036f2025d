/**
 * Owns the interfaces that datasets, transforms and loaders share.
 *
 * Policy: images stay 8-bit up to the device. A batch carries the mean and std with which the
 * program's first node turns its bytes into floats; nothing here does floating-point work on pixels.
 */

/** Shape of one image: [channels, height, width]. */
export type ImageShape = readonly [channels: number, height: number, width: number];

/** One sample of a dataset. */
export interface Sample {
  /** Pixels, [C, H, W] in row-major order, of the dataset's `imageShape`. */
  readonly image: Uint8Array;
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
  /** Mean per channel on the 0..1 scale; 0 unless given. */
  readonly mean?: readonly number[];
  /** Standard deviation per channel on the 0..1 scale; 1 unless given. */
  readonly std?: readonly number[];
  /**
   * The sample at `index`, 0 <= index < length. The loader copies the image before it asks for the
   * next sample, so that one buffer may be reused.
   */
  get(index: number): Sample | Promise<Sample>;
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
  /** Pixels, [n, C, H, W]. Throws a {@link DisposedError} after `release`. */
  readonly image: Uint8Array;
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
  /** Mean per channel on the 0..1 scale. */
  readonly mean: readonly number[];
  /** Standard deviation per channel on the 0..1 scale. */
  readonly std: readonly number[];
  /**
   * Gives the pixel memory back to the loader. Idempotent. Views of `image` that were taken before
   * have length 0 afterwards: they never show another batch's pixels.
   */
  release(): void;
}
