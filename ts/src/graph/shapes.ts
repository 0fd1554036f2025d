/**
 * Owns the arithmetic of shapes: sizes, reshapes, and the output sizes of windowed operations.
 * Formulas are PyTorch's (torch.nn.Conv2d, torch.nn.MaxPool2d).
 */

import { show } from '../arguments.js';
import { ArgumentError, OutOfMemoryError, ShapeError } from '../errors.js';
import { cut } from '../text.js';

/** Sizes of a tensor, outermost first; a scalar has none. */
export type Shape = readonly number[];

/** Largest size of a tensor along one axis; native code knows it too. */
export const largestSize = 2 ** 31 - 1;

/** Largest size, step, padding or distance of a window along one axis; native code knows it too. */
export const largestWindow = 2 ** 20;

/** Most elements of a tensor: more than any memory holds; native code knows it too. */
const mostElements = 2 ** 40;

/**
 * Checks that the sizes of a tensor can be computed with.
 *
 * @param what What has the shape, for messages.
 * @throws ShapeError, OutOfMemoryError
 */
export function checkSizes(what: string, shape: Shape): void {
  if (shape.some((size) => size > largestSize)) {
    throw new ShapeError(
      `${what} expects sizes of at most ${largestSize}, got ${formatShape(shape)}`,
    );
  }
  if (elementCount(shape) > mostElements) {
    throw new OutOfMemoryError(
      `${what} of shape ${formatShape(shape)} is larger than any memory; use a smaller batch or image`,
    );
  }
}

/** `[128, 1, 224, 224]` */
export function formatShape(shape: Shape): string {
  return cut(`[${shape.join(', ')}]`);
}

/** Number of elements. */
export function elementCount(shape: Shape): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Whether two shapes are equal. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((size, axis) => size === b[axis]);
}

/** Checks the type of a shape that a caller wrote: positive integers. */
export function checkShape(who: string, name: string, value: unknown): Shape {
  const ok = Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 1);
  if (!ok) {
    throw new ArgumentError(
      `${who} expects ${name} to be an array of positive integers, got ${show(value)}`,
    );
  }
  return value;
}

/** Checks the number of axes; `axes` names them for the message, such as `[N, C, H, W]`. */
export function checkRank(who: string, name: string, shape: Shape, axes: readonly string[]): void {
  if (shape.length !== axes.length) {
    throw new ShapeError(
      `${who} expects ${name} of shape [${axes.join(', ')}], got ${formatShape(shape)}`,
    );
  }
}

/** Element `index`, which the caller has checked to exist. */
export function at(list: readonly number[], index: number): number {
  const value = list[index];
  if (value === undefined) throw new ShapeError(`no element ${index} in ${formatShape(list)}`);
  return value;
}

/** Output size of a convolution along one axis. */
export function convOutputSize(
  size: number,
  kernel: number,
  stride: number,
  padding: number,
  dilation: number,
): number {
  return Math.floor((size + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1;
}

/**
 * Output size of a pooling window along one axis. With `ceilMode` a window may begin inside the
 * input or its left padding and end beyond it, but never begin in the right padding.
 */
export function poolOutputSize(
  size: number,
  kernel: number,
  stride: number,
  padding: number,
  dilation: number,
  ceilMode: boolean,
): number {
  const span = size + 2 * padding - dilation * (kernel - 1) - 1;
  const output = Math.floor((span + (ceilMode ? stride - 1 : 0)) / stride) + 1;
  if (!ceilMode) return output;
  return (output - 1) * stride >= size + padding ? output - 1 : output;
}

/** The shape that `reshape(sizes)` gives; one size may be -1 and is then worked out. */
export function resolveReshape(who: string, from: Shape, sizes: readonly number[]): Shape {
  const unknown = sizes.indexOf(-1);
  for (const [axis, size] of sizes.entries()) {
    if (!Number.isSafeInteger(size) || (size < 1 && axis !== unknown)) {
      throw new ArgumentError(
        `${who} expects positive sizes and at most one -1, got ${show([...sizes])}`,
      );
    }
  }
  const total = elementCount(from);
  const known = sizes.reduce((product, size) => (size === -1 ? product : product * size), 1);
  const fits = unknown < 0 ? known === total : total % known === 0;
  if (!fits) {
    throw new ShapeError(
      `${who} cannot turn ${formatShape(from)} (${total} elements) into ${formatShape(sizes)}`,
    );
  }
  return sizes.map((size) => (size === -1 ? total / known : size));
}

/**
 * An axis of a shape; negative ones count from the end.
 *
 * @throws ShapeError where there is no such axis.
 */
export function checkAxis(who: string, name: string, shape: Shape, axis: unknown): number {
  const { length } = shape;
  if (typeof axis !== 'number' || !Number.isSafeInteger(axis) || axis < -length || axis >= length) {
    throw new ShapeError(
      `${who} expects ${name} to be an axis of ${formatShape(shape)}, got ${show(axis)}`,
    );
  }
  return axis < 0 ? axis + length : axis;
}

/**
 * Several axes of a shape, or all of them where none are named.
 *
 * @throws ShapeError where there is no such axis, or one is named twice.
 */
export function checkAxes(who: string, name: string, shape: Shape, axes: unknown): number[] {
  if (axes === undefined || axes === null) return [...shape.keys()];
  const list = (Array.isArray(axes) ? axes : [axes]) as unknown[];
  const found = list.map((axis) => checkAxis(who, name, shape, axis));
  if (new Set(found).size !== found.length) {
    throw new ShapeError(
      `${who} expects ${name} to name each axis once, got ${show(list)} of ${formatShape(shape)}`,
    );
  }
  return found.length === 0 ? [...shape.keys()] : found;
}

/** The shape with axes of 1 in front, so that it has `rank` axes. */
export function raised(shape: Shape, rank: number): Shape {
  return [...new Array<number>(Math.max(rank - shape.length, 0)).fill(1), ...shape];
}

/**
 * The shape of what is worked out element by element from tensors of these shapes, of which axes of
 * 1, and axes that are missing in front, are repeated along the other's.
 *
 * @throws ShapeError where sizes differ and none is 1.
 */
export function broadcastShape(who: string, a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  const [left, right] = [raised(a, rank), raised(b, rank)];
  return left.map((size, axis) => {
    const other = at(right, axis);
    if (size !== other && size !== 1 && other !== 1) {
      throw new ShapeError(
        `${who} expects shapes whose axes, from the last to the first, are equal or 1, ` +
          `got ${formatShape(a)} and ${formatShape(b)}`,
      );
    }
    return Math.max(size, other);
  });
}

/** The shape that `flatten(startDim, endDim)` gives; negative axes count from the end. */
export function flattenShape(who: string, from: Shape, startDim: number, endDim: number): Shape {
  const start = checkAxis(who, 'startDim', from, startDim);
  const end = checkAxis(who, 'endDim', from, endDim);
  if (start > end) {
    throw new ShapeError(`${who} expects startDim not to come after endDim: ${start} > ${end}`);
  }
  return [
    ...from.slice(0, start),
    elementCount(from.slice(start, end + 1)),
    ...from.slice(end + 1),
  ];
}
