/**
 * Runs the rows of op-cases.json through the public `ops`: the forward operation, its gradient
 * operations, and steps of an optimizer. Names are those of the graph contract throughout, so that
 * one rule serves every operation: an operation gets the inputs and attributes that it declares.
 * Pooling alone goes through its named functions, which know `ceilMode` and `outputSize`.
 */

import { type Algorithm, ops } from 'neuronode';
import { GraphBuilder } from '../../dist/graph/builder.js';
import { finish } from '../../dist/graph/finish.js';
import { pooledShape } from '../../dist/graph/ops/pooling.js';
import type { OpName } from '../../dist/graph/table.js';
import { operations } from '../../dist/graph/table.js';
import { compile } from '../../dist/program/native.js';
import { testDevice } from './device.js';
import { attrsOf, bytes, floats, labels, type OpCase, openShape } from './op-cases.js';
import { caseGraph } from './op-graph.js';
import type { HostArray } from './references.js';

export type { Algorithm };

/** Inputs of a case by name. */
export type Inputs = Readonly<Record<string, Float32Array>>;

/** Outputs by the names of the graph contract. */
export type Outputs = Record<string, HostArray>;

type Tensors = Readonly<Record<string, ops.HostTensor | number>>;
type Shapes = Readonly<Record<string, readonly number[]>>;
type Pair = readonly [number, number];

/** The f32 inputs of a case, as the table distributes them. */
export function floatInputs(opCase: OpCase): Inputs {
  return Object.fromEntries(Object.keys(opCase.shapes).map((name) => [name, floats(opCase, name)]));
}

/** Runs an operation on those of `tensors` that it declares. */
async function run(
  op: OpName,
  opCase: OpCase,
  tensors: Tensors,
  options: ops.RunOptions = {},
): Promise<Record<string, ops.HostTensor>> {
  const { inputs, attrs } = operations[op];
  const given = inputs
    .filter(({ name }) => Object.hasOwn(tensors, name))
    .map(({ name }) => [name, tensors[name]]);
  return ops.run(op, Object.fromEntries(given), attrsOf(opCase, Object.keys(attrs)), {
    device: testDevice,
    ...options,
  });
}

function tensorsOf(opCase: OpCase, inputs: Inputs): Record<string, ops.FloatTensor> {
  const entries = Object.entries(inputs);
  return Object.fromEntries(
    entries.map(([name, data]) => [name, { data, shape: opCase.shapes[name]! }]),
  );
}

/** Inputs that are a single number: the step, for rows of dropout, and how many rows are real. */
function numbersOf({ attrs, shapes }: OpCase): Tensors {
  const count = typeof attrs.count === 'number' ? attrs.count : shapes.x?.[0];
  return {
    ...(typeof attrs.step === 'number' ? { step: attrs.step } : {}),
    ...(count === undefined ? {} : { count }),
  };
}

/** The shapes of gradients: those of the inputs they belong to. */
function gradientShapes(opCase: OpCase, op: OpName): Shapes {
  const names = operations[op].outputs.map(({ name }) => name);
  const entries = names.map((name) => [name, opCase.shapes[name.slice(1)]]);
  return Object.fromEntries(entries.filter(([, shape]) => shape !== undefined));
}

/** The operation's outputs: y, and for max-pooling its indices. */
async function forwardAll(
  opCase: OpCase,
  inputs: Inputs,
  given: ops.OpOptions,
): Promise<Record<string, ops.HostTensor>> {
  const options = { device: testDevice, ...given };
  const tensors = tensorsOf(opCase, inputs);
  const { op, attrs } = opCase;
  const shape = openShape(opCase);
  const { kernelSize, outputSize, ...pooling } = attrs;
  switch (op) {
    case 'maxPool2d':
      return ops.maxPool2d(tensors.x!, kernelSize as Pair, { ...pooling, ...options });
    case 'avgPool2d':
      return { y: await ops.avgPool2d(tensors.x!, kernelSize as Pair, { ...pooling, ...options }) };
    case 'adaptiveAvgPool2d':
      return { y: await ops.adaptiveAvgPool2d(tensors.x!, outputSize as Pair, options) };
    case 'concat':
      return { y: await ops.concat(Object.values(tensors), attrs.axis as number, options) };
    default:
      if (shape !== undefined)
        return run(op, opCase, tensors, { ...options, shapes: { y: shape } });
      return run(op, opCase, { ...tensors, ...numbersOf(opCase) }, options);
  }
}

