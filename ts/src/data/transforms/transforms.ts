/**
 * Owns the image transforms with torchvision's names, and their reduction to an {@link ImagePlan}.
 *
 * Policy: only Resize touches pixels, in 8 bits. ToTensor and Normalize run on no host: they become
 * the mean and std of the program's first node, y = (x / 255 - mean) / std.
 */

import { show } from '../../arguments.js';
import { ArgumentError, ShapeError } from '../../errors.js';
import { asBytes, describePixels } from '../../pixels.js';
import { type ImageShape, longestSide } from '../types.js';
import { Resampler } from './resample.js';

/** What a chain of transforms asks for, for images of one shape. */
export interface ImagePlan {
  /** Shape after the resize. */
  readonly imageShape: ImageShape;
  /** Mean per channel, [C]. */
  readonly mean: readonly number[];
  /** Standard deviation per channel, [C]. */
  readonly std: readonly number[];
}

/** A transform, or a chain of them. */
export type Transform = Resize | ToTensor | Normalize | Compose;

/**
 * Resizes an 8-bit image with bilinear interpolation and antialiasing, bit for bit as torchvision's
 * `Resize` does to a PIL image (Pillow's `Image.resize(size, BILINEAR)`).
 *
 * @example
 * new Resize(224);        // the smaller edge becomes 224, the ratio stays
 * new Resize([224, 160]); // height 224, width 160
 */
export class Resize {
  /** The size as given. */
  readonly size: number | readonly [height: number, width: number];
  #resampler: { key: string; run: Resampler } | null = null;

  /**
   * @param size Pixels of the smaller edge, or [height, width].
   * @throws {ArgumentError} where a size is not a positive integer.
   */
  constructor(size: number | readonly [height: number, width: number]) {
    const sizes: readonly unknown[] = Array.isArray(size) ? size : [size];
    const isValid =
      sizes.every(
        (s) => Number.isSafeInteger(s) && (s as number) > 0 && (s as number) <= longestSide,
      ) &&
      (!Array.isArray(size) || sizes.length === 2);
    if (!isValid) {
      throw new ArgumentError(
        `Resize: expected size to be an integer from 1 to ${longestSide} or [height, width] of such, ` +
          `got ${show(size)}`,
      );
    }
    this.size = typeof size === 'number' ? size : [size[0], size[1]];
  }

  /** Height and width that an image of `height` x `width` becomes. */
  outputSize(height: number, width: number): { height: number; width: number } {
    if (typeof this.size !== 'number') return { height: this.size[0], width: this.size[1] };
    const short = Math.min(height, width);
    const long = Math.max(height, width);
    // torchvision truncates the longer edge.
    const newLong = Math.trunc((this.size * long) / short);
    return height <= width
      ? { height: this.size, width: newLong }
      : { height: newLong, width: this.size };
  }

  /**
   * Resizes one image.
   *
   * @param image Bytes of `shape`, row-major.
   * @param shape [H, W] or [C, H, W].
   * @throws {ArgumentError} where the image is no array of bytes, or the shape none of an image.
   * @throws {ShapeError} where the image does not have the shape's number of pixels.
   */
  apply<S extends readonly [number, number] | ImageShape>(
    image: Uint8Array | Uint8ClampedArray,
    shape: S,
  ): { image: Uint8Array; shape: S } {
    const bytes = asBytes(image);
    if (bytes === undefined) {
      throw new ArgumentError(
        `Resize: expected image to be a Uint8Array, got ${describePixels(image)}`,
      );
    }
    const isShape = Array.isArray(shape) && (shape.length === 2 || shape.length === 3);
    if (!isShape || !shape.every((size) => Number.isSafeInteger(size) && size > 0)) {
      throw new ArgumentError(
        `Resize: expected shape to be [H, W] or [C, H, W] of positive integers, got ${show(shape)}`,
      );
    }
    const channels = shape.length === 3 ? shape[0] : 1;
    const [height, width] = shape.slice(-2) as [number, number];
    if (bytes.length !== channels * height * width || bytes.length === 0) {
      throw new ShapeError(
        `Resize: expected ${channels * height * width} pixels for shape [${shape.join(', ')}], got ${bytes.length}`,
      );
    }
    const out = this.outputSize(height, width);
    const key = `${height}x${width}`;
    if (this.#resampler?.key !== key) {
      this.#resampler = { key, run: new Resampler(height, width, out.height, out.width) };
    }
    const resized = new Uint8Array(channels * out.height * out.width);
    this.#resampler.run.run(bytes, 0, resized, 0, channels);
    const outShape =
      shape.length === 3 ? [channels, out.height, out.width] : [out.height, out.width];
    return { image: resized, shape: outShape as unknown as S };
  }

  toString(): string {
    const size = typeof this.size === 'number' ? `${this.size}` : `(${this.size.join(', ')})`;
    return `Resize(size=${size}, interpolation=bilinear, antialias=True)`;
  }
}

