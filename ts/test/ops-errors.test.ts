/** What single operations refuse, before any work, and what happens to the calls that follow. */
import { ArgumentError, DTypeError, ops, ShapeError } from 'neuronode';
import { afterAll, describe, expect, it } from 'vitest';
import { activationRows } from '../../dist/graph/ops/pointwise.js';
import { deviceOps } from './device.js';
import { hashAt } from './op-cases.js';

afterAll(() => deviceOps.clearCache());

function tensor(key: string, ...shape: number[]): ops.FloatTensor {
  const length = shape.reduce((product, size) => product * size, 1);
  return { data: Float32Array.from({ length }, (_, i) => hashAt(key, i) / 2 ** 31 - 1), shape };
}

const int = (...values: number[]) => ({ data: Int32Array.from(values), shape: [values.length] });
const x = tensor('x', 2, 4, 7, 6);
const w = tensor('w', 6, 2, 3, 2);
const b = tensor('b', 6);
const convOptions = { stride: [2, 1], padding: 1, groups: 2 } as const;
const rows = tensor('rows', 3, 5);
const weight = tensor('weight', 4, 5);
const gRows = tensor('gRows', 3, 4);

describe('checks of single operations', () => {
  const any = <T>(value: unknown) => value as T;

  it.each<[string, unknown, string, () => Promise<unknown>]>([
    [
      'channels',
      ShapeError,
      'conv2d expects 4 input channels, got 2',
      () => deviceOps.conv2d(tensor('y', 1, 2, 4, 4), tensor('w', 1, 4, 1, 1)),
    ],
    [
      'values for the shape',
      ShapeError,
      'x of shape [3] to have 3 values, got 2',
      () => deviceOps.relu({ data: new Float32Array(2), shape: [3] }),
    ],
    [
      'element types',
      DTypeError,
      'relu expects x of type f32, got i32',
      () => deviceOps.relu(any(int(1, 2))),
    ],
    [
      'no tensor',
      ArgumentError,
      'relu expects x to be { data, shape }',
      () => deviceOps.relu(any([1, 2])),
    ],
    [
      'no input',
      ArgumentError,
      'relu expects the input x, got undefined',
      () => deviceOps.relu(any(undefined)),
    ],
    [
      'a shape that is no list',
      ArgumentError,
      'x.shape to be an array',
      () => deviceOps.relu(any({ data: new Float32Array(1), shape: 1 })),
    ],
    [
      'inner sizes',
      ShapeError,
      'inner sizes that agree, got 5',
      () => deviceOps.gemm(rows, weight),
    ],
    [
      'the gradient of another output',
      ShapeError,
      'gy of shape [2, 6, 4, 7], got [3, 5]',
      () => deviceOps.conv2dInputGrad(rows, w, x.shape, convOptions),
    ],
    [
      'indices of another shape',
      ShapeError,
      'indices of shape',
      () =>
        deviceOps.maxPool2dGrad(
          tensor('g', 1, 1, 2, 2),
          { data: new Uint8Array(2), shape: [1, 1, 1, 2] },
          [1, 1, 4, 4],
          2,
        ),
    ],
    [
      'labels of another count',
      ShapeError,
      'labels of shape [3], got [2]',
      () => deviceOps.softmaxCrossEntropy(rows, int(1, 2)),
    ],
    [
      'labels out of range',
      ArgumentError,
      'label',
      () => deviceOps.softmaxCrossEntropy(rows, int(1, 2, 5)),
    ],
    [
      'a step of 0',
      ArgumentError,
      'step to be an integer from 1 to',
      () => deviceOps.sgdStep({ p: rows, g: rows }, { step: 0 }),
    ],
    [
      'momentum without its buffer',
      ArgumentError,
      'momentumBuffer exactly where',
      () => deviceOps.sgdStep({ p: rows, g: rows }, { step: 1, momentum: 0.9 }),
    ],
    [
      'unknown options',
      ArgumentError,
      "no option 'strides'",
      () => deviceOps.conv2d(x, w, b, any({ strides: 2 })),
    ],
    [
      'unknown options of dropout',
      ArgumentError,
      "no option 'inplace'",
      () => deviceOps.dropout(rows, 0.5, 1, any({ inplace: true })),
    ],
    ['a p above 1', ArgumentError, 'p to be a number', () => deviceOps.dropout(rows, 1.5, 1)],
    [
      'a seed of one',
      ArgumentError,
      'seed',
      () => deviceOps.dropout(rows, 0.5, 1, any({ seed: [1] })),
    ],
    ['a broken step', ArgumentError, 'step to be', () => deviceOps.dropoutGrad(rows, 0.5, 1.5)],
    [
      'a count above the rows',
      ArgumentError,
      'count to be an integer from 1 to 3, got 4',
      () => deviceOps.softmaxCrossEntropy(rows, int(1, 2, 3), { count: 4 }),
    ],
    [
      'a bias that is no boolean',
      ArgumentError,
      'bias to be true or false, got 0',
      () => deviceOps.linearWeightGrad(rows, weight, any<never>({ bias: 0 })),
    ],
    [
      'attributes that are null',
      ArgumentError,
      'relu expects an attributes object, got null',
      () => deviceOps.run('relu', { x: rows }, any(null)),
    ],
    [
      'an unknown output',
      ArgumentError,
      "to be one of 'y', got 'z'",
      () => deviceOps.run('relu', { x: rows }, {}, { outputs: ['z'] }),
    ],
    [
      'no output',
      ArgumentError,
      'outputs to be a list of names, got []',
      () => deviceOps.run('relu', { x: rows }, {}, { outputs: [] }),
    ],
    [
      'a shape of an unknown output',
      ArgumentError,
      "reshape has no output shape 'x'",
      () => deviceOps.run('reshape', { x: rows }, {}, { shapes: { x: [15] } }),
    ],
    [
      'a reduction',
      ArgumentError,
      "reduction to be one of 'mean', 'sum', 'none', got 'median'",
      () => deviceOps.softmaxCrossEntropy(rows, int(1, 2, 3), { reduction: any<'sum'>('median') }),
    ],
    [
      'an unknown operation',
      ArgumentError,
      "no operation 'conv3d'",
      () => deviceOps.run(any('conv3d'), {}),
    ],
    [
      'an unknown input',
      ArgumentError,
      "no input 'y'",
      () => deviceOps.run('relu', any({ x: rows, y: rows })),
    ],
    [
      'an unknown attribute',
      ArgumentError,
      "no attribute 'slope'",
      () => deviceOps.run('relu', { x: rows }, { slope: 1 }),
    ],
    [
      'an output shape that is open',
      ArgumentError,
      'shape of output 0 to be declared',
      () => deviceOps.run('reshape', { x: rows }),
    ],
    [
      'sizes that cannot be repeated',
      ShapeError,
      'mul expects shapes whose axes, from the last to the first, are equal or 1, got [3, 5] and [3, 4]',
      () => deviceOps.mul(rows, gRows),
    ],
    [
      'another number of axes',
      ShapeError,
      'add expects as many axes in a as in b, got [3, 5] and [5]',
      () => deviceOps.add(rows, tensor('b', 5)),
    ],
    [
      'a value that is no number',
      ArgumentError,
      "fill expects value to be a finite number, got '1'",
      () => deviceOps.fill([2], any('1')),
    ],
    [
      'an expansion of an axis that is not 1',
      ShapeError,
      'expand cannot repeat [3, 5] to [6, 5]',
      () => deviceOps.expand(rows, [6, 5]),
    ],
    [
      'nothing to join',
      ArgumentError,
      'concat expects a list of tensors, got []',
      () => deviceOps.concat([], 0),
    ],
    [
      'tensors that differ along another axis',
      ShapeError,
      'concat expects tensors that differ along axis 0 only, got [3, 5] and [3, 4]',
      () => deviceOps.concat([rows, gRows], 0),
    ],
    [
      'an axis that there is none of',
      ShapeError,
      'concat expects axis to be an axis of [3, 5], got 2',
      () => deviceOps.concat([rows, rows], 2),
    ],
    [
      'a slice beyond the end',
      ShapeError,
      'slice expects a box inside of [3, 5], got [3, 2] from [0, 4] on',
      () => deviceOps.slice(rows, [0, 4], [3, 2]),
    ],
    [
      'padding that is no pairs',
      ArgumentError,
      'pad expects pad to be pairs of integers from 0 to 1048576, got [1]',
      () => deviceOps.pad(rows, [1]),
    ],
    [
      'negative padding',
      ArgumentError,
      'pad expects pad to be pairs of integers from 0 to 1048576, got [-1, 0]',
      () => deviceOps.pad(rows, [-1, 0]),
    ],
    [
      'padding of more axes than there are',
      ShapeError,
      'pad got 3 pairs of padding for input [3, 5]',
      () => deviceOps.pad(rows, [1, 1, 1, 1, 1, 1]),
    ],
    [
      'a mirror of more than there is',
      ShapeError,
      'pad expects padding of less than the size of its axis with mode reflect, got [5, 0] for axis 1 of [3, 5]',
      () => deviceOps.pad(rows, [5, 0], { mode: 'reflect' }),
    ],
    [
      'a border of channels',
      ShapeError,
      'pad pads the last two axes only with mode replicate, got [0, 1] for axis 1 of [2, 4, 7, 6]',
      () => deviceOps.pad(x, [0, 0, 0, 0, 0, 1], { mode: 'replicate' }),
    ],
    [
      "a constant's padding in reverse",
      ArgumentError,
      'padGrad expects a mode from 1 to 3: that of constants is a slice',
      () => deviceOps.padGrad(rows, [3, 3], [1, 1], { mode: 'constant' }),
    ],
    [
      'a sum over an axis twice',
      ShapeError,
      'sum expects axes to name each axis once, got [0, -2] of [3, 5]',
      () => deviceOps.sum(rows, [0, -2]),
    ],
    [
      'smoothing beyond all',
      ArgumentError,
      'labelSmoothing to be a number, at least 0 and at most 1, got 1.5',
      () => deviceOps.softmaxCrossEntropy(rows, int(1, 2, 3), { labelSmoothing: 1.5 }),
    ],
    [
      'a weight for too few classes',
      ShapeError,
      'nllLoss expects weight of shape [5], got [3]',
      () => deviceOps.nllLoss(rows, int(1, 2, 3), { weight: tensor('w', 3) }),
    ],
    [
      'a label that is no class and is not ignored',
      ArgumentError,
      'label -100 in row 1 is outside 0 to 4',
      () => deviceOps.softmaxCrossEntropy(rows, int(1, -100, 3), { ignoreIndex: 7 }),
    ],
    [
      'a target of another shape',
      ShapeError,
      'mseLoss expects target of shape [3, 5], got [5]',
      () => deviceOps.mseLoss(rows, tensor('t', 5)),
    ],
    [
      'a beta below 0',
      ArgumentError,
      'beta to be a number, at least 0',
      () => deviceOps.smoothL1Loss(rows, rows, { beta: -1 }),
    ],
    [
      'a weight that does not repeat over the examples',
      ShapeError,
      'posWeight of the last sizes of one example, of which those at either end may be 1, ' +
        'got [3] for input [3, 5]',
      () => deviceOps.binaryCrossEntropyWithLogits(rows, rows, { posWeight: tensor('w', 3) }),
    ],
    [
      'a count of rows that are not there',
      ArgumentError,
      'l1Loss expects count to be an integer from 1 to 3, got 4',
      () => deviceOps.l1Loss(rows, rows, { count: 4 }),
    ],
    [
      'a device that is no device',
      ArgumentError,
      'tpu',
      () => deviceOps.relu(rows, { device: 'tpu' }),
    ],
  ])('%s', async (_title, type, message, call) => {
    const error = await call().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(type);
    expect((error as Error).message).toContain(message);
  });

  it('options and inputs that are no objects, of every operation', async () => {
    const grad = tensor('g', 2, 6, 4, 7);
    const pooled = tensor('p', 2, 4, 3, 3);
    const places = { data: new Uint8Array(pooled.data.length), shape: pooled.shape };
    const state = { p: rows, g: rows, m: rows, v: rows };
    const bytes = { data: new Uint8Array(6), shape: [1, 1, 2, 3] };
    const none = any<never>(null);
    const statistics = { mean: tensor('mean', 4), var: tensor('var', 4) };
    const calls: Record<string, () => Promise<unknown>> = {
      toFloat: () => deviceOps.toFloat(bytes, [0], [1], none),
      conv2d: () => deviceOps.conv2d(x, w, b, none),
      conv2dInputGrad: () => deviceOps.conv2dInputGrad(grad, w, x.shape, none),
      conv2dWeightGrad: () => deviceOps.conv2dWeightGrad(x, grad, w.shape, none),
      linear: () => deviceOps.linear(rows, weight, undefined, none),
      linearInputGrad: () => deviceOps.linearInputGrad(tensor('g', 3, 4), weight, none),
      linearWeightGrad: () => deviceOps.linearWeightGrad(rows, tensor('g', 3, 4), none),
      gemm: () => deviceOps.gemm(rows, weight, none),
      maxPool2d: () => deviceOps.maxPool2d(x, 2, none),
      maxPool2dGrad: () => deviceOps.maxPool2dGrad(pooled, places, x.shape, 2, none),
      avgPool2d: () => deviceOps.avgPool2d(x, 2, none),
      avgPool2dGrad: () => deviceOps.avgPool2dGrad(pooled, x.shape, 2, none),
      adaptiveAvgPool2d: () => deviceOps.adaptiveAvgPool2d(x, 3, none),
      adaptiveAvgPool2dGrad: () => deviceOps.adaptiveAvgPool2dGrad(pooled, x.shape, none),
      ...Object.fromEntries(
        activationRows().flatMap(([name]) => [
          [name, () => deviceOps[name](rows, none)],
          [`${name}Grad`, () => deviceOps[`${name}Grad`](rows, rows, none)],
        ]),
      ),
      batchNorm: () => deviceOps.batchNorm({ x }, none),
      batchNormGrad: () => deviceOps.batchNormGrad({ gy: x, x, ...statistics }, none),
      batchNormInference: () => deviceOps.batchNormInference({ x, ...statistics }, none),
      batchNormInferenceGrad: () =>
        deviceOps.batchNormInferenceGrad({ gy: x, x, ...statistics }, none),
      batchNormUpdate: () =>
        deviceOps.batchNormUpdate(
          { ...statistics, runningMean: statistics.mean, runningVar: statistics.var },
          none,
        ),
      dropout: () => deviceOps.dropout(rows, 0.5, 1, none),
      dropoutGrad: () => deviceOps.dropoutGrad(rows, 0.5, 1, none),
      reshape: () => deviceOps.reshape(rows, [15], none),
      add: () => deviceOps.add(rows, rows, none),
      sub: () => deviceOps.sub(rows, rows, none),
      mul: () => deviceOps.mul(rows, rows, none),
      div: () => deviceOps.div(rows, rows, none),
      fill: () => deviceOps.fill([2], 1, none),
      expand: () => deviceOps.expand(rows, [3, 5], none),
      concat: () => deviceOps.concat([rows, rows], 0, none),
      slice: () => deviceOps.slice(rows, [0, 0], [1, 1], none),
      pad: () => deviceOps.pad(rows, [1, 1], none),
      padGrad: () => deviceOps.padGrad(rows, [3, 3], [1, 1], none),
      sum: () => deviceOps.sum(rows, 1, none),
      localResponseNorm: () => deviceOps.localResponseNorm(x, 5, none),
      localResponseNormGrad: () => deviceOps.localResponseNormGrad(x, x, 5, none),
      groupNorm: () => deviceOps.groupNorm({ x }, 1, none),
      groupNormGrad: () =>
        deviceOps.groupNormGrad({ gy: x, x, mean: statistics.mean, rstd: statistics.var }, 1, none),
      interpolate: () => deviceOps.interpolate(x, none),
      interpolateGrad: () => deviceOps.interpolateGrad(x, x.shape, none),
      softmax: () => deviceOps.softmax(rows, 1, none),
      softmaxGrad: () => deviceOps.softmaxGrad(rows, rows, 1, none),
      logSoftmax: () => deviceOps.logSoftmax(rows, 1, none),
      logSoftmaxGrad: () => deviceOps.logSoftmaxGrad(rows, rows, 1, none),
      softmaxCrossEntropy: () => deviceOps.softmaxCrossEntropy(rows, int(1, 2, 3), none),
      nllLoss: () => deviceOps.nllLoss(rows, int(1, 2, 3), none),
      mseLoss: () => deviceOps.mseLoss(rows, rows, none),
      l1Loss: () => deviceOps.l1Loss(rows, rows, none),
      smoothL1Loss: () => deviceOps.smoothL1Loss(rows, rows, none),
      binaryCrossEntropyWithLogits: () => deviceOps.binaryCrossEntropyWithLogits(rows, rows, none),
      adamStep: () => deviceOps.adamStep(state, none),
      rmspropStep: () => deviceOps.rmspropStep({ p: rows, g: rows, square: rows }, none),
      sgdStep: () => deviceOps.sgdStep({ p: rows, g: rows }, none),
    };
    const named = Object.keys(ops).filter((name) => name !== 'run' && name !== 'clearCache');
    expect(Object.keys(calls).sort()).toEqual(named.sort());
    for (const [name, call] of Object.entries(calls)) {
      await expect(call(), name).rejects.toMatchObject({
        code: 'ERR_NN_ARGUMENT',
        message: expect.stringContaining(`${name} expects an options object, got null`),
      });
    }
    for (const call of [
      () => deviceOps.adamStep(any(undefined), { step: 1 }),
      () => deviceOps.sgdStep(none, { step: 1 }),
      () => deviceOps.run('relu', none),
    ]) {
      await expect(call()).rejects.toMatchObject({
        code: 'ERR_NN_ARGUMENT',
        message: expect.stringContaining('expects an inputs object'),
      });
    }
  });

  it.each<[string, object, string]>([
    ['adamStep', { lr: -1 }, 'adamStep expects lr to be a number, at least 0 and at most 3.4'],
    ['adamStep', { lr: Number.NaN }, 'lr'],
    ['adamStep', { lr: 1e38 }, 'lr'],
    ['sgdStep', { lr: 1e300 }, 'lr'],
    ['adamStep', { betas: null }, 'betas to be two numbers, got null'],
    ['adamStep', { betas: [0.9] }, 'betas to be two numbers'],
    ['adamStep', { betas: [0.9, 1] }, 'betas[1] to be a number, at least 0 and below 1, got 1'],
    ['adamStep', { eps: -1e-8 }, 'eps'],
    ['adamStep', { weightDecay: -0.1 }, 'weightDecay'],
    ['adamStep', { decoupled: 1 }, 'decoupled to be true or false'],
    ['adamStep', { beta1: 0.9 }, "no option 'beta1'"],
    ['sgdStep', { lr: Number.POSITIVE_INFINITY }, 'lr'],
    ['sgdStep', { momentum: -0.1 }, 'momentum'],
    ['sgdStep', { dampening: 'much' }, 'dampening'],
    ['sgdStep', { weightDecay: -1 }, 'weightDecay'],
    ['sgdStep', { nesterov: true }, 'nesterov with a momentum above 0'],
  ])('%s with %o', async (op, options, message) => {
    const step = any<ops.AdamStepOptions>({ step: 1, ...options });
    const state = { p: rows, g: rows, m: rows, v: rows };
    const call =
      op === 'adamStep'
        ? deviceOps.adamStep(state, step)
        : deviceOps.sgdStep({ p: rows, g: rows }, any(step));
    await expect(call).rejects.toMatchObject({
      code: 'ERR_NN_ARGUMENT',
      message: expect.stringContaining(message),
    });
  });

  it.each([Symbol('relu'), null, ['relu']])('an operation that is no name', async (op) => {
    await expect(deviceOps.run(any(op), { x: rows })).rejects.toMatchObject({
      code: 'ERR_NN_ARGUMENT',
      message: expect.stringContaining('there is no operation'),
    });
  });

  it('a failed call leaves the next one alone, and the cache can be cleared', async () => {
    await expect(deviceOps.softmaxCrossEntropy(rows, int(1, 2, 9))).rejects.toThrow();
    const { loss } = await deviceOps.softmaxCrossEntropy(rows, int(1, 2, 3));
    expect(loss).toBeGreaterThan(0);
    await deviceOps.clearCache();
    expect((await deviceOps.softmaxCrossEntropy(rows, int(1, 2, 3))).loss).toBe(loss);
  });

  it('more shapes than the cache holds, at the same time', async () => {
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, index) => deviceOps.relu(tensor('many', 1 + (index % 12), 3))),
    );
    expect(results.map(({ shape }) => shape[0])).toEqual(
      Array.from({ length: 20 }, (_, index) => 1 + (index % 12)),
    );
  });
});
