/**
 * Every gradient rule of the operation table against central differences in float64: the whole
 * graph of forward, loss and backward, run by the reference interpreter.
 */
import { describe, expect, it } from 'vitest';
import { addBackward } from '../../dist/graph/backward.js';
import { GraphBuilder } from '../../dist/graph/builder.js';
import { finish } from '../../dist/graph/finish.js';
import { activationRows } from '../../dist/graph/ops/pointwise.js';
import type { Attrs } from '../../dist/graph/spec.js';
import type { OpName } from '../../dist/graph/table.js';
import { operations } from '../../dist/graph/table.js';
import { hashAt } from './op-cases.js';
import { ReferenceProgram } from './reference/interpreter.js';

type Shape = readonly number[];

interface GradientCase {
  op: OpName;
  /** Shapes of the f32 inputs. */
  inputs: Shape[];
  attrs?: Attrs;
  /** Shape of the output, where inputs and attributes leave it open. */
  output?: Shape;
  /** Inputs of one number, and others that have no gradient, which come at place `at`. */
  scalars?: Readonly<Record<string, number>>;
  constants?: Readonly<Record<string, readonly number[]>>;
  at?: number;
  note?: string;
  /** Inputs behind those, that have no gradient. */
  fixed?: { dtype: 'f32' | 'i32'; shape: Shape; data: readonly number[] }[];
}

const i32 = (shape: Shape, ...data: number[]) => ({ dtype: 'i32' as const, shape, data });
const f32 = (shape: Shape, ...data: number[]) => ({ dtype: 'f32' as const, shape, data });

const plain = { stride: [1, 1], padding: [0, 0], dilation: [1, 1], groups: 1 };
const pool = { kernelSize: [3, 2], stride: [2, 1], padding: [1, 0] };

