/**
 * Owns what may be an image's pixels wherever images come in: bytes 0..255, or floats that are used
 * as they are.
 *
 * Policy: an array is told by what it is and not by its prototype, which a Proxy shares. So is one
 * whose memory was moved to another thread: it has no elements, and is refused with that reason.
 */
import { types } from 'node:util';
import { show } from './arguments.js';

/** Pixels of one or more images, in row-major order. */
export type Pixels = Uint8Array | Float32Array;

/** Element type of {@link Pixels}. */
export type PixelType = 'u8' | 'f32';

/**
 * The value as pixels, over the same memory: a Uint8ClampedArray, as a canvas has it, is bytes too.
 * undefined where it is neither bytes nor floats, or cannot be read; {@link describePixels} says why.
 */
export function asPixels(value: unknown): Pixels | undefined {
  if (!isReadable(value)) return undefined;
  if (types.isUint8ClampedArray(value)) {
    return new Uint8Array(value.buffer, value.byteOffset, value.length);
  }
  return types.isUint8Array(value) || types.isFloat32Array(value) ? value : undefined;
}

/** The value as bytes, over the same memory; undefined where {@link asPixels} gives none. */
export function asBytes(value: unknown): Uint8Array | undefined {
  const pixels = asPixels(value);
  return types.isUint8Array(pixels) ? pixels : undefined;
}

/** What a value is that is not the array that was expected, for messages. */
export function describePixels(value: unknown): string {
  if (isDetached(value)) {
    return `${show(value)} whose memory was moved away (its buffer is detached)`;
  }
  return show(value);
}

/** Element type of pixels. */
export function pixelType(pixels: Pixels): PixelType {
  return types.isFloat32Array(pixels) ? 'f32' : 'u8';
}

/** Whether mean and std change nothing: the only ones that floats, which are used as they are, have. */
export function isIdentity(mean: readonly number[], std: readonly number[]): boolean {
  return mean.every((value) => value === 0) && std.every((value) => value === 1);
}

/** Bytes of one pixel. */
export function pixelBytes(type: PixelType): number {
  return type === 'f32' ? 4 : 1;
}

/** The first `count` pixels in a buffer. */
export function viewPixels<B extends ArrayBufferLike>(
  type: PixelType,
  buffer: B,
  count: number,
): Uint8Array<B> | Float32Array<B> {
  return type === 'f32' ? new Float32Array(buffer, 0, count) : new Uint8Array(buffer, 0, count);
}

/** Whether the value is a typed array whose memory was moved to another thread. */
export function isDetached(value: unknown): boolean {
  return types.isTypedArray(value) && !isReadable(value);
}

/** Whether the value is a typed array whose memory is there. */
function isReadable(value: unknown): value is NodeJS.TypedArray {
  if (!types.isTypedArray(value)) return false;
  // Empty ones alone may be detached, and only making a view tells (ArrayBuffer.detached is newer
  // than Node 20).
  if (value.length > 0) return true;
  try {
    new Uint8Array(value.buffer);
    return true;
  } catch {
    return false;
  }
}
