/** Normalisation in float64. Formulas: torch.nn.BatchNorm2d, torch.nn.LocalResponseNorm. */
import type { Attrs } from '../../../dist/graph/spec.js';
import { type Kernel, number, sizes, type Tensor64 } from './tensor.js';

/** Calls `each` with the places in x [N, C, H, W] of a channel's values, in the first `rows` rows. */
function overChannels(
  x: Tensor64,
  rows: number,
  each: (channel: number, places: number[]) => void,
): void {
  const [, channels, h, w] = sizes(x);
  for (let channel = 0; channel < channels; channel++) {
    const places: number[] = [];
    for (let row = 0; row < rows; row++) {
      const first = (row * channels + channel) * h * w;
      for (let pixel = 0; pixel < h * w; pixel++) places.push(first + pixel);
    }
    each(channel, places);
  }
}

const sumOf = (places: number[], value: (at: number) => number) =>
  places.reduce((sum, at) => sum + value(at), 0);

type Tensors = readonly (Tensor64 | undefined)[];

/** y of the first `rows` rows; zero in the others. */
function normalise(x: Tensor64, y: Tensor64, rows: number, eps: number, rest: Tensors): void {
  const [mean, variance, weight, bias] = rest;
  y.data.fill(0);
  overChannels(x, rows, (c, places) => {
    const scale = (weight?.data[c] ?? 1) / Math.sqrt(variance!.data[c]! + eps);
    for (const at of places) {
      y.data[at] = (x.data[at]! - mean!.data[c]!) * scale + (bias?.data[c] ?? 0);
    }
  });
}

const batchNorm: Kernel = ([x, count, ...affine], [y, mean, variance], attrs) => {
  const rows = count!.data[0]!;
  overChannels(x!, rows, (c, places) => {
    const average = sumOf(places, (at) => x!.data[at]!) / places.length;
    mean!.data[c] = average;
    variance!.data[c] = sumOf(places, (at) => (x!.data[at]! - average) ** 2) / places.length;
  });
  normalise(x!, y!, rows, number(attrs, 'eps'), [mean, variance, ...affine]);
};

/** Gradients; `rows` is undefined where the statistics do not depend on x. */
function gradients(
  [gy, x, mean, variance, weight]: Tensors,
  [gx, gw, gb]: Tensors,
  eps: number,
  rows?: number,
): void {
  gx!.data.fill(0);
  overChannels(x!, rows ?? x!.shape[0]!, (c, places) => {
    const inverse = 1 / Math.sqrt(variance!.data[c]! + eps);
    const normalised = (at: number) => (x!.data[at]! - mean!.data[c]!) * inverse;
    const sum = sumOf(places, (at) => gy!.data[at]!);
    const product = sumOf(places, (at) => gy!.data[at]! * normalised(at));
    if (gw && gb) {
      gw.data[c] = product;
      gb.data[c] = sum;
    }
    const slope = (weight?.data[c] ?? 1) * inverse;
    for (const at of places) {
      const share = rows === undefined ? 0 : (sum + normalised(at) * product) / places.length;
      gx!.data[at] = slope * (gy!.data[at]! - share);
    }
  });
}

const batchNormUpdate: Kernel = (inputs, _outputs, attrs) => {
  const [mean, variance, count, runningMean, runningVar, batches] = inputs;
  const values = count!.data[0]! * number(attrs, 'pixels');
  if (batches) batches.data[0]! += 1;
  const share = attrs.cumulative === true ? 1 / batches!.data[0]! : number(attrs, 'momentum');
  for (let c = 0; c < mean!.data.length; c++) {
    const unbiased = (variance!.data[c]! * values) / (values - 1);
    runningMean!.data[c] = (1 - share) * runningMean!.data[c]! + share * mean!.data[c]!;
    runningVar!.data[c] = (1 - share) * runningVar!.data[c]! + share * unbiased;
  }
};

/** k + alpha times the mean of squares around element `i`, and which elements those are. */
function surroundings(x: Tensor64, i: number, attrs: Attrs): { base: number; around: number[] } {
  const [channels, size] = [x.shape[1]!, number(attrs, 'size')];
  const pixels = x.shape.slice(2).reduce((product, length) => product * length, 1);
  const channel = Math.floor(i / pixels) % channels;
  const around: number[] = [];
  for (let offset = 0; offset < size; offset++) {
    const distance = offset - Math.floor(size / 2);
    const other = channel + distance;
    if (other >= 0 && other < channels) around.push(i + distance * pixels);
  }
  const squares = around.reduce((sum, at) => sum + x.data[at]! ** 2, 0);
  return { base: number(attrs, 'k') + (number(attrs, 'alpha') / size) * squares, around };
}