const cases: GradientCase[] = [
  { op: 'conv2d', inputs: [[2, 3, 5, 4], [4, 3, 3, 2], [4]], attrs: plain },
  {
    op: 'conv2d',
    inputs: [
      [2, 3, 5, 4],
      [4, 3, 3, 2],
    ],
    attrs: plain,
    note: 'no bias',
  },
  {
    op: 'conv2d',
    inputs: [[1, 4, 7, 6], [6, 2, 2, 3], [6]],
    attrs: { stride: [2, 1], padding: [1, 2], dilation: [2, 1], groups: 2 },
    note: 'stride, padding, dilation, groups',
  },
  {
    op: 'conv2dInputGrad',
    inputs: [
      [1, 6, 4, 8],
      [6, 2, 2, 3],
    ],
    attrs: { stride: [2, 1], padding: [1, 2], dilation: [2, 1], groups: 2 },
    output: [1, 4, 7, 6],
    note: 'stride, padding, dilation, groups',
  },
  { op: 'linear', inputs: [[3, 4], [5, 4], [5]] },
  {
    op: 'linear',
    inputs: [
      [3, 4],
      [5, 4],
    ],
    note: 'no bias',
  },
  ...[false, true].flatMap((transposeA) =>
    [false, true].map((transposeB) => ({
      op: 'gemm' as const,
      inputs: [transposeA ? [4, 3] : [3, 4], transposeB ? [2, 4] : [4, 2]],
      attrs: { transposeA, transposeB, alpha: -1.5 },
      note: `transposeA ${transposeA}, transposeB ${transposeB}`,
    })),
  ),
  {
    op: 'maxPool2d',
    inputs: [[2, 2, 6, 5]],
    attrs: { ...pool, dilation: [1, 2] },
    note: 'overlapping windows',
  },
  {
    op: 'maxPool2d',
    inputs: [[1, 2, 6, 4]],
    attrs: { ...pool, stride: [3, 2], padding: [0, 0], dilation: [1, 1] },
    output: [1, 2, 2, 2],
    note: 'touching windows',
  },
  {
    op: 'avgPool2d',
    inputs: [[2, 2, 6, 5]],
    attrs: { ...pool, countIncludePad: true },
    note: 'padding counted',
  },
  {
    op: 'avgPool2d',
    inputs: [[2, 2, 6, 5]],
    attrs: { ...pool, countIncludePad: false },
    note: 'padding not counted',
  },
  {
    op: 'avgPool2d',
    inputs: [[1, 2, 6, 5]],
    attrs: { ...pool, stride: [2, 2], countIncludePad: true },
    output: [1, 2, 4, 3],
    note: 'ceil mode',
  },
  { op: 'adaptiveAvgPool2d', inputs: [[2, 2, 7, 5]], output: [2, 2, 3, 2] },
  ...activationRows().map(([op, { parameter }]) => ({
    op,
    inputs: [[3, 7]],
    ...(parameter === undefined ? {} : { attrs: { [parameter.name]: 0.3 } }),
  })),
  {
    op: 'groupNorm',
    inputs: [[2, 4, 2, 3], [4], [4]],
    attrs: { groups: 2, eps: 0.01 },
  },
  { op: 'groupNorm', inputs: [[3, 6]], attrs: { groups: 1, eps: 0.01 }, note: 'of rows' },
  {
    op: 'interpolate',
    inputs: [[1, 2, 3, 4]],
    attrs: { bilinear: true, alignCorners: false, scales: [0, 0] },
    output: [1, 2, 5, 6],
  },
  {
    op: 'interpolate',
    inputs: [[1, 2, 3, 4]],
    attrs: { bilinear: false, alignCorners: false, scales: [2, 1.5] },
    output: [1, 2, 6, 6],
    note: 'nearest',
  },
  { op: 'softmax', inputs: [[4, 5]], attrs: { dim: 1 } },
  { op: 'softmax', inputs: [[2, 3, 4]], attrs: { dim: 1 }, note: 'along the middle' },
  { op: 'logSoftmax', inputs: [[4, 5]], attrs: { dim: 0 } },
  {
    op: 'batchNorm',
    inputs: [[3, 2, 2, 2], [2], [2]],
    attrs: { eps: 0.01 },
    scalars: { count: 3 },
    at: 1,
  },
  {
    op: 'batchNorm',
    inputs: [[4, 2, 2, 1]],
    attrs: { eps: 0.01 },
    scalars: { count: 2 },
    at: 1,
    note: 'of two rows of four',
  },
  {
    op: 'batchNormInference',
    inputs: [[2, 2, 2, 2], [2], [2]],
    attrs: { eps: 0.01 },
    constants: { mean: [0.3, -0.2], var: [0.5, 1.5] },
    at: 1,
  },
  {
    op: 'dropout',
    inputs: [[4, 9]],
    attrs: { p: 0.3, seed: [5, 6], stream: 2 },
    scalars: { step: 3 },
    at: 1,
  },
  ...[5, 4, 1].map((size) => ({
    op: 'localResponseNorm' as const,
    inputs: [[2, 6, 3, 2]],
    attrs: { size, alpha: 0.7, beta: 0.75, k: 1.5 },
    note: `size ${size}`,
  })),
  { op: 'reshape', inputs: [[2, 6]], output: [3, 2, 2] },
  ...(['add', 'sub', 'mul', 'div'] as const).flatMap((op) =>
    [
      [
        [2, 5],
        [2, 5],
      ],
      [
        [2, 3, 2, 2],
        [1, 3, 1, 1],
      ],
      [
        [2, 1, 3],
        [1, 4, 3],
      ],
      [
        [1, 2],
        [3, 2],
      ],
    ].map((inputs) => ({ op, inputs, note: JSON.stringify(inputs) })),
  ),
  { op: 'expand', inputs: [[2, 1, 3, 1]], output: [2, 4, 3, 2] },
  {
    op: 'concat',
    inputs: [
      [2, 3, 2],
      [2, 1, 2],
      [2, 2, 2],
    ],
    attrs: { axis: 1 },
  },
  { op: 'slice', inputs: [[3, 4, 5]], attrs: { starts: [1, 0, 2] }, output: [2, 3, 2] },
  ...[0, 1, 2, 3].map((mode) => ({
    op: 'pad' as const,
    inputs: [[2, 2, 4, 3]],
    attrs: { before: [0, 0, 3, 2], after: [0, 0, 1, 2], mode, value: 0.5 },
    note: `mode ${mode}`,
  })),
  ...[false, true].map((mean) => ({
    op: 'sum' as const,
    inputs: [[3, 2, 4]],
    attrs: { mean },
    output: [3, 1, 4],
    note: mean ? 'mean' : 'sum',
  })),
  // Not reduced: each loss gets a gradient of its own.
  {
    op: 'softmaxCrossEntropy',
    inputs: [[4, 3]],
    fixed: [i32([4], 2, 0, -100, 1), i32([], 4), f32([3], 0.5, 1, 2)],
    attrs: { reduction: 2, ignoreIndex: -100, labelSmoothing: 0 },
    note: 'weighted, with an ignored row',
  },
  {
    op: 'softmaxCrossEntropy',
    inputs: [[4, 3]],
    fixed: [i32([4], 2, 0, 1, 1), i32([], 3)],
    attrs: { reduction: 2, ignoreIndex: -100, labelSmoothing: 0.3 },
    note: 'smoothed, with padding',
  },
  {
    op: 'softmaxCrossEntropy',
    inputs: [[4, 2]],
    fixed: [f32([4, 2], 0.2, 0.5, 0.3, 1, 0, 0.4, 0.6, 0.1), i32([], 3)],
    attrs: { reduction: 2, ignoreIndex: -100, labelSmoothing: 0 },
    note: 'of probabilities',
  },
  {
    op: 'nllLoss',
    inputs: [[4, 3]],
    fixed: [i32([4], 2, 0, 1, 1), i32([], 3), f32([3], 0.5, 1, 2)],
    attrs: { reduction: 2, ignoreIndex: 0 },
  },
  ...(['mseLoss', 'l1Loss', 'smoothL1Loss'] as const).map((op) => ({
    op,
    inputs: [
      [3, 4],
      [3, 4],
    ],
    fixed: [i32([], 2)],
    attrs: { reduction: 2, ...(op === 'smoothL1Loss' ? { beta: 0.7 } : {}) },
  })),
  {
    op: 'binaryCrossEntropyWithLogits',
    inputs: [[2, 2]],
    fixed: [f32([2, 2], 0, 1, 0.3, 0.9), i32([], 2), f32([2], 0.5, 2), f32([1], 3)],
    attrs: { reduction: 2 },
  },
];

