/** Convolution and matrix products in plain float64 loops. Formulas: torch.nn.Conv2d, Linear. */
import type { Attrs } from '../../../dist/graph/spec.js';
import { type Kernel, number, pair, sizes, type Tensor64 } from './tensor.js';

/** Calls `visit` with the flat indices of every product x * w that is part of an element of y. */
function eachTap(
  x: Tensor64,
  w: Tensor64,
  y: Tensor64,
  attrs: Attrs,
  visit: (xAt: number, wAt: number, yAt: number) => void,
): void {
  const [n, c, h, width] = sizes(x);
  const [filters, perGroup, kh, kw] = sizes(w);
  const [, , oh, ow] = sizes(y);
  const [sh, sw] = pair(attrs, 'stride');
  const [ph, pw] = pair(attrs, 'padding');
  const [dh, dw] = pair(attrs, 'dilation');
  const filtersPerGroup = filters / number(attrs, 'groups');
  for (let yAt = 0; yAt < n * filters * oh * ow; yAt++) {
    const column = yAt % ow;
    const row = Math.floor(yAt / ow) % oh;
    const filter = Math.floor(yAt / (ow * oh)) % filters;
    const image = Math.floor(yAt / (ow * oh * filters));
    const firstChannel = Math.floor(filter / filtersPerGroup) * perGroup;
    for (let tap = 0; tap < perGroup * kh * kw; tap++) {
      const i = Math.floor(tap / kw) % kh;
      const j = tap % kw;
      const channel = firstChannel + Math.floor(tap / (kw * kh));
      const xRow = row * sh - ph + i * dh;
      const xColumn = column * sw - pw + j * dw;
      if (xRow < 0 || xRow >= h || xColumn < 0 || xColumn >= width) continue;
      const xAt = ((image * c + channel) * h + xRow) * width + xColumn;
      visit(xAt, filter * perGroup * kh * kw + tap, yAt);
    }
  }
}

const conv2d: Kernel = ([x, w, b], [y], attrs) => {
  const [, filters, oh, ow] = sizes(y!);
  for (let at = 0; at < y!.data.length; at++) {
    y!.data[at] = b === undefined ? 0 : b.data[Math.floor(at / (oh * ow)) % filters]!;
  }
  eachTap(x!, w!, y!, attrs, (xAt, wAt, yAt) => {
    y!.data[yAt]! += x!.data[xAt]! * w!.data[wAt]!;
  });
};

const conv2dInputGrad: Kernel = ([gy, w], [gx], attrs) => {
  gx!.data.fill(0);
  eachTap(gx!, w!, gy!, attrs, (xAt, wAt, yAt) => {
    gx!.data[xAt]! += gy!.data[yAt]! * w!.data[wAt]!;
  });
};

const conv2dWeightGrad: Kernel = ([x, gy], [gw, gb], attrs) => {
  gw!.data.fill(0);
  eachTap(x!, gw!, gy!, attrs, (xAt, wAt, yAt) => {
    gw!.data[wAt]! += x!.data[xAt]! * gy!.data[yAt]!;
  });
  if (gb === undefined) return;
  const [, filters, oh, ow] = sizes(gy!);
  gb.data.fill(0);
  for (const [at, value] of gy!.data.entries()) {
    gb.data[Math.floor(at / (oh * ow)) % filters]! += value;
  }
};

/** y [m, n] = alpha a b, where an operand that is `transposed` is stored the other way round. */
function product(
  y: Tensor64,
  a: Tensor64,
  aTransposed: boolean,
  b: Tensor64,
  bTransposed: boolean,
  alpha = 1,
): void {
  const [m, n] = y.shape as [number, number];
  const inner = a.shape[aTransposed ? 0 : 1]!;
  for (let row = 0; row < m; row++) {
    for (let column = 0; column < n; column++) {
      let sum = 0;
      for (let k = 0; k < inner; k++) {
        const left = a.data[aTransposed ? k * m + row : row * inner + k]!;
        sum += left * b.data[bTransposed ? column * inner + k : k * n + column]!;
      }
      y.data[row * n + column] = alpha * sum;
    }
  }
}

const linear: Kernel = ([x, w, b], [y]) => {
  product(y!, x!, false, w!, true);
  if (b === undefined) return;
  for (let at = 0; at < y!.data.length; at++) y!.data[at]! += b.data[at % b.data.length]!;
};

const linearWeightGrad: Kernel = ([x, gy], [gw, gb]) => {
  product(gw!, gy!, true, x!, false);
  if (gb === undefined) return;
  gb.data.fill(0);
  for (const [at, value] of gy!.data.entries()) gb.data[at % gb.data.length]! += value;
};

export const convolutionKernels = {
  conv2d,
  conv2dInputGrad,
  conv2dWeightGrad,
  linear,
  linearInputGrad: ([gy, w], [gx]) => product(gx!, gy!, false, w!, false),
  linearWeightGrad,
  gemm: ([a, b], [y], { transposeA, transposeB, alpha }) =>
    product(y!, a!, transposeA === true, b!, transposeB === true, alpha as number),
} satisfies Record<string, Kernel>;
