/**
 * Runs the rows of op-cases.json through the public `ops`: the forward operation, its gradient
 * operations, and steps of an optimizer. Output names are those of the graph contract.
 */
import { ops } from 'neuronode';
import { bytes, floats, labels, type OpCase } from './op-cases.js';
import type { HostArray } from './references.js';

/** How convolutions are computed. */
export type Algorithm = 'direct' | 'winograd';

/** Inputs of a case by name. */
export type Inputs = Readonly<Record<string, Float32Array>>;

/** Outputs by the names of the graph contract. */
export type Outputs = Record<string, HostArray>;

type Pair = readonly [number, number];

interface WindowAttrs {
  kernelSize: Pair;
  stride: Pair;
  padding: Pair;
  dilation: Pair;
  ceilMode: boolean;
}

/** The f32 inputs of a case, as the table distributes them. */
export function floatInputs(opCase: OpCase): Inputs {
  return Object.fromEntries(Object.keys(opCase.shapes).map((name) => [name, floats(opCase, name)]));
}

function attrsOf<T>(opCase: OpCase): T {
  return opCase.attrs as T;
}

function tensors(opCase: OpCase, inputs: Inputs): Record<string, ops.FloatTensor> {
  const entries = Object.entries(inputs);
  return Object.fromEntries(
    entries.map(([name, data]) => [name, { data, shape: opCase.shapes[name]! }]),
  );
}

/** The operation's output y. */
export async function forward(
  opCase: OpCase,
  inputs: Inputs,
  algorithm: Algorithm = 'direct',
): Promise<ops.FloatTensor> {
  const { x, w, b, a } = tensors(opCase, inputs);
  switch (opCase.op) {
    case 'conv2d':
      return ops.conv2d(x!, w!, b, convOptions(opCase, algorithm));
    case 'linear':
      return ops.linear(x!, w!, b);
    case 'gemm':
      return ops.gemm(a!, b!, attrsOf<ops.GemmOptions>(opCase));
    case 'maxPool2d': {
      const { kernelSize, ...options } = attrsOf<WindowAttrs>(opCase);
      return (await ops.maxPool2d(x!, kernelSize, options)).y;
    }
    case 'avgPool2d': {
      const { kernelSize, ...options } = attrsOf<WindowAttrs & { countIncludePad: boolean }>(
        opCase,
      );
      return ops.avgPool2d(x!, kernelSize, options);
    }
    case 'adaptiveAvgPool2d':
      return ops.adaptiveAvgPool2d(x!, attrsOf<{ outputSize: Pair }>(opCase).outputSize);
    case 'relu':
      return ops.relu(x!);
    case 'sigmoid':
      return ops.sigmoid(x!);
    case 'softmax':
      return ops.softmax(x!);
    case 'add':
      return ops.add(a!, b!);
    case 'reshape':
      return ops.reshape(x!, attrsOf<{ shape: number[] }>(opCase).shape);
    default:
      throw new Error(`op-runner.ts does not know how to run ${opCase.op}`);
  }
}

/** Every gradient of sum(gy * y), named g<input>. */
export async function gradients(
  opCase: OpCase,
  inputs: Inputs,
  gy: ops.FloatTensor,
  algorithm: Algorithm = 'direct',
): Promise<Record<string, ops.FloatTensor>> {
  const { x, w, b } = tensors(opCase, inputs);
  switch (opCase.op) {
    case 'conv2d': {
      const options = convOptions(opCase, algorithm);
      const gx = await ops.conv2dInputGrad(gy, w!, x!.shape, options);
      return { gx, ...parameterGrads(b, await ops.conv2dWeightGrad(x!, gy, w!.shape, options)) };
    }
    case 'linear': {
      const gx = await ops.linearInputGrad(gy, w!);
      return { gx, ...parameterGrads(b, await ops.linearWeightGrad(x!, gy)) };
    }
    case 'maxPool2d': {
      const { kernelSize, ceilMode, ...options } = attrsOf<WindowAttrs>(opCase);
      const { indices } = await ops.maxPool2d(x!, kernelSize, { ...options, ceilMode });
      return { gx: await ops.maxPool2dGrad(gy, indices, x!.shape, kernelSize, options) };
    }
    case 'avgPool2d': {
      const { kernelSize, ceilMode: _, ...options } = attrsOf<WindowAttrs>(opCase);
      return { gx: await ops.avgPool2dGrad(gy, x!.shape, kernelSize, options) };
    }
    case 'adaptiveAvgPool2d':
      return { gx: await ops.adaptiveAvgPool2dGrad(gy, x!.shape) };
    case 'relu':
      return { gx: await ops.reluGrad(gy, await ops.relu(x!)) };
    case 'sigmoid':
      return { gx: await ops.sigmoidGrad(gy, await ops.sigmoid(x!)) };
    default:
      throw new Error(`op-runner.ts does not know the gradients of ${opCase.op}`);
  }
}