/** Distinct values of both signs, none near zero: no kink is near. */
function valuesOf(key: string, count: number): Float64Array {
  // Roots and logarithms have none below zero.
  const isPositive = /^(log|r?sqrt)\//.test(key);
  return Float64Array.from({ length: count }, (_, index) => {
    const hash = hashAt(key, index);
    return (isPositive || hash & 1 ? 1 : -1) * (0.1 + hash / 2 ** 32);
  });
}

const size = (shape: Shape) => shape.reduce((product, length) => product * length, 1);
const options = { name: 'node', phase: 'forward' as const };

/**
 * The graph loss = crossEntropy(op(a, b, ...)) with the gradient with respect to each input as an output, and
 * the programs' inputs.
 */
function differentiated(gradientCase: GradientCase) {
  const {
    op,
    inputs,
    attrs = {},
    output,
    scalars = {},
    constants = {},
    at = 0,
    fixed = [],
  } = gradientCase;
  const builder = new GraphBuilder();
  const parameters = inputs.map((shape, index) =>
    builder.named('parameter', `p${index}`, 'f32', shape),
  );
  const others = [
    ...Object.keys(scalars).map((name) => builder.named('input', name, 'i32', [])),
    ...Object.entries(constants).map(([name, values]) =>
      builder.named('input', name, 'f32', [values.length]),
    ),
  ];
  const given = [...parameters.slice(0, at), ...others, ...parameters.slice(at)];
  const shapes = output === undefined ? {} : { shapes: [output] };
  const behind = fixed.map(({ dtype, shape }, i) => builder.named('input', `f${i}`, dtype, shape));
  given.push(...behind);
  const [y] = builder.apply(op, given, attrs, { ...options, ...shapes });
  const total = size(builder.value(y!).shape);
  const rows = total % 2 === 0 ? 2 : 1;
  const [logits] = builder.apply(
    'reshape',
    [y!],
    {},
    { ...options, shapes: [[rows, total / rows]] },
  );
  const labels = builder.named('input', 'labels', 'i32', [rows]);
  const count = builder.named('input', 'rows', 'i32', []);
  const [loss] = builder.apply(
    'softmaxCrossEntropy',
    [logits!, labels, count],
    { reduction: 1, ignoreIndex: -100, labelSmoothing: 0 },
    options,
  );
  const gradients = addBackward(builder, loss!, new Set(parameters));
  const outputs = new Map([['loss', loss!]]);
  for (const [index, id] of parameters.entries()) outputs.set(`g${index}`, gradients.get(id)!);
  const feeds = {
    labels: [1, 0].slice(0, rows),
    rows,
    ...scalars,
    ...constants,
    ...Object.fromEntries(fixed.map(({ data }, i) => [`f${i}`, data])),
  };
  return { program: new ReferenceProgram(finish(builder, outputs)), feeds };
}

