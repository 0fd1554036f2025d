/** Pooling in plain float64 loops. Formulas: torch.nn.MaxPool2d, AvgPool2d, AdaptiveAvgPool2d. */
import type { Attrs } from '../../../dist/graph/spec.js';
import { type Kernel, pair, sizes, type Tensor64 } from './tensor.js';

interface Cell {
  /** Flat index into x. */
  readonly at: number;
  /** Number of the cell in its window, padding counted. */
  readonly place: number;
}

/** The cells inside the image of the window of one output element. */
function windowCells(x: Tensor64, y: Tensor64, yAt: number, attrs: Attrs): Cell[] {
  const [, , h, w] = sizes(x);
  const [, , oh, ow] = sizes(y);
  const [kh, kw] = pair(attrs, 'kernelSize');
  const [sh, sw] = pair(attrs, 'stride');
  const [ph, pw] = pair(attrs, 'padding');
  const [dh, dw] = attrs.dilation === undefined ? [1, 1] : pair(attrs, 'dilation');
  const plane = Math.floor(yAt / (oh * ow));
  const top = (Math.floor(yAt / ow) % oh) * sh - ph;
  const left = (yAt % ow) * sw - pw;
  const cells: Cell[] = [];
  for (let place = 0; place < kh * kw; place++) {
    const row = top + Math.floor(place / kw) * dh;
    const column = left + (place % kw) * dw;
    if (row < 0 || row >= h || column < 0 || column >= w) continue;
    cells.push({ at: (plane * h + row) * w + column, place });
  }
  return cells;
}

/** Number of cells that an average divides by. */
function divisor(x: Tensor64, y: Tensor64, yAt: number, attrs: Attrs, inside: number): number {
  if (attrs.countIncludePad !== true) return inside;
  const axes = [0, 1].map((axis) => {
    const size = x.shape[2 + axis]!;
    const place = axis === 0 ? Math.floor(yAt / y.shape[3]!) % y.shape[2]! : yAt % y.shape[3]!;
    const padding = pair(attrs, 'padding')[axis]!;
    const start = place * pair(attrs, 'stride')[axis]! - padding;
    // A last, partial window of ceil mode counts no cells behind the padding.
    return Math.min(start + pair(attrs, 'kernelSize')[axis]!, size + padding) - start;
  });
  return axes[0]! * axes[1]!;
}

const maxPool2d: Kernel = ([x], [y, indices], attrs) => {
  for (let yAt = 0; yAt < y!.data.length; yAt++) {
    // The first of equal cells wins.
    const best = windowCells(x!, y!, yAt, attrs).reduce((a, b) =>
      x!.data[b.at]! > x!.data[a.at]! ? b : a,
    );
    y!.data[yAt] = x!.data[best.at]!;
    if (indices !== undefined) indices.data[yAt] = best.place;
  }
};

const maxPool2dGrad: Kernel = ([gy, indices], [gx], attrs) => {
  gx!.data.fill(0);
  for (let yAt = 0; yAt < gy!.data.length; yAt++) {
    const place = indices!.data[yAt];
    const cell = windowCells(gx!, gy!, yAt, attrs).find((candidate) => candidate.place === place);
    gx!.data[cell!.at]! += gy!.data[yAt]!;
  }
};

const avgPool2d: Kernel = ([x], [y], attrs) => {
  for (let yAt = 0; yAt < y!.data.length; yAt++) {
    const cells = windowCells(x!, y!, yAt, attrs);
    const sum = cells.reduce((total, { at }) => total + x!.data[at]!, 0);
    y!.data[yAt] = sum / divisor(x!, y!, yAt, attrs, cells.length);
  }
};

const avgPool2dGrad: Kernel = ([gy], [gx], attrs) => {
  gx!.data.fill(0);
  for (let yAt = 0; yAt < gy!.data.length; yAt++) {
    const cells = windowCells(gx!, gy!, yAt, attrs);
    const share = gy!.data[yAt]! / divisor(gx!, gy!, yAt, attrs, cells.length);
    for (const { at } of cells) gx!.data[at]! += share;
  }
};

/** The flat indices into x of the cells that make one element of y. */
function adaptiveCells(x: Tensor64, y: Tensor64, yAt: number): number[] {
  const [, , h, w] = sizes(x);
  const [, , oh, ow] = sizes(y);
  const plane = Math.floor(yAt / (oh * ow));
  const range = (place: number, size: number, out: number): [number, number] => [
    Math.floor((place * size) / out),
    Math.ceil(((place + 1) * size) / out),
  ];
  const [top, bottom] = range(Math.floor(yAt / ow) % oh, h, oh);
  const [left, right] = range(yAt % ow, w, ow);
  const cells: number[] = [];
  for (let row = top; row < bottom; row++) {
    for (let column = left; column < right; column++) cells.push((plane * h + row) * w + column);
  }
  return cells;
}

const adaptiveAvgPool2d: Kernel = ([x], [y]) => {
  for (let yAt = 0; yAt < y!.data.length; yAt++) {
    const cells = adaptiveCells(x!, y!, yAt);
    y!.data[yAt] = cells.reduce((total, at) => total + x!.data[at]!, 0) / cells.length;
  }
};

const adaptiveAvgPool2dGrad: Kernel = ([gy], [gx]) => {
  gx!.data.fill(0);
  for (let yAt = 0; yAt < gy!.data.length; yAt++) {
    const cells = adaptiveCells(gx!, gy!, yAt);
    for (const at of cells) gx!.data[at]! += gy!.data[yAt]! / cells.length;
  }
};

export const poolingKernels = {
  maxPool2d,
  maxPool2dGrad,
  avgPool2d,
  avgPool2dGrad,
  adaptiveAvgPool2d,
  adaptiveAvgPool2dGrad,
} satisfies Record<string, Kernel>;
