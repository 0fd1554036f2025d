/**
 * Owns the rotation of images, bit for bit as Pillow's `Image.rotate`: whole pixels in fixed-point
 * arithmetic, or bilinear interpolation in f64.
 */
import { ShapeError } from '../../errors.js';
import type { ImageShape } from '../types.js';
import { type Fill, fillOf, hflip, type Image, vflip } from './geometry.js';

/** How pixels between pixels are made. */
export const interpolations = ['nearest', 'bilinear'] as const;
/** `nearest`: the nearest pixel; `bilinear`: a mean of the four around. */
export type Interpolation = (typeof interpolations)[number];

/** Options of {@link rotate}. */
export interface RotateOptions {
  /** `nearest` unless given. */
  interpolation?: Interpolation;
  /** Whether the result is as large as the rotated image; else it has the image's size. */
  expand?: boolean;
  /** [x, y] of what stays in its place, in pixels from the upper left corner; the middle unless given. */
  center?: readonly [x: number, y: number];
  /** What stands where the image does not reach; 0 unless given. */
  fill?: Fill;
}

/** Names of {@link RotateOptions}. */
export const rotateOptionNames = [
  'interpolation',
  'expand',
  'center',
  'fill',
] as const satisfies readonly (keyof RotateOptions)[];

/** Of a result's pixel (x, y), [a x + b y + c, d x + e y + f] is its place in the image. */
type Matrix = [a: number, b: number, c: number, d: number, e: number, f: number];

/** Fixed-point numbers of 16 fractional bits reach no further. */
const LONGEST = 32767;

/**
 * Rotates an image counter-clockwise.
 *
 * @param degrees Any number.
 * @throws {ShapeError} where a side of the image or of the result is longer than 32,767 pixels.
 */
export function rotate(
  image: Uint8Array,
  shape: ImageShape,
  degrees: number,
  options: RotateOptions = {},
): Image {
  const { interpolation = 'nearest', expand = false, center, fill = 0 } = options;
  const [channels, height, width] = shape;
  const angle = ((degrees % 360) + 360) % 360;
  if (center === undefined) {
    // Whatever the interpolation, nothing lies between pixels.
    if (angle === 0) return { image: image.slice(), shape };
    if (angle === 180) {
      const flipped = vflip(image, shape);
      return hflip(flipped.image, flipped.shape);
    }
    if ((angle === 90 || angle === 270) && (expand || width === height)) {
      return quarterTurn(image, shape, angle);
    }
  }
  const { matrix, size } = inverse(angle, width, height, center, expand);
  const [outHeight, outWidth] = size;
  if (Math.max(height, width, outHeight, outWidth) > LONGEST) {
    throw new ShapeError(
      `rotate: expected sides of at most ${LONGEST} pixels, got [${shape.join(', ')}] that become ` +
        `[${outHeight}, ${outWidth}]`,
    );
  }
  const out = new Uint8Array(channels * outHeight * outWidth);
  for (let c = 0; c < channels; c++) {
    const from = image.subarray(c * height * width, (c + 1) * height * width);
    const to = out.subarray(c * outHeight * outWidth, (c + 1) * outHeight * outWidth);
    to.fill(fillOf(fill, c));
    const planes = { from, height, width, to, outHeight, outWidth };
    if (interpolation === 'bilinear') bilinear(planes, matrix);
    else if (matrix[1] === 0 && matrix[3] === 0) nearestScaled(planes, matrix);
    else nearest(planes, matrix);
  }
  return { image: out, shape: [channels, outHeight, outWidth] };
}

function quarterTurn(image: Uint8Array, shape: ImageShape, angle: number): Image {
  const [channels, height, width] = shape;
  const out = new Uint8Array(image.length);
  let to = 0;
  for (let c = 0; c < channels; c++) {
    const plane = c * height * width;
    for (let y = 0; y < width; y++) {
      const column = angle === 90 ? width - 1 - y : y;
      for (let x = 0; x < height; x++) {
        const row = angle === 90 ? x : height - 1 - x;
        out[to++] = image[plane + row * width + column]!;
      }
    }
  }
  return { image: out, shape: [channels, width, height] };
}

/** Python's `round(value, 15)`. */
function round15(value: number): number {
  return Number(value.toFixed(15));
}

function at([a, b, c, d, e, f]: Matrix, x: number, y: number): readonly [number, number] {
  return [a * x + b * y + c, d * x + e * y + f];
}