/** Bytes 0..255 become floats 0..1. Done by the program's first node; see {@link ImagePlan}. */
export class ToTensor {
  toString(): string {
    return 'ToTensor()';
  }
}

/** Subtracts the mean and divides by the standard deviation, per channel, on the 0..1 scale. */
export class Normalize {
  readonly mean: readonly number[];
  readonly std: readonly number[];

  /**
   * @param mean Mean per channel; a single one serves every channel.
   * @param std Standard deviation per channel; a single one serves every channel.
   * @throws {ArgumentError} where a value is not finite, a std is not positive, or lengths differ.
   */
  constructor(mean: number | readonly number[], std: number | readonly number[]) {
    this.mean = valuesOf('mean', mean);
    this.std = valuesOf('std', std);
    if (this.mean.length === 0 || this.mean.length !== this.std.length) {
      throw new ArgumentError(
        `Normalize: expected as many means as stds, at least one, got ${this.mean.length} and ${this.std.length}`,
      );
    }
    if (!this.mean.every(Number.isFinite)) {
      throw new ArgumentError(`Normalize: expected finite means, got [${this.mean.join(', ')}]`);
    }
    if (!this.std.every((s) => Number.isFinite(s) && s > 0)) {
      throw new ArgumentError(
        `Normalize: expected finite stds above 0, got [${this.std.join(', ')}]`,
      );
    }
  }

  toString(): string {
    return `Normalize(mean=[${this.mean.join(', ')}], std=[${this.std.join(', ')}])`;
  }
}

function valuesOf(name: string, values: number | readonly number[]): readonly number[] {
  if (typeof values === 'number') return [values];
  if (!Array.isArray(values)) {
    throw new ArgumentError(
      `Normalize: expected ${name} to be a number or a list of numbers, got ${show(values)}`,
    );
  }
  return [...values];
}

/**
 * A chain of transforms: at most one Resize, then ToTensor, then at most one Normalize.
 *
 * @example
 * new Compose([new Resize(224), new ToTensor(), new Normalize(0.286, 0.353)]);
 */
export class Compose {
  /** The transforms, chains inside chains flattened. */
  readonly transforms: readonly (Resize | ToTensor | Normalize)[];

  /** @throws {ArgumentError} where the order is another one, or something is no transform. */
  constructor(transforms: readonly Transform[]) {
    if (!Array.isArray(transforms)) {
      throw new ArgumentError(`Compose: expected a list of transforms, got ${show(transforms)}`);
    }
    this.transforms = (transforms as readonly Transform[]).flatMap((t) =>
      t instanceof Compose ? t.transforms : [t],
    );
    let last = -1;
    let hasTensor = false;
    for (const t of this.transforms) {
      const rank = rankOf(t);
      if (rank === 2 && !hasTensor) {
        throw new ArgumentError('Compose: expected ToTensor before Normalize, which needs floats');
      }
      if (rank <= last) {
        throw new ArgumentError(
          `Compose: expected Resize, ToTensor, Normalize in this order and each at most once, got ` +
            `[${this.transforms.map(String).join(', ')}]. Resize works on the 8-bit image.`,
        );
      }
      hasTensor ||= rank === 1;
      last = rank;
    }
  }

  toString(): string {
    return `Compose(\n${this.transforms.map((t) => `    ${t}\n`).join('')})`;
  }
}

function rankOf(transform: unknown): number {
  if (transform instanceof Resize) return 0;
  if (transform instanceof ToTensor) return 1;
  if (transform instanceof Normalize) return 2;
  throw new ArgumentError(
    `Compose: expected Resize, ToTensor, Normalize or Compose, got ${show(transform)}`,
  );
}

/**
 * What `transform` asks for, for images of `imageShape`. No transform means ToTensor.
 *
 * @throws {ShapeError} where Normalize has neither one value nor one per channel.
 * @throws {ArgumentError} where the chain's order is not Resize, ToTensor, Normalize.
 */
export function planImages(transform: Transform | undefined, imageShape: ImageShape): ImagePlan {
  const [channels, height, width] = imageShape;
  let out = { height, width };
  let mean: readonly number[] = [0];
  let std: readonly number[] = [1];
  for (const t of new Compose(transform === undefined ? [] : [transform]).transforms) {
    if (t instanceof Resize) out = t.outputSize(height, width);
    if (t instanceof Normalize) ({ mean, std } = t);
  }
  if (mean.length !== 1 && mean.length !== channels) {
    throw new ShapeError(
      `Normalize: expected 1 or ${channels} values for images of shape [${imageShape.join(', ')}], got ${mean.length}`,
    );
  }
  const perChannel = (values: readonly number[]) =>
    values.length === channels ? values : Array.from({ length: channels }, () => values[0]!);
  return {
    imageShape: [channels, out.height, out.width],
    mean: perChannel(mean),
    std: perChannel(std),
  };
}
