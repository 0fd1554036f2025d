/**
 * Every gradient operation against central differences of its forward operation, on the rows of
 * op-cases.json. Needs no reference but the operations themselves.
 *
 * For L = sum(gy * y) and a direction d of +1 and -1, (L(x + e d) - L(x - e d)) / 2e must be the
 * sum of gx * d. Operations that are linear in the input allow e = 1, where nothing is truncated.
 * ReLU and max-pooling are linear between kinks: they get inputs that are distinct multiples of
 * 1/1024 and a step too small to change their order. The difference is measured against the root of
 * the sum of (gx * d)^2, the size that the sum would have if its terms were independent.
 */
import { describe, expect, it } from 'vitest';
import { floats, hashAt, type OpCase, opCases } from './op-cases.js';
import {
  floatInputs,
  forward,
  gradients,
  type Inputs,
  isLoss,
  lossInput,
  lossOf,
} from './op-runner.js';
import type { HostArray } from './references.js';

const LIMIT = 2e-3;
const MAX_ELEMENTS = 20_000;

/** Activations that are linear, or nearly so, between kinks. */
const kinked = ['relu', 'relu6', 'leakyRelu', 'elu', 'hardsigmoid', 'hardswish', 'abs'];
const smooth = ['sigmoid', 'tanh', 'silu', 'gelu', 'geluTanh', 'softplus', 'exp'];

/** Step e of the differences, by operation. */
const steps: Record<string, number> = {
  conv2d: 1,
  linear: 1,
  avgPool2d: 1,
  adaptiveAvgPool2d: 1,
  maxPool2d: 1 / 4096,
  pad: 1,
  ...Object.fromEntries(kinked.map((op) => [op, 1 / 4096])),
  ...Object.fromEntries(smooth.map((op) => [op, 1 / 32])),
  log: 1 / 1024,
  sqrt: 1 / 1024,
  rsqrt: 1 / 1024,
  square: 1,
  neg: 1,
  batchNorm: 1 / 64,
  batchNormInference: 1,
  localResponseNorm: 1 / 64,
  groupNorm: 1 / 64,
  interpolate: 1,
  softmax: 1 / 64,
  logSoftmax: 1 / 64,
};

const lossSteps: Record<string, number> = { l1Loss: 1 / 2048, smoothL1Loss: 1 / 2048 };

/** Inputs that have no gradient. */
const constants: Record<string, readonly string[]> = { batchNormInference: ['mean', 'var'] };

function inputsOf(opCase: OpCase): Inputs {
  const inputs = floatInputs(opCase);
  const hasKinks = opCase.op === 'maxPool2d' || kinked.includes(opCase.op);
  return hasKinks ? { ...inputs, x: distinct(inputs.x!) } : inputs;
}

/** Values in the same order, ties broken by place, at odd multiples of 1/2048 around zero. */
function distinct(values: Float32Array): Float32Array {
  const order = [...values.keys()].sort((a, b) => values[a]! - values[b]! || a - b);
  const out = new Float32Array(values.length);
  const middle = values.length - (values.length % 2 === 0 ? 1 : 0); // odd: no value is zero
  for (const [rank, index] of order.entries()) out[index] = (2 * rank - middle) / 2048;
  return out;
}

function direction(opCase: OpCase, name: string, size: number): Float32Array {
  return Float32Array.from({ length: size }, (_, i) =>
    hashAt(`${opCase.id}/direction.${name}`, i) < 2 ** 31 ? 1 : -1,
  );
}

function moved(values: Float32Array, along: Float32Array, by: number): Float32Array {
  return values.map((value, i) => value + by * along[i]!);
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** |differences - gradient . d| over the size of the gradient's terms, where that is not zero. */
function mismatch(difference: number, gradient: HostArray, along: Float32Array): number {
  const size = Math.sqrt(dot(gradient.data, gradient.data));
  return Math.abs(difference - dot(gradient.data, along)) / (size === 0 ? 1 : size);
}

const elements = (opCase: OpCase) =>
  Object.values(opCase.shapes).reduce(
    (sum, shape) => sum + shape.reduce((product, size) => product * size, 1),
    0,
  );

const differentiable = opCases().filter(
  (opCase) => opCase.op in steps && elements(opCase) <= MAX_ELEMENTS,
);

describe('gradients agree with differences', () => {
  it('for every operation that has a gradient operation', () => {
    const withGradient = opCases().filter(
      ({ gradients, op }) => gradients.length > 0 && op !== 'dropout',
    );
    expect(new Set(differentiable.map(({ op }) => op))).toEqual(
      new Set(withGradient.map(({ op }) => op)),
    );
  });

  it.each(differentiable)('$id', async (opCase) => {
    const inputs = inputsOf(opCase);
    const y = await forward(opCase, inputs);
    const gy = floats(opCase, 'gy', y.shape);
    const found = await gradients(opCase, inputs, { data: gy, shape: y.shape });
    expect(Object.keys(found).sort()).toEqual(
      Object.keys(inputs)
        .filter((name) => !constants[opCase.op]?.includes(name))
        .map((name) => `g${name}`)
        .sort(),
    );
    const step = steps[opCase.op]!;
    for (const [name, values] of Object.entries(inputs)) {
      if (constants[opCase.op]?.includes(name)) continue;
      const along = direction(opCase, name, values.length);
      const lossAt = async (by: number) =>
        dot((await forward(opCase, { ...inputs, [name]: moved(values, along, by) })).data, gy);
      const difference = ((await lossAt(step)) - (await lossAt(-step))) / (2 * step);
      expect(mismatch(difference, found[`g${name}`]!, along), name).toBeLessThan(LIMIT);
    }
  });

  it.each(opCases().filter(isLoss))('$id', async (opCase) => {
    const name = lossInput(opCase);
    const values = floats(opCase, name);
    const found = await lossOf(opCase, values);
    const gradient = name === 'logits' ? found.gradLogits! : found.gradInput!;
    const along = direction(opCase, name, values.length);
    // Between the kinks of |input - target|, both of them multiples of 1/1024, where there are any.
    const step = lossSteps[opCase.op] ?? 1 / 64;
    const lossAt = async (by: number) => {
      const { loss } = await lossOf(opCase, moved(values, along, by));
      return Array.from(loss!.data).reduce((sum, each) => sum + each, 0);
    };
    const difference = ((await lossAt(step)) - (await lossAt(-step))) / (2 * step);
    expect(mismatch(difference, gradient, along)).toBeLessThan(LIMIT);
  });
});
