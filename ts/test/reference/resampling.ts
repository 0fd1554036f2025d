/** Resampling in float64. Formula: torch.nn.functional.interpolate. */
import type { Attrs } from '../../../dist/graph/spec.js';
import { type Kernel, sizes, type Tensor64 } from './tensor.js';

/** The cells of one axis that place `i` takes, with their weights. */
function tapsOf(i: number, cells: number, places: number, scale: number, attrs: Attrs) {
  const step = scale > 0 && cells !== places ? 1 / scale : cells / places;
  if (attrs.bilinear !== true) return [[Math.min(Math.floor(i * step), cells - 1), 1]] as const;
  const aligned = places > 1 ? (i * (cells - 1)) / (places - 1) : 0;
  const place = attrs.alignCorners === true ? aligned : Math.max((i + 0.5) * step - 0.5, 0);
  const first = Math.min(Math.floor(place), cells - 1);
  const rest = Math.min(place - first, 1);
  return [
    [first, 1 - rest],
    [Math.min(first + 1, cells - 1), rest],
  ] as const;
}

/** Calls `each` for every cell of x that an element of y takes. */
function overTaps(
  x: Tensor64,
  y: Tensor64,
  attrs: Attrs,
  each: (xAt: number, yAt: number, weight: number) => void,
): void {
  const [, , h, w] = sizes(x);
  const [, , oh, ow] = sizes(y);
  const [down, right] = attrs.scales as [number, number];
  for (let yAt = 0; yAt < y.data.length; yAt++) {
    const plane = Math.floor(yAt / (oh * ow));
    for (const [row, rowWeight] of tapsOf(Math.floor(yAt / ow) % oh, h, oh, down, attrs)) {
      for (const [column, weight] of tapsOf(yAt % ow, w, ow, right, attrs)) {
        each((plane * h + row) * w + column, yAt, rowWeight * weight);
      }
    }
  }
}

const interpolate: Kernel = ([x], [y], attrs) => {
  y!.data.fill(0);
  overTaps(x!, y!, attrs, (xAt, yAt, weight) => {
    y!.data[yAt]! += weight * x!.data[xAt]!;
  });
};

const interpolateGrad: Kernel = ([gy], [gx], attrs) => {
  gx!.data.fill(0);
  overTaps(gx!, gy!, attrs, (xAt, yAt, weight) => {
    gx!.data[xAt]! += weight * gy!.data[yAt]!;
  });
};

export const resamplingKernels = { interpolate, interpolateGrad } satisfies Record<string, Kernel>;
