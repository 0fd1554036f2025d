/**
 * Owns the maps of colours, each bit for bit what torchvision's function of that name makes of a PIL
 * image: grey, and colour with three channels (red, green, blue).
 *
 * Policy: the arithmetic is Pillow's, in f32 and f64 where it has them, rounded where it rounds.
 */
import { ShapeError } from '../../errors.js';
import type { ImageShape } from '../types.js';
import type { Image } from './geometry.js';

/** @throws {ShapeError} where an image has neither one channel nor three. */
export function checkColors(who: string, channels: number): void {
  if (channels === 1 || channels === 3) return;
  throw new ShapeError(`${who}: expected images of 1 or 3 channels, got ${channels}`);
}

/** Brightness of a colour in 8 bits, by ITU-R 601-2. */
function grayOf(r: number, g: number, b: number): number {
  return (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16;
}

/** Grey of each pixel, [H, W]. Of one channel it is a copy. */
function grayPlane(image: Uint8Array, [channels, height, width]: ImageShape): Uint8Array {
  const size = height * width;
  if (channels === 1) return image.slice(0, size);
  const gray = new Uint8Array(size);
  for (let i = 0; i < size; i++)
    gray[i] = grayOf(image[i]!, image[size + i]!, image[2 * size + i]!);
  return gray;
}

/**
 * Makes an image grey.
 *
 * @param channels Channels of the result, all alike: 1 or 3.
 * @throws {ShapeError} where the image has neither one channel nor three.
 */
export function toGrayscale(image: Uint8Array, shape: ImageShape, channels: 1 | 3 = 1): Image {
  checkColors('toGrayscale', shape[0]);
  const gray = grayPlane(image, shape);
  const out = new Uint8Array(channels * gray.length);
  for (let c = 0; c < channels; c++) out.set(gray, c * gray.length);
  return { image: out, shape: [channels, shape[1], shape[2]] };
}

/** `from` + `factor` * (`to` - `from`) in f32, cut off to a byte as Pillow's blend does. */
function blend(from: number, to: number, factor: number): number {
  const mixed = Math.fround(from + Math.fround(factor * (to - from)));
  return mixed <= 0 ? 0 : mixed >= 255 ? 255 : Math.trunc(mixed);
}

/** Each byte blended with the same other one. */
function blendAll(image: Uint8Array, from: number, factor: number): Uint8Array {
  const f = Math.fround(factor);
  const table = Uint8Array.from({ length: 256 }, (_, byte) => blend(from, byte, f));
  const out = new Uint8Array(image.length);
  for (let i = 0; i < out.length; i++) out[i] = table[image[i]!]!;
  return out;
}

/**
 * Changes the brightness.
 *
 * @param factor 0 gives black, 1 the image, 2 one of twice the brightness.
 * @throws {ShapeError} where the image has neither one channel nor three.
 */
export function adjustBrightness(image: Uint8Array, shape: ImageShape, factor: number): Image {
  checkColors('adjustBrightness', shape[0]);
  return { image: blendAll(image, 0, factor), shape };
}

/**
 * Changes the contrast.
 *
 * @param factor 0 gives an even grey, 1 the image.
 * @throws {ShapeError} where the image has neither one channel nor three.
 */
export function adjustContrast(image: Uint8Array, shape: ImageShape, factor: number): Image {
  checkColors('adjustContrast', shape[0]);
  const gray = grayPlane(image, shape);
  let sum = 0;
  for (const byte of gray) sum += byte;
  const mean = Math.trunc(sum / gray.length + 0.5);
  return { image: blendAll(image, mean, factor), shape };
}

/**
 * Changes the saturation. A grey image stays as it is.
 *
 * @param factor 0 gives a grey image, 1 the image.
 * @throws {ShapeError} where the image has neither one channel nor three.
 */
export function adjustSaturation(image: Uint8Array, shape: ImageShape, factor: number): Image {
  checkColors('adjustSaturation', shape[0]);
  if (shape[0] === 1) return { image: image.slice(), shape };
  const f = Math.fround(factor);
  const gray = grayPlane(image, shape);
  const size = gray.length;
  const out = new Uint8Array(image.length);
  for (let i = 0; i < size; i++) {
    const from = gray[i]!;
    out[i] = blend(from, image[i]!, f);
    out[size + i] = blend(from, image[size + i]!, f);
    out[2 * size + i] = blend(from, image[2 * size + i]!, f);
  }
  return { image: out, shape };
}

/**
 * Moves the hue round the circle of colours. A grey image stays as it is.
 *
 * @param factor Part of the circle, from -0.5 to 0.5.
 * @throws {ShapeError} where the image has neither one channel nor three.
 */
export function adjustHue(image: Uint8Array, shape: ImageShape, factor: number): Image {
  checkColors('adjustHue', shape[0]);
  if (shape[0] === 1) return { image: image.slice(), shape };
  const size = shape[1] * shape[2];
  const shift = Math.trunc(factor * 255) & 255;
  const out = new Uint8Array(image.length);
  for (let i = 0; i < size; i++) {
    const r = image[i]!;
    const g = image[size + i]!;
    const b = image[2 * size + i]!;
    const value = Math.max(r, g, b);
    const range = value - Math.min(r, g, b);
    const saturation = range > 0 ? Math.trunc(Math.fround(range / value) * 255) : 0;
    // Without saturation there is no hue.
    const hue = saturation > 0 ? (hueOf(r, g, b, value, range) + shift) & 255 : 0;
    putHsv(hue, saturation, value, out, i, size);
  }
  return { image: out, shape };
}

/** Hue in 8 bits of a colour that is no grey. */
function hueOf(r: number, g: number, b: number, value: number, range: number): number {
  const rc = Math.fround((value - r) / range);
  const gc = Math.fround((value - g) / range);
  const bc = Math.fround((value - b) / range);
  let h: number;
  if (r === value) h = Math.fround(bc - gc);
  else if (g === value) h = Math.fround(2 + rc - bc);
  else h = Math.fround(4 + gc - rc);
  h = Math.fround((h / 6 + 1) % 1);
  return Math.min(255, Math.trunc(h * 255));
}

/** Writes red, green and blue of a colour into three planes of `size` bytes, at `i`. */
function putHsv(h: number, s: number, v: number, out: Uint8Array, i: number, size: number): void {
  const sector = Math.floor((h * 6) / 255);
  const f = Math.fround((h * 6) / 255 - sector);
  const fs = Math.fround(s / 255);
  const p = roundAway(v * (1 - fs));
  const q = roundAway(v * (1 - fs * f));
  const t = roundAway(v * (1 - fs * (1 - f)));
  let r = v;
  let g = v;
  let b = v;
  switch (sector % 6) {
    case 0:
      g = t;
      b = p;
      break;
    case 1:
      r = q;
      b = p;
      break;
    case 2:
      r = p;
      b = t;
      break;
    case 3:
      r = p;
      g = q;
      break;
    case 4:
      r = t;
      g = p;
      break;
    default:
      g = p;
      b = q;
  }
  out[i] = r;
  out[size + i] = g;
  out[2 * size + i] = b;
}

/** C's round of what is not negative. */
function roundAway(value: number): number {
  const floor = Math.floor(value);
  return value - floor >= 0.5 ? floor + 1 : floor;
}
