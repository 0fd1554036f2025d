/** Element-wise operations and optimizer steps in float64. Formulas: PyTorch's. */

import type { ActivationName } from '../../../dist/graph/ops/pointwise.js';
import type { Attrs } from '../../../dist/graph/spec.js';
import { repeatedAt } from './joining.js';
import { keptElements } from './philox.js';
import { type Kernel, number, pair, type Tensor64 } from './tensor.js';

function map(y: Tensor64, value: (at: number) => number): void {
  for (let at = 0; at < y.data.length; at++) y.data[at] = value(at);
}

const toFloat: Kernel = ([x], [y], attrs) => {
  const [, channels, h, w] = x!.shape as [number, number, number, number];
  const [mean, std] = [attrs.mean as number[], attrs.std as number[]];
  map(y!, (at) => {
    const channel = Math.floor(at / (h * w)) % channels;
    return (x!.data[at]! / 255 - mean[channel]!) / std[channel]!;
  });
};

const dropout: Kernel = ([x, step], [y], attrs) => {
  const p = number(attrs, 'p');
  const seed = pair(attrs, 'seed');
  const stream = number(attrs, 'stream');
  const kept = keptElements(x!.data.length, p, seed, step!.data[0]!, stream);
  map(y!, (at) => (kept[at] ? x!.data[at]! / (1 - p) : 0));
};

/** Softmax of row `row` of x [N, C]. */
export function softmaxRow(x: Tensor64, row: number): Float64Array {
  const classes = x.shape[1]!;
  const logits = x.data.slice(row * classes, (row + 1) * classes);
  const largest = logits.reduce((a, b) => Math.max(a, b));
  const powers = logits.map((logit) => Math.exp(logit - largest));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / sum);
}

/** The places of each row along the axis `dim`. */
function rowsAlong({ shape, data }: Tensor64, dim: number): number[][] {
  const size = shape[dim]!;
  const step = shape.slice(dim + 1).reduce((product, each) => product * each, 1);
  const firsts = [...data.keys()].filter((at) => Math.floor(at / step) % size === 0);
  return firsts.map((first) => Array.from({ length: size }, (_, k) => first + k * step));
}

function softmax(isLog: boolean): Kernel {
  return ([x], [y], attrs) => {
    for (const row of rowsAlong(x!, number(attrs, 'dim'))) {
      const largest = Math.max(...row.map((at) => x!.data[at]!));
      const sum = row.reduce((total, at) => total + Math.exp(x!.data[at]! - largest), 0);
      for (const at of row) {
        const log = x!.data[at]! - largest - Math.log(sum);
        y!.data[at] = isLog ? log : Math.exp(log);
      }
    }
  };
}

function softmaxGrad(isLog: boolean): Kernel {
  return ([gy, y], [gx], attrs) => {
    for (const row of rowsAlong(y!, number(attrs, 'dim'))) {
      const term = (at: number) => gy!.data[at]! * (isLog ? 1 : y!.data[at]!);
      const sum = row.reduce((total, at) => total + term(at), 0);
      for (const at of row) {
        const [g, value] = [gy!.data[at]!, y!.data[at]!];
        gx!.data[at] = isLog ? g - Math.exp(value) * sum : value * (g - sum);
      }
    }
  };
}

/** The gradient with weight decay added, as Adam and SGD use it. */
function decayed(p: Tensor64, g: Tensor64, attrs: Attrs): Float64Array {
  const decay = number(attrs, 'weightDecay');
  return g.data.map((value, at) => value + decay * p.data[at]!);
}

const adamStep: Kernel = ([p, g, m, v, step, rate], _outputs, attrs) => {
  const [beta1, beta2] = [number(attrs, 'beta1'), number(attrs, 'beta2')];
  const [t, lr] = [step!.data[0]!, rate!.data[0]!];
  const decoupled = attrs.decoupled === true;
  if (decoupled) map(p!, (at) => p!.data[at]! * (1 - lr * number(attrs, 'weightDecay')));
  const gradient = decoupled ? g!.data : decayed(p!, g!, attrs);
  map(m!, (at) => beta1 * m!.data[at]! + (1 - beta1) * gradient[at]!);
  map(v!, (at) => beta2 * v!.data[at]! + (1 - beta2) * gradient[at]! ** 2);
  map(p!, (at) => {
    const mean = m!.data[at]! / (1 - beta1 ** t);
    const square = v!.data[at]! / (1 - beta2 ** t);
    return p!.data[at]! - (lr * mean) / (Math.sqrt(square) + number(attrs, 'eps'));
  });
};

const sgdStep: Kernel = ([p, g, ...others], _outputs, attrs) => {
  const [buffer, step, rate] = others.length === 3 ? others : [undefined, ...others];
  const momentum = number(attrs, 'momentum');
  const gradient = decayed(p!, g!, attrs);
  if (buffer !== undefined) {
    const kept = 1 - number(attrs, 'dampening');
    map(buffer, (at) =>
      step!.data[0] === 1 ? gradient[at]! : momentum * buffer.data[at]! + kept * gradient[at]!,
    );
    for (let at = 0; at < gradient.length; at++) {
      const moved = buffer.data[at]!;
      gradient[at] = attrs.nesterov === true ? gradient[at]! + momentum * moved : moved;
    }
  }
  map(p!, (at) => p!.data[at]! - rate!.data[0]! * gradient[at]!);
};

