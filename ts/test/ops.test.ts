/**
 * The named functions of `ops`, each against the float64 interpreter on one small case. Numbers on
 * many cases are compared elsewhere, through the same machinery.
 */
import { ops } from 'neuronode';
import { afterAll, describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../dist/graph/builder.js';
import { finish } from '../../dist/graph/finish.js';
import { activationRows } from '../../dist/graph/ops/pointwise.js';
import type { Attrs, DType } from '../../dist/graph/spec.js';
import type { OpName } from '../../dist/graph/table.js';
import { operations } from '../../dist/graph/table.js';
import { deviceOps, testDevice } from './device.js';
import { hashAt } from './op-cases.js';
import { ReferenceProgram } from './reference/interpreter.js';

type Shape = readonly number[];

afterAll(() => deviceOps.clearCache());

const size = (shape: Shape) => shape.reduce((product, length) => product * length, 1);

function tensor(key: string, ...shape: number[]): ops.FloatTensor {
  const data = Float32Array.from({ length: size(shape) }, (_, i) => hashAt(key, i) / 2 ** 31 - 1);
  return { data, shape };
}

const typeOf = (data: ArrayLike<number>): DType =>
  data instanceof Float32Array
    ? 'f32'
    : data instanceof Int32Array
      ? 'i32'
      : data instanceof Float64Array
        ? 'f64'
        : 'u8';

/** Outputs (or, for an optimizer step, inputs afterwards) of one operation in float64. */
function reference(
  op: OpName,
  inputs: readonly ops.HostTensor[],
  attrs: Attrs = {},
  shapes: Shape[] = [],
): Float64Array[] {
  const builder = new GraphBuilder();
  const ids = inputs.map(({ data, shape }, index) =>
    builder.named('input', `i${index}`, typeOf(data), shape),
  );
  const outputs = builder.apply(op, ids, attrs, { name: '', phase: 'forward', shapes });
  const program = new ReferenceProgram(
    finish(builder, new Map(outputs.map((id, index) => [`o${index}`, id]))),
  );
  for (const [index, { data }] of inputs.entries()) program.write(`i${index}`, data);
  const results = program.run({});
  if (outputs.length === 0) return inputs.map((_, index) => program.read(`i${index}`));
  return outputs.map((_, index) => results[`o${index}`]!);
}

function expectClose(
  ours: ops.HostTensor,
  wanted: Float64Array,
  shape: Shape,
  tolerance = 2e-6,
): void {
  expect(ours.shape).toEqual(shape);
  expect(ours.data.length).toBe(wanted.length);
  const largest = Math.max(...wanted.map(Math.abs));
  for (const [at, value] of wanted.entries()) {
    expect(Math.abs(ours.data[at]! - value), `element ${at}`).toBeLessThan(
      tolerance * largest + 1e-30,
    );
  }
}

const int = (...values: number[]) => ({ data: Int32Array.from(values), shape: [values.length] });
const scalar = (value: number) => ({ data: Int32Array.of(value), shape: [] });
const rate = (value: number) => ({ data: Float64Array.of(value), shape: [] });

const x = tensor('x', 2, 4, 7, 6);
const w = tensor('w', 6, 2, 3, 2);
const b = tensor('b', 6);
const convOptions = { stride: [2, 1], padding: 1, groups: 2 } as const;
const convAttrs = { stride: [2, 1], padding: [1, 1], dilation: [1, 1], groups: 2 };
const gy = tensor('gy', 2, 6, 4, 7);
const rows = tensor('rows', 3, 5);
const weight = tensor('weight', 4, 5);
const gRows = tensor('gRows', 3, 4);

describe('single operations', () => {
  const tested = new Set<string>();
  const test = (op: OpName, title: string, body: () => Promise<void>) => {
    tested.add(op);
    it(`${op} ${title}`.trim(), body);
  };

  test('conv2d', '', async () => {
    const [y] = reference('conv2d', [x, w, b], convAttrs);
    expectClose(await deviceOps.conv2d(x, w, b, convOptions), y!, [2, 6, 4, 7]);
    const direct = await deviceOps.conv2d(x, w, b, {
      ...convOptions,
      algorithm: 'direct',
      device: testDevice,
    });
    expectClose(direct, y!, [2, 6, 4, 7]);
  });

  test('conv2dInputGrad', '', async () => {
    const [gx] = reference('conv2dInputGrad', [gy, w], convAttrs, [x.shape]);
    expectClose(await deviceOps.conv2dInputGrad(gy, w, x.shape, convOptions), gx!, x.shape);
  });

  test('conv2dWeightGrad', '', async () => {
    const [gw, gb] = reference('conv2dWeightGrad', [x, gy], convAttrs, [w.shape]);
    const ours = await deviceOps.conv2dWeightGrad(x, gy, w.shape, convOptions);
    expectClose(ours.gw, gw!, w.shape);
    expectClose(ours.gb, gb!, [6]);
  });

  /** Input channels, window and options of convolutions that different kernels compute. */
  const kernels: [string, number, number, { padding: number; algorithm: 'direct' | 'winograd' }][] =
    [
      ['directly', 16, 3, { padding: 1, algorithm: 'direct' }],
      ['from few channels', 1, 5, { padding: 0, algorithm: 'direct' }],
      ['by Winograd, 3x3', 16, 3, { padding: 1, algorithm: 'winograd' }],
      ['by Winograd, 5x5', 16, 5, { padding: 2, algorithm: 'winograd' }],
    ];
  for (const [title, channels, window, options] of kernels) {
    test('conv2dWeightGrad', `without a bias, ${title}`, async () => {
      const image = tensor('image', 2, channels, 12, 12);
      const edge = 13 + 2 * options.padding - window;
      const upper = tensor('upper', 2, 16, edge, edge);
      const shape = [16, channels, window, window];
      const attrs = { ...convAttrs, stride: [1, 1], padding: [options.padding, options.padding] };
      const [gw, gb] = reference('conv2dWeightGrad', [image, upper], { ...attrs, groups: 1 }, [
        shape,
      ]);
      const both = await deviceOps.conv2dWeightGrad(image, upper, shape, options);
      const alone = await deviceOps.conv2dWeightGrad(image, upper, shape, {
        ...options,
        bias: false,
      });
      const tolerance = options.algorithm === 'winograd' ? 1e-4 : 2e-6;
      expectClose(both.gb, gb!, [16]);
      expectClose(both.gw, gw!, shape, tolerance);
      expectClose(alone.gw, gw!, shape, tolerance);
      expect(Object.keys(alone)).toEqual(['gw']);
    });
  }

  test('linear', '', async () => {
    const bias = tensor('bias', 4);
    expectClose(
      await deviceOps.linear(rows, weight),
      reference('linear', [rows, weight])[0]!,
      [3, 4],
    );
    const [y] = reference('linear', [rows, weight, bias]);
    expectClose(await deviceOps.linear(rows, weight, bias), y!, [3, 4]);
  });

  test('linearInputGrad', '', async () => {
    const [gx] = reference('linearInputGrad', [gRows, weight]);
    expectClose(await deviceOps.linearInputGrad(gRows, weight), gx!, [3, 5]);
  });

  test('linearWeightGrad', '', async () => {
    const [gw, gb] = reference('linearWeightGrad', [rows, gRows]);
    const ours = await deviceOps.linearWeightGrad(rows, gRows);
    expectClose(ours.gw, gw!, [4, 5]);
    expectClose(ours.gb, gb!, [4]);
    const alone = await deviceOps.linearWeightGrad(rows, gRows, { bias: false });
    expectClose(alone.gw, gw!, [4, 5]);
    expect(Object.keys(alone)).toEqual(['gw']);
  });

  it('run computes the outputs that are asked for', async () => {
    const inputs = { x: rows, gy: gRows };
    const [gw, gb] = reference('linearWeightGrad', [rows, gRows]);
    const one = await deviceOps.run('linearWeightGrad', inputs, {}, { outputs: ['gb'] });
    expect(Object.keys(one)).toEqual(['gb']);
    expectClose(one.gb!, gb!, [4]);
    const all = await deviceOps.run('linearWeightGrad', inputs);
    expect(Object.keys(all)).toEqual(['gw', 'gb']);
    expectClose(all.gw!, gw!, [4, 5]);
  });

  test('gemm', '', async () => {
    const attrs = { transposeA: false, transposeB: true, alpha: 0.5 };
    const options = { transposeB: true, alpha: 0.5 };
    expectClose(
      await deviceOps.gemm(rows, weight, options),
      reference('gemm', [rows, weight], attrs)[0]!,
      [3, 4],
    );
  });

  const poolAttrs = { kernelSize: [3, 2], stride: [2, 2], padding: [1, 0], dilation: [1, 1] };
  const poolOptions = { stride: 2, padding: [1, 0], ceilMode: true } as const;
  const pooled = [2, 4, 4, 3];
  const { ceilMode: _, ...gradOptions } = poolOptions;

  test('maxPool2d', 'and its indices', async () => {
    const [y, indices] = reference('maxPool2d', [x], poolAttrs, [pooled, pooled]);
    const ours = await deviceOps.maxPool2d(x, [3, 2], poolOptions);
    expectClose(ours.y, y!, pooled);
    expect(ours.indices.data).toBeInstanceOf(Uint8Array);
    expect([...ours.indices.data]).toEqual([...indices!]);
  });

  test('maxPool2dGrad', '', async () => {
    const { indices } = await deviceOps.maxPool2d(x, [3, 2], poolOptions);
    const g = tensor('g', ...pooled);
    const [gx] = reference('maxPool2dGrad', [g, indices], poolAttrs, [x.shape]);
    const ours = await deviceOps.maxPool2dGrad(g, indices, x.shape, [3, 2], gradOptions);
    expectClose(ours, gx!, x.shape);
  });

  const { dilation: _dilation, ...window } = poolAttrs;
  const averageAttrs = { ...window, countIncludePad: false };

  test('avgPool2d', '', async () => {
    const [y] = reference('avgPool2d', [x], averageAttrs, [pooled]);
    const options = { ...poolOptions, countIncludePad: false };
    expectClose(await deviceOps.avgPool2d(x, [3, 2], options), y!, pooled);
  });

  test('avgPool2dGrad', '', async () => {
    const g = tensor('g', ...pooled);
    const [gx] = reference('avgPool2dGrad', [g], averageAttrs, [x.shape]);
    const options = { ...gradOptions, countIncludePad: false };
    expectClose(await deviceOps.avgPool2dGrad(g, x.shape, [3, 2], options), gx!, x.shape);
  });

  test('adaptiveAvgPool2d', '', async () => {
    const [y] = reference('adaptiveAvgPool2d', [x], {}, [[2, 4, 3, 6]]);
    expectClose(await deviceOps.adaptiveAvgPool2d(x, [3, null]), y!, [2, 4, 3, 6]);
  });

  test('adaptiveAvgPool2dGrad', '', async () => {
    const g = tensor('g', 2, 4, 3, 4);
    const [gx] = reference('adaptiveAvgPool2dGrad', [g], {}, [x.shape]);
    expectClose(await deviceOps.adaptiveAvgPool2dGrad(g, x.shape), gx!, x.shape);
  });

  for (const [name, { gradientFrom, parameter }] of activationRows()) {
    const options = parameter === undefined ? {} : { [parameter.name]: 0.3 };
    const values = {
      ...rows,
      data: rows.data.map(/^(log|r?sqrt)$/.test(name) ? Math.abs : (v) => v),
    };
    test(name, '', async () => {
      expectClose(
        await deviceOps[name](values, options),
        reference(name, [values], options)[0]!,
        [3, 5],
      );
    });
    test(`${name}Grad`, '', async () => {
      const known = gradientFrom === 'x' ? values : await deviceOps[name](values, options);
      const g = tensor('g', 3, 5);
      const [gx] = reference(`${name}Grad`, [g, known], options);
      expectClose(await deviceOps[`${name}Grad`](g, known, options), gx!, [3, 5]);
    });
  }

  const dropoutAttrs = { p: 0.3, seed: [8, 9], stream: 4 };

  test('dropout', '', async () => {
    const [y] = reference('dropout', [x, scalar(11)], dropoutAttrs);
    expectClose(await deviceOps.dropout(x, 0.3, 11, { seed: [8, 9], stream: 4 }), y!, x.shape);
  });

  test('dropoutGrad', '', async () => {
    const [gx] = reference('dropoutGrad', [x, scalar(11)], dropoutAttrs);
    expectClose(await deviceOps.dropoutGrad(x, 0.3, 11, { seed: [8, 9], stream: 4 }), gx!, x.shape);
  });

  test('reshape', '', async () => {
    const ours = await deviceOps.reshape(rows, [5, 3]);
    expect(ours.shape).toEqual([5, 3]);
    expect(ours.data).toEqual(rows.data);
  });

  test('add', '', async () => {
    const other = tensor('other', 3, 5);
    expectClose(await deviceOps.add(rows, other), reference('add', [rows, other])[0]!, [3, 5]);
  });

  const responseOptions = { alpha: 0.5, beta: 0.6, k: 2 };

  test('localResponseNorm', '', async () => {
    const [y] = reference('localResponseNorm', [x], { size: 4, ...responseOptions });
    expectClose(await deviceOps.localResponseNorm(x, 4, responseOptions), y!, x.shape);
    const defaults = { size: 5, alpha: 1e-4, beta: 0.75, k: 1 };
    const [plain] = reference('localResponseNorm', [x], defaults);
    expectClose(await deviceOps.localResponseNorm(x, 5), plain!, x.shape);
  });

  test('localResponseNormGrad', '', async () => {
    const g = tensor('g', ...x.shape);
    const [gx] = reference('localResponseNormGrad', [g, x], { size: 4, ...responseOptions });
    expectClose(await deviceOps.localResponseNormGrad(g, x, 4, responseOptions), gx!, x.shape);
  });

  test('interpolate', '', async () => {
    const attrs = { bilinear: true, alignCorners: true, scales: [0, 0] };
    const wanted = [...x.shape.slice(0, 2), 5, 9];
    const size = [5, 9] as const;
    const options = { size, mode: 'bilinear', alignCorners: true } as const;
    const [y] = reference('interpolate', [x], attrs, [wanted]);
    expectClose(await deviceOps.interpolate(x, options), y!, wanted);
    const twice = [...x.shape.slice(0, 2), 2 * x.shape[2]!, 3 * x.shape[3]!];
    const nearest = { bilinear: false, alignCorners: false, scales: [2, 3] };
    const [near] = reference('interpolate', [x], nearest, [twice]);
    expectClose(await deviceOps.interpolate(x, { scaleFactor: [2, 3] }), near!, twice);
    await expect(deviceOps.interpolate(x, { scaleFactor: 0.01 })).rejects.toThrow(
      /interpolate expects an output of the input's images and channels, .* 0, 0\] from/,
    );
  });

  test('interpolateGrad', '', async () => {
    const attrs = { bilinear: true, alignCorners: false, scales: [2, 2] };
    const g = tensor('g', ...x.shape.slice(0, 2), 2 * x.shape[2]!, 2 * x.shape[3]!);
    const [gx] = reference('interpolateGrad', [g], attrs, [x.shape]);
    const options = { scaleFactor: 2, mode: 'bilinear' } as const;
    expectClose(await deviceOps.interpolateGrad(g, x.shape, options), gx!, x.shape);
  });

  for (const op of ['softmax', 'logSoftmax'] as const) {
    test(op, '', async () => {
      const along = (dim: number) => reference(op, [rows], { dim })[0]!;
      expectClose(await deviceOps[op](rows, 1), along(1), [3, 5]);
      expectClose(await deviceOps[op](rows, -2), along(0), [3, 5]);
    });
  }

  test('softmaxGrad', '', async () => {
    const y = await deviceOps.softmax(rows, 0);
    const [gx] = reference('softmaxGrad', [rows, y], { dim: 0 });
    expectClose(await deviceOps.softmaxGrad(rows, y, 0), gx!, [3, 5]);
  });

  test('logSoftmaxGrad', '', async () => {
    const y = await deviceOps.logSoftmax(rows, -1);
    const [gx] = reference('logSoftmaxGrad', [rows, y], { dim: 1 });
    expectClose(await deviceOps.logSoftmaxGrad(rows, y, 1), gx!, [3, 5]);
  });

  test('softmaxCrossEntropy', '', async () => {
    const labels = int(4, 0, 2);
    for (const [reduction, count] of [
      ['mean', 3],
      ['sum', 2],
    ] as const) {
      const [loss, correct, gradLogits] = reference(
        'softmaxCrossEntropy',
        [rows, labels, scalar(count)],
        { reduction: reduction === 'mean' ? 0 : 1, ignoreIndex: -100, labelSmoothing: 0 },
      );
      const ours = await deviceOps.softmaxCrossEntropy(rows, labels, { reduction, count });
      expect(ours.loss).toBeCloseTo(loss![0]!, 5);
      expect(ours.correct).toBe(correct![0]);
      expectClose(ours.gradLogits, gradLogits!, [3, 5]);
    }
  });

  test('softmaxCrossEntropy', 'with weights, probabilities and no reduction', async () => {
    const [weight, targets] = [tensor('classes', 5), tensor('targets', 3, 5)];
    const positive = ({ data, shape }: ops.FloatTensor) => ({ data: data.map(Math.abs), shape });
    const [loss, correct, gradLogits] = reference(
      'softmaxCrossEntropy',
      [rows, positive(targets), scalar(3), positive(weight)],
      { reduction: 2, ignoreIndex: -100, labelSmoothing: 0.2 },
    );
    const ours = await deviceOps.softmaxCrossEntropy(rows, positive(targets), {
      reduction: 'none',
      weight: positive(weight),
      labelSmoothing: 0.2,
    });
    expectClose(ours.loss, loss!, [3]);
    expect(ours.correct).toBe(correct![0]);
    expectClose(ours.gradLogits, gradLogits!, [3, 5]);
  });

  test('nllLoss', '', async () => {
    const labels = int(4, 1, 2);
    const attrs = { reduction: 0, ignoreIndex: 1 };
    const [loss, correct, grad] = reference('nllLoss', [rows, labels, scalar(3)], attrs);
    const ours = await deviceOps.nllLoss(rows, labels, { ignoreIndex: 1 });
    expect(ours.loss).toBeCloseTo(loss![0]!, 5);
    expect(ours.correct).toBe(correct![0]);
    expectClose(ours.gradInput, grad!, [3, 5]);
  });

  for (const op of ['mseLoss', 'l1Loss', 'smoothL1Loss'] as const) {
    test(op, '', async () => {
      const target = tensor('target', 3, 5);
      const attrs = { reduction: 1, ...(op === 'smoothL1Loss' ? { beta: 0.3 } : {}) };
      const [loss, grad] = reference(op, [rows, target, scalar(2)], attrs);
      const options = { reduction: 'sum', count: 2 } as const;
      const ours =
        op === 'smoothL1Loss'
          ? await deviceOps.smoothL1Loss(rows, target, { ...options, beta: 0.3 })
          : await deviceOps[op](rows, target, options);
      expect(ours.loss).toBeCloseTo(loss![0]!, 5);
      expectClose(ours.gradInput, grad!, [3, 5]);
    });
  }

  test('binaryCrossEntropyWithLogits', 'with the weight of positives alone', async () => {
    const target = tensor('target', 3, 5);
    const posWeight = { data: Float32Array.of(1, 2, 3, 4, 5), shape: [5] };
    const one = { data: Float32Array.of(1), shape: [] };
    const inputs = [rows, target, scalar(3), one, posWeight];
    const [loss, grad] = reference('binaryCrossEntropyWithLogits', inputs, { reduction: 2 });
    const options = { reduction: 'none', posWeight } as const;
    const ours = await deviceOps.binaryCrossEntropyWithLogits(rows, target, options);
    expectClose(ours.loss, loss!, [3, 5]);
    expectClose(ours.gradInput, grad!, [3, 5]);
  });

  test('toFloat', '', async () => {
    const image = { data: Uint8Array.from({ length: 24 }, (_, i) => i * 10), shape: [1, 2, 3, 4] };
    const [y] = reference('toFloat', [image], { mean: [0.1, 0.2], std: [0.3, 0.4] });
    expectClose(await deviceOps.toFloat(image, [0.1, 0.2], [0.3, 0.4]), y!, [1, 2, 3, 4]);
  });

  test('adamStep', 'and its state, with calls at the same time', async () => {
    const attrs = { beta1: 0.8, beta2: 0.9, eps: 1e-6, weightDecay: 0.1, decoupled: true };
    const { beta1, beta2, ...rest } = attrs;
    const calls = ['a', 'b', 'c'].map(async (key) => {
      const state = tensor(`${key}/v`, 3, 5);
      const [p, g, m] = ['p', 'g', 'm'].map((name) => tensor(`${key}/${name}`, 3, 5));
      const v = { ...state, data: state.data.map(Math.abs) };
      const inputs = { p: p!, g: g!, m: m!, v };
      const options = { step: 3, lr: 0.01, betas: [beta1, beta2] as const, ...rest };
      const ours = await deviceOps.adamStep(inputs, options);
      const wanted = reference('adamStep', [p!, g!, m!, v, scalar(3), rate(0.01)], attrs);
      expectClose(ours.p, wanted[0]!, [3, 5]);
      expectClose(ours.m, wanted[2]!, [3, 5]);
      expectClose(ours.v, wanted[3]!, [3, 5]);
    });
    await Promise.all(calls);
  });

  const [scale, shift] = [tensor('scale', 4), tensor('shift', 4)];
  const statistics = {
    mean: tensor('mean', 4),
    var: { data: Float32Array.of(1, 2, 3, 4), shape: [4] },
  };

  test('batchNorm', 'of all rows and of some', async () => {
    for (const count of [2, 1]) {
      const [y, mean, variance] = reference('batchNorm', [x, scalar(count), scale, shift], {
        eps: 0.1,
      });
      const ours = await deviceOps.batchNorm({ x, w: scale, b: shift }, { eps: 0.1, count });
      expectClose(ours.y, y!, x.shape);
      expectClose(ours.mean, mean!, [4]);
      expectClose(ours.var, variance!, [4]);
    }
    const [y] = reference('batchNorm', [x, scalar(2)], { eps: 1e-5 });
    expectClose((await deviceOps.batchNorm({ x })).y, y!, x.shape);
  });

  test('batchNormGrad', '', async () => {
    const upper = tensor('upper', ...x.shape);
    const { mean, var: variance } = await deviceOps.batchNorm({ x });
    const inputs = { gy: upper, x, mean, var: variance };
    const wanted = reference('batchNormGrad', [...Object.values(inputs), scalar(2), scale], {
      eps: 1e-5,
    });
    const ours = await deviceOps.batchNormGrad({ ...inputs, w: scale });
    expectClose(ours.gx, wanted[0]!, x.shape);
    expectClose(ours.gw, wanted[1]!, [4]);
    expectClose(ours.gb, wanted[2]!, [4]);
  });

  test('groupNorm', '', async () => {
    const [y, mean, rstd] = reference('groupNorm', [x, scale, shift], { groups: 2, eps: 0.1 });
    const ours = await deviceOps.groupNorm({ x, w: scale, b: shift }, 2, { eps: 0.1 });
    expectClose(ours.y, y!, x.shape);
    expectClose(ours.mean, mean!, [x.shape[0]!, 2]);
    expectClose(ours.rstd, rstd!, [x.shape[0]!, 2]);
  });

  test('groupNormGrad', '', async () => {
    const { mean, rstd } = await deviceOps.groupNorm({ x }, 4);
    const inputs = { gy: tensor('upper', ...x.shape), x, mean, rstd };
    const attrs = { groups: 4, eps: 1e-5 };
    const wanted = reference('groupNormGrad', [...Object.values(inputs), scale], attrs);
    const ours = await deviceOps.groupNormGrad({ ...inputs, w: scale }, 4);
    expectClose(ours.gx, wanted[0]!, x.shape);
    expectClose(ours.gw, wanted[1]!, [4]);
    expectClose(ours.gb, wanted[2]!, [4]);
  });

  test('batchNormInference', '', async () => {
    const given = [x, statistics.mean, statistics.var, scale, shift];
    const [y] = reference('batchNormInference', given, { eps: 0.5 });
    const inputs = { x, ...statistics, w: scale, b: shift };
    expectClose(await deviceOps.batchNormInference(inputs, { eps: 0.5 }), y!, x.shape);
  });

  test('batchNormInferenceGrad', '', async () => {
    const inputs = { gy: tensor('upper', ...x.shape), x, ...statistics, w: scale };
    const wanted = reference('batchNormInferenceGrad', Object.values(inputs), { eps: 1e-5 });
    const ours = await deviceOps.batchNormInferenceGrad(inputs);
    expectClose(ours.gx, wanted[0]!, x.shape);
    expectClose(ours.gw, wanted[1]!, [4]);
    expectClose(ours.gb, wanted[2]!, [4]);
  });

  test('batchNormUpdate', 'by a momentum, and cumulative', async () => {
    const [runningMean, runningVar] = [tensor('running', 4), statistics.var];
    for (const [momentum, cumulative] of [
      [0.3, false],
      [null, true],
    ] as const) {
      const inputs = { ...statistics, runningMean, runningVar, numBatches: scalar(6) };
      const { mean, var: variance } = statistics;
      const given = [mean, variance, scalar(2), runningMean, runningVar, scalar(6)];
      const attrs = { momentum: momentum ?? 0, cumulative, pixels: 3 };
      const wanted = reference('batchNormUpdate', given, attrs);
      const ours = await deviceOps.batchNormUpdate(inputs, { count: 2, pixels: 3, momentum });
      expectClose(ours.runningMean, wanted[3]!, [4]);
      expectClose(ours.runningVar, wanted[4]!, [4]);
      expect(ours.numBatches).toEqual(scalar(7));
    }
  });

  test('rmspropStep', 'and its state, as its settings ask for it', async () => {
    const [p, g, square, mean] = ['p', 'g', 'square', 'mean'].map((name) => tensor(name, 7));
    square!.data.fill(1);
    const attrs = { alpha: 0.9, eps: 1e-3, weightDecay: 0.1, momentum: 0, centered: true };
    const inputs = { p: p!, g: g!, square: square!, mean: mean! };
    const moved = await deviceOps.rmspropStep(inputs, { step: 2, lr: 0.5, ...attrs });
    const tensors = [p!, g!, square!, mean!, scalar(2), rate(0.5)];
    const wanted = reference('rmspropStep', tensors, attrs);
    expectClose(moved.p, wanted[0]!, [7]);
    await expect(deviceOps.rmspropStep(inputs, { step: 2 })).rejects.toThrow(
      'rmspropStep expects a mean exactly where centered is true',
    );
  });
  test('sgdStep', 'with and without momentum', async () => {
    const [p, g, buffer] = ['p', 'g', 'buffer'].map((name) => tensor(name, 7));
    const plain = { momentum: 0, dampening: 0, nesterov: false, weightDecay: 0.1 };
    const first = await deviceOps.sgdStep({ p: p!, g: g! }, { step: 1, lr: 0.5, weightDecay: 0.1 });
    expectClose(first.p, reference('sgdStep', [p!, g!, scalar(1), rate(0.5)], plain)[0]!, [7]);
    expect(first.momentumBuffer).toBeUndefined();
    const attrs = { ...plain, momentum: 0.9, nesterov: true };
    const inputs = { p: p!, g: g!, momentumBuffer: buffer! };
    const moved = await deviceOps.sgdStep(inputs, { step: 2, lr: 0.5, ...attrs });
    const wanted = reference('sgdStep', [p!, g!, buffer!, scalar(2), rate(0.5)], attrs);
    expectClose(moved.p, wanted[0]!, [7]);
    expectClose(moved.momentumBuffer!, wanted[2]!, [7]);
  });

  for (const op of ['sub', 'mul', 'div'] as const) {
    test(op, 'of one shape, and repeated along axes of 1', async () => {
      const pairs: [Shape, Shape][] = [
        [[5], [5]],
        [
          [3, 1, 5],
          [1, 4, 5],
        ],
        [
          [2, 3, 4, 4],
          [1, 3, 1, 1],
        ],
        [
          [1, 1],
          [3, 2],
        ],
      ];
      for (const [left, right] of pairs) {
        const [a, b] = [tensor('a', ...left), tensor('b', ...right)];
        const [y] = reference(op, [a, b]);
        const shape = left.map((length, axis) => Math.max(length, right[axis]!));
        expectClose(await deviceOps[op](a, b), y!, shape);
      }
    });
  }

  test('fill', '', async () => {
    expect(await deviceOps.fill([2, 3], 0.5)).toEqual({
      data: new Float32Array(6).fill(0.5),
      shape: [2, 3],
    });
    expect(await deviceOps.fill([], -1)).toEqual({ data: Float32Array.of(-1), shape: [] });
  });

  test('expand', '', async () => {
    const few = tensor('few', 3, 1, 2, 1);
    const [y] = reference('expand', [few], {}, [[3, 4, 2, 5]]);
    expectClose(await deviceOps.expand(few, [3, 4, 2, 5]), y!, [3, 4, 2, 5]);
  });

  test('concat', 'of one tensor and of several', async () => {
    const parts = [tensor('first', 2, 3, 4), tensor('second', 2, 1, 4), tensor('third', 2, 2, 4)];
    const [y] = reference('concat', parts, { axis: 1 });
    expectClose(await deviceOps.concat(parts, -2), y!, [2, 6, 4]);
    expectClose(await deviceOps.concat([rows], 0), Float64Array.from(rows.data), [3, 5]);
  });

  test('slice', '', async () => {
    const [y] = reference('slice', [x], { starts: [1, 0, 2, 3] }, [[1, 4, 3, 2]]);
    expectClose(await deviceOps.slice(x, [1, 0, 2, 3], [1, 4, 3, 2]), y!, [1, 4, 3, 2]);
  });

  const modes = ['constant', 'reflect', 'replicate', 'circular'] as const;

  test('pad', 'in every mode', async () => {
    for (const [mode, name] of modes.entries()) {
      const attrs = { before: [0, 0, 2, 1], after: [0, 0, 0, 5], mode, value: 0.25 };
      const [y] = reference('pad', [x], attrs);
      const padded = await deviceOps.pad(x, [1, 5, 2, 0], { mode: name, value: 0.25 });
      expectClose(padded, y!, [2, 4, 9, 12]);
    }
  });

  test('padGrad', '', async () => {
    const attrs = { before: [0, 0, 2, 1], after: [0, 0, 0, 5], mode: 1, value: 0 };
    const gPadded = tensor('gPadded', 2, 4, 9, 12);
    const [gx] = reference('padGrad', [gPadded], attrs, [x.shape]);
    expectClose(await deviceOps.padGrad(gPadded, x.shape, [1, 5, 2, 0]), gx!, x.shape);
  });

  test('sum', 'and mean', async () => {
    const [y] = reference('sum', [x], { mean: false }, [[1, 4, 1, 6]]);
    expectClose(await deviceOps.sum(x, [0, -2]), y!, [1, 4, 1, 6]);
    const [mean] = reference('sum', [x], { mean: true }, [[1, 1, 1, 1]]);
    expectClose(await deviceOps.sum(x, [], { mean: true }), mean!, [1, 1, 1, 1]);
  });

  it('are all named, and all tested here', () => {
    const names = Object.keys(operations).sort();
    expect(
      Object.keys(ops)
        .filter((name) => name in operations)
        .sort(),
    ).toEqual(names);
    expect([...tested].sort()).toEqual(names);
  });
});
