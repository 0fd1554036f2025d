/**
 * Owns the maps of images that move whole pixels: flips, crops, padding, erasing. Each gives bit for
 * bit what torchvision's function of that name makes of a PIL image (`erase`: of a uint8 tensor).
 *
 * Policy: planes are [H, W] one after the other, in any number of channels; the result is a new array.
 */
import { ShapeError } from '../../errors.js';
import { type ImageShape, longestSide } from '../types.js';
import { Resampler } from './resample.js';

/** Bytes of `shape`, row-major. */
export interface Image {
  readonly image: Uint8Array;
  readonly shape: ImageShape;
}

/** A byte for all channels, or one for each. */
export type Fill = number | readonly number[];

/** What stands outside of an image's edges. */
export const paddingModes = ['constant', 'edge', 'reflect', 'symmetric'] as const;
/**
 * `constant`: the fill; `edge`: the outermost pixel; `reflect`: the image mirrored at its outermost
 * pixel; `symmetric`: mirrored at its edge, so that the outermost pixel comes twice.
 */
export type PaddingMode = (typeof paddingModes)[number];

/** The byte for channel `c`. */
export function fillOf(fill: Fill, c: number): number {
  return typeof fill === 'number' ? fill : (fill[c] ?? fill[0] ?? 0);
}

/** Mirrors left and right. */
export function hflip(image: Uint8Array, shape: ImageShape): Image {
  const [channels, height, width] = shape;
  const out = image.slice();
  for (let row = 0; row < channels * height; row++) {
    out.subarray(row * width, (row + 1) * width).reverse();
  }
  return { image: out, shape };
}

/** Mirrors top and bottom. */
export function vflip(image: Uint8Array, shape: ImageShape): Image {
  const [channels, height, width] = shape;
  const out = new Uint8Array(image.length);
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < height; y++) {
      const from = (c * height + height - 1 - y) * width;
      out.set(image.subarray(from, from + width), (c * height + y) * width);
    }
  }
  return { image: out, shape };
}

/**
 * The part of `height` x `width` whose upper left corner is at (top, left), which may lie outside:
 * there the result is 0.
 */
export function crop(
  image: Uint8Array,
  shape: ImageShape,
  top: number,
  left: number,
  height: number,
  width: number,
): Image {
  const [channels, fromHeight, fromWidth] = shape;
  const outShape = [channels, height, width] as const;
  const out = new Uint8Array(channels * height * width);
  const first = Math.max(left, 0);
  const last = Math.min(left + width, fromWidth);
  const begin = Math.max(top, 0);
  const end = Math.min(top + height, fromHeight);
  if (first >= last) return { image: out, shape: outShape };
  for (let c = 0; c < channels; c++) {
    for (let y = begin; y < end; y++) {
      const from = (c * fromHeight + y) * fromWidth;
      out.set(
        image.subarray(from + first, from + last),
        (c * height + y - top) * width + first - left,
      );
    }
  }
  return { image: out, shape: outShape };
}

/** The middle `height` x `width` of an image; where it is smaller, 0 stands around it. */
export function centerCrop(
  image: Uint8Array,
  shape: ImageShape,
  height: number,
  width: number,
): Image {
  const [, fromHeight, fromWidth] = shape;
  const top = centerOffset(fromHeight, height);
  const left = centerOffset(fromWidth, width);
  return crop(image, shape, top, left, height, width);
}

/** Where the middle begins. torchvision pads a smaller image first, by the smaller half in front. */
function centerOffset(size: number, wanted: number): number {
  const padded = Math.max(size, wanted);
  const before = wanted > size ? Math.floor((wanted - size) / 2) : 0;
  return roundHalfEven((padded - wanted) / 2) - before;
}

/** Rounds as Python does: halves to the even number. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** Pixels to add on each side. */
export type Padding = readonly [left: number, top: number, right: number, bottom: number];

/**
 * Adds pixels around an image.
 *
 * @throws {ShapeError} where a side of the result would be longer than 65,535.
 */