/** The operation's output y. */
export async function forward(
  opCase: OpCase,
  inputs: Inputs,
  options: ops.OpOptions = {},
): Promise<HostArray> {
  return (await forwardAll(opCase, inputs, options)).y!;
}

/** Every gradient of sum(gy * y), named g<input>. */
export async function gradients(
  opCase: OpCase,
  inputs: Inputs,
  gy: ops.FloatTensor,
  options: ops.OpOptions = {},
): Promise<Outputs> {
  const forwards = await forwardAll(opCase, inputs, options);
  return gradientsAfter(
    opCase,
    { ...tensorsOf(opCase, inputs), ...numbersOf(opCase), ...forwards, gy },
    options,
  );
}

/** @param tensors Inputs and outputs of the forward operation, and gy. */
async function gradientsAfter(
  opCase: OpCase,
  tensors: Tensors,
  options: ops.OpOptions,
): Promise<Outputs> {
  const found: Outputs = {};
  for (const op of opCase.gradients) {
    const shapes = gradientShapes(opCase, op);
    // A weight or bias that there is none of has no gradient, and its computation has kernels of its
    // own.
    const outputs = operations[op].outputs
      .map(({ name }) => name)
      .filter((name) => !/^g[wb]$/.test(name) || opCase.shapes[name.slice(1)] !== undefined);
    Object.assign(found, await run(op, opCase, tensors, { ...options, shapes, outputs }));
  }
  return found;
}

/** Whether an operation is a loss: it says how many rows are real. */
export function isLoss({ op, attrs }: OpCase): boolean {
  return attrs.count !== undefined && !op.startsWith('batchNorm');
}

/** The name of what a loss has its gradient with respect to. */
export function lossInput({ shapes }: OpCase): 'logits' | 'input' {
  return shapes.logits === undefined ? 'input' : 'logits';
}

/** Loss, gradient and, of a loss over classes, number of correct rows. */
export async function lossOf(
  opCase: OpCase,
  values: Float32Array,
  options: ops.OpOptions = {},
): Promise<Outputs> {
  const { shapes, distributions, attrs } = opCase;
  const tensors: Record<string, ops.HostTensor | number> = { count: attrs.count as number };
  for (const [name, shape] of Object.entries(shapes)) {
    const areLabels = name === 'labels' && distributions.labels !== 'unit';
    tensors[name] = { data: (areLabels ? labels : floats)(opCase, name), shape };
  }
  // Weights before others that are given must be given too.
  if (shapes.posWeight !== undefined && shapes.weight === undefined) tensors.weight = 1;
  const name = lossInput(opCase);
  return run(
    opCase.op,
    opCase,
    { ...tensors, [name]: { data: values, shape: shapes[name]! } },
    options,
  );
}

/** The parameter and the state after all steps of a row; `states` start at zero. */
async function optimizerSteps(
  opCase: OpCase,
  states: readonly string[],
  options: ops.OpOptions,
): Promise<Outputs> {
  const { steps, lr } = opCase.attrs as { steps: number; lr: number };
  const shape = opCase.shapes.p!;
  let tensors: Record<string, ops.HostTensor> = { p: { data: floats(opCase, 'p'), shape } };
  const size = tensors.p!.data.length;
  for (const name of states) tensors[name] = { data: new Float32Array(size), shape };
  for (let step = 1; step <= steps; step++) {
    const g = { data: floats(opCase, `g.${step}`, shape, 'g'), shape };
    tensors = await run(opCase.op, opCase, { ...tensors, g, step, lr }, options);
  }
  return tensors;
}