function convOptions(opCase: OpCase, algorithm: Algorithm) {
  const { stride, padding, dilation } = attrsOf<WindowAttrs>(opCase);
  const { groups } = attrsOf<{ groups: number }>(opCase);
  return { stride, padding, dilation, groups, ...({ algorithm } as ops.OpOptions) };
}

function parameterGrads(
  bias: ops.FloatTensor | undefined,
  { gw, gb }: { gw: ops.FloatTensor; gb: ops.FloatTensor },
): Record<string, ops.FloatTensor> {
  return bias === undefined ? { gw } : { gw, gb };
}

/** Loss, number of correct rows and gradient of a row of softmaxCrossEntropy. */
export async function lossOf(opCase: OpCase, logits: Float32Array, classes: Int32Array) {
  const found = await ops.softmaxCrossEntropy(
    { data: logits, shape: opCase.shapes.logits! },
    { data: classes, shape: opCase.shapes.labels! },
    attrsOf<{ reduction: 'mean' | 'sum'; count: number }>(opCase),
  );
  const scalar = (value: number): HostArray => ({ data: [value], shape: [] });
  return {
    loss: scalar(found.loss),
    correct: scalar(found.correct),
    gradLogits: found.gradLogits,
  };
}

async function adamSteps(opCase: OpCase): Promise<Outputs> {
  const { steps, beta1, beta2, ...options } = attrsOf<
    Omit<ops.AdamStepOptions, 'betas'> & { steps: number; beta1: number; beta2: number }
  >(opCase);
  const shape = opCase.shapes.p!;
  const p = { data: floats(opCase, 'p'), shape };
  const zeros: ops.FloatTensor = { data: new Float32Array(p.data.length), shape };
  let state = { p, m: zeros, v: zeros };
  for (let step = 1; step <= steps; step++) {
    const g = { data: floats(opCase, `g.${step}`, shape, 'g'), shape };
    state = await ops.adamStep({ ...state, g }, { ...options, step, betas: [beta1, beta2] });
  }
  return state;
}

async function sgdSteps(opCase: OpCase): Promise<Outputs> {
  const { steps, ...options } = attrsOf<ops.SgdStepOptions & { steps: number }>(opCase);
  const shape = opCase.shapes.p!;
  const p = { data: floats(opCase, 'p'), shape };
  const momentumBuffer = { data: new Float32Array(p.data.length), shape };
  let state: { p: ops.FloatTensor; momentumBuffer?: ops.FloatTensor } =
    options.momentum === 0 ? { p } : { p, momentumBuffer };
  for (let step = 1; step <= steps; step++) {
    const g = { data: floats(opCase, `g.${step}`, shape, 'g'), shape };
    state = await ops.sgdStep({ ...state, g }, { ...options, step });
  }
  return state;
}

/** Every output of a row: of the operation and of its gradient operations. */
export async function runCase(opCase: OpCase, algorithm: Algorithm = 'direct'): Promise<Outputs> {
  switch (opCase.op) {
    case 'toFloat': {
      const { mean, std } = attrsOf<{ mean: number[]; std: number[] }>(opCase);
      const x = { data: bytes(opCase, 'x'), shape: opCase.shapes.x! };
      return { y: await ops.toFloat(x, mean, std) };
    }
    case 'softmaxCrossEntropy':
      return lossOf(opCase, floats(opCase, 'logits'), labels(opCase, 'labels'));
    case 'adamStep':
      return adamSteps(opCase);
    case 'sgdStep':
      return sgdSteps(opCase);
    default: {
      const inputs = floatInputs(opCase);
      const y = await forward(opCase, inputs, algorithm);
      if (opCase.gradients.length === 0) return { y };
      const gy = { data: floats(opCase, 'gy', y.shape), shape: y.shape };
      return { y, ...(await gradients(opCase, inputs, gy, algorithm)) };
    }
  }
}
