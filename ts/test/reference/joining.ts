/** What moves elements, and sums over axes, in float64. Formulas: PyTorch's. */
import { type Kernel, number, type Tensor64 } from './tensor.js';

type Shape = readonly number[];

/** The place on each axis of element `at` of a shape. */
function placeOf(shape: Shape, at: number): number[] {
  let rest = at;
  return [...shape]
    .reverse()
    .map((size) => {
      const index = rest % size;
      rest = Math.floor(rest / size);
      return index;
    })
    .reverse();
}

function indexOf(shape: Shape, place: readonly number[]): number {
  return shape.reduce((index, size, axis) => index * size + place[axis]!, 0);
}

/** The element of a tensor whose axes of 1 are repeated. */
export function repeatedAt({ data, shape }: Tensor64, whole: Shape, at: number): number {
  const place = placeOf(whole, at).map((index, axis) => (shape[axis] === 1 ? 0 : index));
  return data[indexOf(shape, place)]!;
}

/** Calls fn with the place of each element. */
function forPlaces({ data, shape }: Tensor64, fn: (place: number[], at: number) => void): void {
  for (let at = 0; at < data.length; at++) fn(placeOf(shape, at), at);
}

/** Where padding takes its element from; undefined outside of x. */
function sourceOf(mode: number, index: number, size: number): number | undefined {
  if (index >= 0 && index < size) return index;
  if (mode === 1) return index < 0 ? -index : 2 * (size - 1) - index;
  if (mode === 2) return index < 0 ? 0 : size - 1;
  return mode === 3 ? (index + size) % size : undefined;
}

/** For each element of the padded tensor, the element of x that it is, if any. */
function forPadded(
  x: Tensor64,
  y: Tensor64,
  attrs: Parameters<Kernel>[2],
  fn: (at: number, from: number | undefined) => void,
): void {
  const [before, mode] = [attrs.before as number[], number(attrs, 'mode')];
  forPlaces(y, (place, at) => {
    const from = place.map((index, axis) => sourceOf(mode, index - before[axis]!, x.shape[axis]!));
    fn(at, from.includes(undefined) ? undefined : indexOf(x.shape, from as number[]));
  });
}

export const joiningKernels = {
  fill: (_inputs, [y], attrs) => void y!.data.fill(number(attrs, 'value')),
  expand: ([x], [y]) => {
    for (let at = 0; at < y!.data.length; at++) y!.data[at] = repeatedAt(x!, y!.shape, at);
  },
  concat: (inputs, [y], attrs) => {
    const axis = number(attrs, 'axis');
    let start = 0;
    for (const x of inputs) {
      forPlaces(x, (place, at) => {
        place[axis]! += start;
        y!.data[indexOf(y!.shape, place)] = x.data[at]!;
      });
      start += x.shape[axis]!;
    }
  },
  slice: ([x], [y], attrs) => {
    const starts = attrs.starts as number[];
    forPlaces(y!, (place, at) => {
      y!.data[at] =
        x!.data[
          indexOf(
            x!.shape,
            place.map((index, axis) => index + starts[axis]!),
          )
        ]!;
    });
  },
  pad: ([x], [y], attrs) => {
    forPadded(x!, y!, attrs, (at, from) => {
      y!.data[at] = from === undefined ? number(attrs, 'value') : x!.data[from]!;
    });
  },
  padGrad: ([gy], [gx], attrs) => {
    gx!.data.fill(0);
    forPadded(gx!, gy!, attrs, (at, from) => {
      gx!.data[from!]! += gy!.data[at]!;
    });
  },
  sum: ([x], [y], attrs) => {
    y!.data.fill(0);
    const divisor = attrs.mean === true ? x!.data.length / y!.data.length : 1;
    forPlaces(x!, (place, at) => {
      const to = place.map((index, axis) => (y!.shape[axis] === 1 ? 0 : index));
      y!.data[indexOf(y!.shape, to)]! += x!.data[at]! / divisor;
    });
  },
} satisfies Record<string, Kernel>;
