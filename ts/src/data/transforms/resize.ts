/** Owns Resize. */
import { show } from '../../arguments.js';
import { ArgumentError, ShapeError } from '../../errors.js';
import { asBytes, describePixels } from '../../pixels.js';
import { type ImageShape, longestSide } from '../types.js';
import { Resampler } from './resample.js';
import type { PlannedShape, Transform, WorkerRecipe } from './transform.js';

/**
 * Resizes an 8-bit image with bilinear interpolation and antialiasing, bit for bit as torchvision's
 * `Resize` does to a PIL image (Pillow's `Image.resize(size, BILINEAR)`).
 *
 * @example
 * new Resize(224);        // the smaller edge becomes 224, the ratio stays
 * new Resize([224, 160]); // height 224, width 160
 */
export class Resize implements Transform {
  /** The size as given. */
  readonly size: number | readonly [height: number, width: number];
  readonly worker: WorkerRecipe | undefined;
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
    this.worker =
      new.target === Resize
        ? { module: import.meta.url, export: 'Resize', args: [this.size] }
        : undefined;
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

  outputShape([channels, height, width]: PlannedShape): PlannedShape {
    if (height === null || width === null) {
      return typeof this.size === 'number' ? [channels, null, null] : [channels, ...this.size];
    }
    const out = this.outputSize(height, width);
    return [channels, out.height, out.width];
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