const rmspropStep: Kernel = ([p, g, square, ...others], _outputs, attrs) => {
  const [momentum, alpha] = [number(attrs, 'momentum'), number(attrs, 'alpha')];
  const [buffer, mean] = momentum === 0 ? [undefined, others[0]] : others;
  const [, rate] = others.slice(-2);
  const gradient = decayed(p!, g!, attrs);
  map(square!, (at) => alpha * square!.data[at]! + (1 - alpha) * gradient[at]! ** 2);
  const centered = attrs.centered === true ? mean! : undefined;
  if (centered !== undefined) {
    map(centered, (at) => alpha * centered.data[at]! + (1 - alpha) * gradient[at]!);
  }
  const along = gradient.map((value, at) => {
    const variance = square!.data[at]! - (centered?.data[at] ?? 0) ** 2;
    return value / (Math.sqrt(variance) + number(attrs, 'eps'));
  });
  if (buffer !== undefined) map(buffer, (at) => momentum * buffer.data[at]! + along[at]!);
  map(p!, (at) => p!.data[at]! - rate!.data[0]! * (buffer?.data ?? along)[at]!);
};

/** Of operands whose axes of 1 are repeated. */
function combined(value: (a: number, b: number) => number): Kernel {
  return ([a, b], [y]) =>
    map(y!, (at) => value(repeatedAt(a!, y!.shape, at), repeatedAt(b!, y!.shape, at)));
}

/** An error function by its series, which is exact for the small arguments of the tests. */
function erf(x: number): number {
  let [term, sum] = [x, x];
  for (let n = 1; Math.abs(term) > 1e-18 && n < 400; n++) {
    term *= -(x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

const gaussian = (x: number) => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
const normal = (x: number) => (1 + erf(x / Math.SQRT2)) / 2;
const logistic = (x: number) => 1 / (1 + Math.exp(-x));
const inner = (x: number) => Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3);
const innerSlope = (x: number) => Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * x * x);

/** Value of each activation, and its slope from what its gradient reads: input or output. */
const formulas: {
  readonly [Name in ActivationName]: readonly [
    value: (x: number, parameter: number) => number,
    slope: (known: number, parameter: number) => number,
  ];
} = {
  relu: [(x) => Math.max(x, 0), (y) => (y > 0 ? 1 : 0)],
  relu6: [(x) => Math.min(Math.max(x, 0), 6), (y) => (y > 0 && y < 6 ? 1 : 0)],
  leakyRelu: [(x, slope) => (x > 0 ? x : slope * x), (x, slope) => (x > 0 ? 1 : slope)],
  elu: [
    (x, alpha) => (x > 0 ? x : alpha * Math.expm1(x)),
    (x, alpha) => (x > 0 ? 1 : alpha * Math.exp(x)),
  ],
  sigmoid: [logistic, (y) => y * (1 - y)],
  tanh: [Math.tanh, (y) => 1 - y * y],
  silu: [(x) => x * logistic(x), (x) => logistic(x) * (1 + x * (1 - logistic(x)))],
  gelu: [(x) => x * normal(x), (x) => normal(x) + x * gaussian(x)],
  geluTanh: [
    (x) => 0.5 * x * (1 + Math.tanh(inner(x))),
    (x) => {
      const t = Math.tanh(inner(x));
      return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * innerSlope(x);
    },
  ],
  softplus: [
    (x, beta) => (beta * x > 20 ? x : Math.log1p(Math.exp(beta * x)) / beta),
    (x, beta) => (beta * x > 20 ? 1 : logistic(beta * x)),
  ],
  hardsigmoid: [(x) => Math.min(Math.max(x + 3, 0), 6) / 6, (x) => (x > -3 && x < 3 ? 1 / 6 : 0)],
  hardswish: [
    (x) => (x * Math.min(Math.max(x + 3, 0), 6)) / 6,
    (x) => (x <= -3 ? 0 : x < 3 ? x / 3 + 0.5 : 1),
  ],
  exp: [Math.exp, (y) => y],
  log: [Math.log, (x) => 1 / x],
  sqrt: [Math.sqrt, (y) => 0.5 / y],
  rsqrt: [(x) => 1 / Math.sqrt(x), (y) => -0.5 * y ** 3],
  square: [(x) => x * x, (x) => 2 * x],
  abs: [Math.abs, Math.sign],
  neg: [(x) => -x, () => -1],
};

type ActivationKernels = Record<ActivationName | `${ActivationName}Grad`, Kernel>;

/** Both kernels of each. */
const activationKernels = Object.fromEntries(
  Object.entries(formulas).flatMap(([name, [value, slope]]) => {
    const parameter = (attrs: Attrs) => Number(Object.values(attrs)[0] ?? 0);
    const forward: Kernel = ([x], [y], attrs) =>
      map(y!, (at) => value(x!.data[at]!, parameter(attrs)));
    const backward: Kernel = ([gy, known], [gx], attrs) =>
      map(gx!, (at) => gy!.data[at]! * slope(known!.data[at]!, parameter(attrs)));
    return [
      [name, forward],
      [`${name}Grad`, backward],
    ];
  }),
) as ActivationKernels;

export const pointwiseKernels = {
  toFloat,
  ...activationKernels,
  dropout,
  dropoutGrad: dropout,
  reshape: ([x], [y]) => y!.data.set(x!.data),
  add: combined((a, b) => a + b),
  sub: combined((a, b) => a - b),
  mul: combined((a, b) => a * b),
  div: combined((a, b) => a / b),
  softmax: softmax(false),
  softmaxGrad: softmaxGrad(false),
  logSoftmax: softmax(true),
  logSoftmaxGrad: softmaxGrad(true),
  adamStep,
  rmspropStep,
  sgdStep,
} satisfies Record<string, Kernel>;
