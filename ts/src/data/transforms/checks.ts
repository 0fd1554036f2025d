/** Owns the checks of what transforms are made with, and of what they are given. */
import { checkInteger, checkNumber, checkPair, show } from '../../arguments.js';
import { ArgumentError, ShapeError } from '../../errors.js';
import { type ImageShape, longestSide } from '../types.js';
import type { Fill, Padding } from './geometry.js';
import type { PlannedShape } from './transform.js';

/** [height, width] of images that come out. */
export type Size = readonly [height: number, width: number];

/** From the lowest to the highest. */
export type Interval = readonly [from: number, to: number];

/** @throws {ArgumentError} where a size is no integer from 1 to 65,535, or a pair of such. */
export function checkSize(who: string, size: unknown): Size {
  return checkPair(who, 'size', size, 1, longestSide);
}

/** @throws {ArgumentError} where it is no number from 0 to 1. */
export function checkProbability(who: string, p: unknown): number {
  return checkNumber(who, 'p', p, { min: 0, max: 1 });
}

/** @throws {ArgumentError} where it is no byte, and no list of bytes. */
export function checkFill(who: string, name: string, fill: unknown): Fill {
  if (!Array.isArray(fill)) return checkInteger(who, name, fill, 0, 255);
  if (fill.length === 0) {
    throw new ArgumentError(`${who} expects ${name} to have one byte per channel, got []`);
  }
  return fill.map((byte: unknown, c) => checkInteger(who, `${name}[${c}]`, byte, 0, 255));
}

/** One number, [left and right, top and bottom], or [left, top, right, bottom]. */
export type PaddingLike = number | readonly [number, number] | Padding;

/** @throws {ShapeError} where a list has not one byte per channel. */
export function checkFillChannels(who: string, name: string, fill: Fill, channels: number): void {
  if (typeof fill === 'number' || fill.length === channels) return;
  throw new ShapeError(
    `${who}: expected ${name} to have one byte per channel (${channels}), got ${fill.length}`,
  );
}

/**
 * Padding as torchvision writes it: one number, [left and right, top and bottom], or
 * [left, top, right, bottom].
 *
 * @throws {ArgumentError} where it is none of these, or a number is no integer of 0 or more.
 */
export function checkPadding(who: string, padding: unknown): Padding {
  const given: unknown[] = Array.isArray(padding) ? padding : [padding];
  const numbers = given.map((each, i) =>
    checkInteger(who, Array.isArray(padding) ? `padding[${i}]` : 'padding', each, 0, longestSide),
  );
  const [first = 0, second = first] = numbers;
  if (numbers.length === 4) return numbers as unknown as Padding;
  if (numbers.length === 1 || numbers.length === 2) return [first, second, first, second];
  throw new ArgumentError(
    `${who} expects padding to be a number, [left and right, top and bottom] or ` +
      `[left, top, right, bottom], got ${show(padding)}`,
  );
}

/** @throws {ArgumentError} where it is no pair [from, to] of numbers, of at least `min`, in order. */
export function checkInterval(
  who: string,
  name: string,
  interval: unknown,
  min: number,
  max = Infinity,
): Interval {
  if (!Array.isArray(interval) || interval.length !== 2) {
    throw new ArgumentError(`${who} expects ${name} to be [from, to], got ${show(interval)}`);
  }
  const range = { min, max };
  const from = checkNumber(who, `${name}[0]`, interval[0], range);
  const to = checkNumber(who, `${name}[1]`, interval[1], range);
  if (from > to) {
    throw new ArgumentError(
      `${who} expects ${name} to be [from, to] in this order, got ${show(interval)}`,
    );
  }
  return [from, to];
}

/** @throws {ShapeError} where a crop is larger than the image, as far as its size is known. */
export function checkCrop(who: string, [, height, width]: PlannedShape, size: Size): void {
  if ((height === null || size[0] <= height) && (width === null || size[1] <= width)) return;
  throw new ShapeError(
    `${who}: expected images of at least ${size.join(' x ')} pixels (after padding), got ` +
      `${height ?? 'any'} x ${width ?? 'any'}`,
  );
}

/** A known shape as a planned one is; null where a size is open. */
export function knownShape([channels, height, width]: PlannedShape): ImageShape | null {
  return height === null || width === null ? null : [channels, height, width];
}

/** `(28, 28)`, as torchvision prints a pair. */
export function tuple(values: readonly number[]): string {
  return `(${values.join(', ')})`;
}

/** A fill or padding as it prints. */
export function textOf(value: number | string | readonly number[]): string {
  return typeof value === 'object' ? tuple(value) : String(value);
}

/** @throws {ArgumentError} where it is no pair of numbers. */
export function checkCenter(who: string, center: unknown): readonly [number, number] {
  if (!Array.isArray(center) || center.length !== 2) {
    throw new ArgumentError(`${who} expects center to be [x, y], got ${show(center)}`);
  }
  return [checkNumber(who, 'center[0]', center[0]), checkNumber(who, 'center[1]', center[1])];
}