export function pad(
  image: Uint8Array,
  shape: ImageShape,
  padding: Padding,
  mode: PaddingMode = 'constant',
  fill: Fill = 0,
): Image {
  const [left, top] = padding;
  const [channels, fromHeight, fromWidth] = shape;
  const outShape = paddedShape(shape, padding);
  const [, height, width] = outShape;
  const out = new Uint8Array(channels * height * width);
  const columns = sources(width, left, fromWidth, mode);
  /** Columns on both sides of the image. */
  const beside = [...columns.keys()].filter((x) => x < left || x >= left + fromWidth);
  const rows = sources(height, top, fromHeight, mode);
  for (let c = 0; c < channels; c++) {
    const outside = fillOf(fill, c);
    for (let y = 0; y < height; y++) {
      const to = (c * height + y) * width;
      const row = rows[y]!;
      if (row < 0) {
        out.fill(outside, to, to + width);
        continue;
      }
      const from = (c * fromHeight + row) * fromWidth;
      out.set(image.subarray(from, from + fromWidth), to + left);
      for (const x of beside) {
        const column = columns[x]!;
        out[to + x] = column < 0 ? outside : image[from + column]!;
      }
    }
  }
  return { image: out, shape: outShape };
}

/** @throws {ShapeError} where a side would be longer than an image's may be. */
export function paddedShape(
  [channels, height, width]: ImageShape,
  [left, top, right, bottom]: Padding,
): ImageShape {
  const shape = [channels, height + top + bottom, width + left + right] as const;
  if (Math.max(shape[1], shape[2]) > longestSide) {
    throw new ShapeError(
      `pad: expected sides of at most ${longestSide} pixels, got [${shape.join(', ')}]`,
    );
  }
  return shape;
}

/** Which pixel of an axis of `size` stands at each place of a padded one; -1: none does. */
function sources(length: number, before: number, size: number, mode: PaddingMode): Int32Array {
  return Int32Array.from({ length }, (_, i) => source(i - before, size, mode));
}

function source(at: number, size: number, mode: PaddingMode): number {
  if (at >= 0 && at < size) return at;
  if (mode === 'constant') return -1;
  if (mode === 'edge' || size === 1) return at < 0 ? 0 : size - 1;
  // The image and its mirror image, again and again.
  const period = mode === 'reflect' ? 2 * (size - 1) : 2 * size;
  const place = ((at % period) + period) % period;
  if (place < size) return place;
  return mode === 'reflect' ? period - place : period - 1 - place;
}

/**
 * The part of `height` x `width` at (top, left), resized to `size` with bilinear interpolation and
 * antialiasing.
 */
export function resizedCrop(
  image: Uint8Array,
  shape: ImageShape,
  top: number,
  left: number,
  height: number,
  width: number,
  size: readonly [height: number, width: number],
): Image {
  const part = crop(image, shape, top, left, height, width);
  const outShape = [shape[0], size[0], size[1]] as const;
  const out = new Uint8Array(shape[0] * size[0] * size[1]);
  new Resampler(height, width, size[0], size[1]).run(part.image, 0, out, 0, shape[0]);
  return { image: out, shape: outShape };
}

/**
 * Overwrites the part of `height` x `width` at (top, left).
 *
 * @param value A byte, one per channel, or the bytes of the part, [C, height, width].
 */
export function erase(
  image: Uint8Array,
  shape: ImageShape,
  top: number,
  left: number,
  height: number,
  width: number,
  value: Fill | Uint8Array,
): Image {
  const [channels, fromHeight, fromWidth] = shape;
  const out = image.slice();
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < height; y++) {
      const to = (c * fromHeight + top + y) * fromWidth + left;
      if (value instanceof Uint8Array) {
        const from = (c * height + y) * width;
        out.set(value.subarray(from, from + width), to);
      } else {
        out.fill(fillOf(value, c), to, to + width);
      }
    }
  }
  return { image: out, shape };
}