const localResponseNorm: Kernel = ([x], [y], attrs) => {
  for (let i = 0; i < y!.data.length; i++) {
    y!.data[i] = x!.data[i]! / surroundings(x!, i, attrs).base ** number(attrs, 'beta');
  }
};

const localResponseNormGrad: Kernel = ([gy, x], [gx], attrs) => {
  const [alpha, beta] = [number(attrs, 'alpha'), number(attrs, 'beta')];
  gx!.data.fill(0);
  for (let i = 0; i < gy!.data.length; i++) {
    const { base, around } = surroundings(x!, i, attrs);
    const upper = gy!.data[i]!;
    gx!.data[i]! += upper / base ** beta;
    const slope = (upper * x!.data[i]! * beta * 2 * alpha) / number(attrs, 'size');
    for (const at of around) gx!.data[at]! -= slope * base ** (-beta - 1) * x!.data[at]!;
  }
};

/** The places of each group of each row of x. */
function groupsOf({ shape, data }: Tensor64, groups: number): number[][] {
  const size = data.length / shape[0]! / groups;
  const place = (group: number) => Array.from({ length: size }, (_, k) => group * size + k);
  return Array.from({ length: shape[0]! * groups }, (_, group) => place(group));
}

/** The channel of each place of x. */
function channelOf({ shape }: Tensor64): (at: number) => number {
  const pixels = shape.slice(2).reduce((product, size) => product * size, 1);
  return (at) => Math.floor(at / pixels) % shape[1]!;
}

const groupNorm: Kernel = ([x, w, b], [y, mean, rstd], attrs) => {
  const channel = channelOf(x!);
  for (const [group, places] of groupsOf(x!, number(attrs, 'groups')).entries()) {
    const average = sumOf(places, (at) => x!.data[at]!) / places.length;
    const variance = sumOf(places, (at) => (x!.data[at]! - average) ** 2) / places.length;
    mean!.data[group] = average;
    rstd!.data[group] = 1 / Math.sqrt(variance + number(attrs, 'eps'));
    for (const at of places) {
      const scaled = (x!.data[at]! - average) * rstd!.data[group]! * (w?.data[channel(at)] ?? 1);
      y!.data[at] = scaled + (b?.data[channel(at)] ?? 0);
    }
  }
};

const groupNormGrad: Kernel = ([gy, x, mean, rstd, w], [gx, gw, gb], attrs) => {
  const channel = channelOf(x!);
  gw?.data.fill(0);
  gb?.data.fill(0);
  for (const [group, places] of groupsOf(x!, number(attrs, 'groups')).entries()) {
    const inverse = rstd!.data[group]!;
    const normalised = (at: number) => (x!.data[at]! - mean!.data[group]!) * inverse;
    const upper = (at: number) => gy!.data[at]! * (w?.data[channel(at)] ?? 1);
    const sum = sumOf(places, upper) / places.length;
    const product = sumOf(places, (at) => upper(at) * normalised(at)) / places.length;
    for (const at of places) {
      gx!.data[at] = inverse * (upper(at) - sum - normalised(at) * product);
      if (gw !== undefined) gw.data[channel(at)]! += gy!.data[at]! * normalised(at);
      if (gb !== undefined) gb.data[channel(at)]! += gy!.data[at]!;
    }
  }
};

export const normalisationKernels = {
  groupNorm,
  groupNormGrad,
  batchNorm,
  batchNormGrad: ([gy, x, mean, variance, count, weight], outputs, attrs) =>
    gradients([gy, x, mean, variance, weight], outputs, number(attrs, 'eps'), count!.data[0]!),
  batchNormInference: ([x, ...rest], [y], attrs) =>
    normalise(x!, y!, x!.shape[0]!, number(attrs, 'eps'), rest),
  batchNormInferenceGrad: (inputs, outputs, attrs) =>
    gradients(inputs, outputs, number(attrs, 'eps')),
  batchNormUpdate,
  localResponseNorm,
  localResponseNormGrad,
} satisfies Record<string, Kernel>;