/** The running statistics after all batches of a row; batch s has x.<s>. */
async function runningStatistics(opCase: OpCase, options: ops.OpOptions): Promise<Outputs> {
  const { batches, eps, momentum, count } = opCase.attrs as Record<string, number | null>;
  const shape = opCase.shapes.x!;
  const [, channels, height, width] = shape as [number, number, number, number];
  const perChannel = (value: number) => ({
    data: new Float32Array(channels).fill(value),
    shape: [channels],
  });
  let running: Parameters<typeof ops.batchNormUpdate>[0] = {
    mean: perChannel(0),
    var: perChannel(1),
    runningMean: perChannel(0),
    runningVar: perChannel(1),
    numBatches: { data: Int32Array.of(0), shape: [] },
  };
  const settings = { device: testDevice, ...options };
  for (let batch = 1; batch <= batches!; batch++) {
    const x = { data: floats(opCase, `x.${batch}`, shape, 'x'), shape };
    const rows = { count: count ?? shape[0]! };
    const { mean, var: variance } = await ops.batchNorm({ x }, { eps: eps!, ...rows, ...settings });
    const update = { ...rows, momentum: momentum!, pixels: height * width, ...settings };
    const updated = await ops.batchNormUpdate({ ...running, mean, var: variance }, update);
    running = { ...running, ...updated };
  }
  const { runningMean, runningVar, numBatches } = running;
  return { runningMean, runningVar, numBatches: numBatches! };
}

/**
 * Every output of a row: of the operation and of its gradient operations. By direct convolutions, on
 * the device under test, unless the options say otherwise.
 */
export async function runCase(opCase: OpCase, given: ops.OpOptions = {}): Promise<Outputs> {
  const options: ops.OpOptions = { algorithm: 'direct', ...given };
  if (isLoss(opCase)) return lossOf(opCase, floats(opCase, lossInput(opCase)), options);
  switch (opCase.op) {
    case 'toFloat': {
      const x = { data: bytes(opCase, 'x'), shape: opCase.shapes.x! };
      return run(opCase.op, opCase, { x }, options);
    }
    case 'adamStep':
      return optimizerSteps(opCase, ['m', 'v'], options);
    case 'rmspropStep': {
      const { momentum, centered } = opCase.attrs;
      const states = ['square', ...(momentum === 0 ? [] : ['momentumBuffer'])];
      return optimizerSteps(opCase, centered ? [...states, 'mean'] : states, options);
    }
    case 'sgdStep': {
      const states = opCase.attrs.momentum === 0 ? [] : ['momentumBuffer'];
      return optimizerSteps(opCase, states, options);
    }
    case 'batchNormUpdate':
      return runningStatistics(opCase, options);
    default: {
      const inputs = floatInputs(opCase);
      const forwards = await forwardAll(opCase, inputs, options);
      const { shape } = forwards.y!;
      const gy = { data: floats(opCase, 'gy', shape), shape };
      const tensors = { ...tensorsOf(opCase, inputs), ...numbersOf(opCase), ...forwards, gy };
      return { y: forwards.y!, ...(await gradientsAfter(opCase, tensors, options)) };
    }
  }
}

/** The kernel that each operation of a row gets, by operation. */
export async function kernelsOf(
  opCase: OpCase,
  algorithm: Algorithm,
): Promise<Record<string, string>> {
  const graph = caseGraph(opCase, { GraphBuilder, finish, operations, pooledShape });
  const program = await compile(graph, { device: testDevice, algorithm });
  const steps = program.plan().steps.filter(({ op }) => op !== 'reorder');
  await program.dispose();
  return Object.fromEntries(steps.map(({ op, kernel }) => [op, kernel]));
}