describe('gradient rules agree with differences in float64', () => {
  it('has a case for every operation with a gradient rule', () => {
    const covered = new Set<string>(cases.map(({ op }) => op));
    const ruled = Object.entries(operations).filter(([, { gradient }]) => gradient !== null);
    expect(ruled.map(([op]) => op).sort()).toEqual([...covered].sort());
  });

  it.each(cases.map((item) => [`${item.op} ${item.note ?? ''}`.trim(), item] as const))(
    '%s',
    (_title, gradientCase) => {
      const { program, feeds } = differentiated(gradientCase);
      const { op, inputs } = gradientCase;
      const start = inputs.map((shape, index) => valuesOf(`${op}/${index}`, size(shape)));
      for (const [index, values] of start.entries()) program.write(`p${index}`, values);
      const found = program.run(feeds);
      // Third derivatives of these are large.
      const step = /^(div|log|r?sqrt)$/.test(op) ? 1e-6 : 1e-5;
      for (const [index, values] of start.entries()) {
        const lossAt = (at: number, by: number) => {
          program.write(`p${index}`, values.with(at, values[at]! + by));
          return program.run(feeds).loss![0]!;
        };
        for (let at = 0; at < values.length; at++) {
          const difference = (lossAt(at, step) - lossAt(at, -step)) / (2 * step);
          expect(found[`g${index}`]![at], `input ${index}, element ${at}`).toBeCloseTo(
            difference,
            8,
          );
        }
        expect(Math.max(...found[`g${index}`]!.map(Math.abs))).toBeGreaterThan(1e-4);
        program.write(`p${index}`, values);
      }
    },
  );

  it('sums the gradients of a value that is used more than once', () => {
    const builder = new GraphBuilder();
    const x = builder.named('parameter', 'x', 'f32', [2, 3]);
    const [squashed] = builder.apply('sigmoid', [x], {}, options);
    const [once] = builder.apply('add', [squashed!, x], {}, options);
    const [twice] = builder.apply('add', [once!, x], {}, options);
    const labels = builder.named('input', 'labels', 'i32', [2]);
    const count = builder.named('input', 'count', 'i32', []);
    const attrs = { reduction: 0, ignoreIndex: -100, labelSmoothing: 0 };
    const [loss] = builder.apply('softmaxCrossEntropy', [twice!, labels, count], attrs, options);
    const gradient = addBackward(builder, loss!, new Set([x])).get(x)!;
    const outputs = new Map([
      ['loss', loss!],
      ['gx', gradient],
    ]);
    const program = new ReferenceProgram(finish(builder, outputs));
    const feeds = { labels: [2, 0], count: 2 };
    const values = valuesOf('shared', 6);
    program.write('x', values);
    const { gx } = program.run(feeds);
    for (let at = 0; at < 6; at++) {
      const lossAt = (by: number) => {
        program.write('x', values.with(at, values[at]! + by));
        return program.run(feeds).loss![0]!;
      };
      expect(gx![at]).toBeCloseTo((lossAt(1e-5) - lossAt(-1e-5)) / 2e-5, 8);
    }
  });

  it('multiplies a loss that counts more than once, or in part', () => {
    const builder = new GraphBuilder();
    const x = builder.named('parameter', 'x', 'f32', [2, 3]);
    const labels = builder.named('input', 'labels', 'i32', [2]);
    const count = builder.named('input', 'count', 'i32', []);
    const attrs = { reduction: 0, ignoreIndex: -100, labelSmoothing: 0 };
    const [entropy] = builder.apply('softmaxCrossEntropy', [x, labels, count], attrs, options);
    const [twice] = builder.apply('add', [entropy!, entropy!], {}, options);
    const [squashed] = builder.apply('sigmoid', [twice!], {}, options);
    const [loss] = builder.apply('add', [squashed!, entropy!], {}, options);
    const gradient = addBackward(builder, loss!, new Set([x])).get(x)!;
    const outputs = new Map([
      ['loss', loss!],
      ['gx', gradient],
    ]);
    const program = new ReferenceProgram(finish(builder, outputs));
    const feeds = { labels: [2, 0], count: 2 };
    const values = valuesOf('counted', 6);
    program.write('x', values);
    const { gx } = program.run(feeds);
    for (let at = 0; at < 6; at++) {
      const lossAt = (by: number) => {
        program.write('x', values.with(at, values[at]! + by));
        return program.run(feeds).loss![0]!;
      };
      expect(gx![at]).toBeCloseTo((lossAt(1e-5) - lossAt(-1e-5)) / 2e-5, 8);
    }
  });
});