/** The way back from the result to the image, and the result's [height, width]. */
function inverse(
  degrees: number,
  width: number,
  height: number,
  center: readonly [number, number] = [width / 2, height / 2],
  expand: boolean,
): { matrix: Matrix; size: readonly [number, number] } {
  const angle = -(degrees * (Math.PI / 180));
  const cos = round15(Math.cos(angle));
  const sin = Math.sin(angle);
  const matrix: Matrix = [cos, round15(sin), 0, round15(-sin), cos, 0];
  const moved = at(matrix, -center[0], -center[1]);
  matrix[2] = moved[0] + center[0];
  matrix[5] = moved[1] + center[1];
  if (!expand) return { matrix, size: [height, width] };
  const corners = [
    at(matrix, 0, 0),
    at(matrix, width, 0),
    at(matrix, width, height),
    at(matrix, 0, height),
  ];
  const extent = (axis: 0 | 1) => {
    const places = corners.map((corner) => corner[axis]);
    return Math.ceil(Math.max(...places)) - Math.floor(Math.min(...places));
  };
  const newWidth = extent(0);
  const newHeight = extent(1);
  [matrix[2], matrix[5]] = at(matrix, -(newWidth - width) / 2, -(newHeight - height) / 2);
  return { matrix, size: [newHeight, newWidth] };
}

/** One plane before and after: from [height, width] to [outHeight, outWidth]. */
interface Planes {
  readonly from: Uint8Array;
  readonly height: number;
  readonly width: number;
  readonly to: Uint8Array;
  readonly outHeight: number;
  readonly outWidth: number;
}

/** 16.16 fixed point. */
function fixed(value: number): number {
  return Math.floor(value * 65536 + 0.5);
}

function nearest({ from, height, width, to, outHeight, outWidth }: Planes, m: Matrix): void {
  const stepX = fixed(m[0]);
  const stepY = fixed(m[3]);
  let rowX = fixed(m[2] + m[0] * 0.5 + m[1] * 0.5);
  let rowY = fixed(m[5] + m[3] * 0.5 + m[4] * 0.5);
  for (let y = 0; y < outHeight; y++) {
    let xx = rowX;
    let yy = rowY;
    for (let x = 0; x < outWidth; x++) {
      const column = xx >> 16;
      const row = yy >> 16;
      if (column >= 0 && column < width && row >= 0 && row < height) {
        to[y * outWidth + x] = from[row * width + column]!;
      }
      xx = (xx + stepX) | 0;
      yy = (yy + stepY) | 0;
    }
    rowX = (rowX + fixed(m[1])) | 0;
    rowY = (rowY + fixed(m[4])) | 0;
  }
}

/** Where rows stay rows, Pillow adds up in f64. */
function nearestScaled({ from, height, width, to, outHeight, outWidth }: Planes, m: Matrix): void {
  const places = (start: number, step: number, count: number) => {
    let place = start + step * 0.5;
    return Array.from({ length: count }, () => {
      const whole = place < 0 ? -1 : Math.trunc(place);
      place += step;
      return whole;
    });
  };
  const columns = places(m[2], m[0], outWidth);
  const rows = places(m[5], m[4], outHeight);
  for (const [y, row] of rows.entries()) {
    if (row < 0 || row >= height) continue;
    for (const [x, column] of columns.entries()) {
      if (column >= 0 && column < width) to[y * outWidth + x] = from[row * width + column]!;
    }
  }
}

function bilinear({ from, height, width, to, outHeight, outWidth }: Planes, m: Matrix): void {
  const [a, b, c, d, e, f] = m;
  for (let y = 0; y < outHeight; y++) {
    for (let x = 0; x < outWidth; x++) {
      // As `at` does, without an array for each pixel.
      const xin = a * (x + 0.5) + b * (y + 0.5) + c;
      const yin = d * (x + 0.5) + e * (y + 0.5) + f;
      if (xin < 0 || xin >= width || yin < 0 || yin >= height) continue;
      const left = Math.floor(xin - 0.5);
      const top = Math.floor(yin - 0.5);
      const dx = xin - 0.5 - left;
      const dy = yin - 0.5 - top;
      const x0 = Math.max(left, 0);
      const x1 = Math.min(left + 1, width - 1);
      const upper = Math.max(top, 0) * width;
      const first = mix(from[upper + x0]!, from[upper + x1]!, dx);
      let value = first;
      if (top + 1 < height) {
        const lower = (top + 1) * width;
        value = mix(first, mix(from[lower + x0]!, from[lower + x1]!, dx), dy);
      }
      to[y * outWidth + x] = value; // cut off, as Pillow does
    }
  }
}

function mix(a: number, b: number, part: number): number {
  return a + (b - a) * part;
}
