/**
 * Owns whole graphs: a training step, an evaluation, a prediction.
 *
 * Inputs that a run needs are named `image`, `label`, `count` (rows of the batch that are real),
 * `step` (1 for the first), `lr` (and `lr.1`, ... for further parameter groups); a graph has only
 * those that it uses, and `one`, the number 1, where the loss is the output of an ordinary operation.
 * `label` are the targets, of the type and shape that the loss takes. Outputs are `loss` and, where
 * the loss counts them, `correct`; or `logits` and, where they are wanted, `probabilities`.
 */

import { checkInteger, checkOneOf, show } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import { addBackward } from '../graph/backward.js';
import { finish } from '../graph/finish.js';
import {
  type LossFacts,
  type LossModule,
  type LossTargets,
  reductionOf,
  targetsOf,
} from '../graph/loss.js';
import { checkShape, largestSize, type Shape } from '../graph/shapes.js';
import type { GraphSpec, ValueSpec } from '../graph/spec.js';
import { learningRateName, type StepRule } from '../graph/step-rule.js';
import { first, type ParameterSource, type Tensor, type TensorSource } from '../graph/tensor.js';
import { modesOf, sourceNames, type TraceableModule, trace } from '../graph/trace.js';
import { Tracer } from '../graph/tracer.js';

/** Channels of an image, at most: each has a mean and a standard deviation. */
export const mostChannels = 2 ** 16;

/** The images that a graph is made for. */
export interface ImageSpec {
  /** Rows of a batch; a smaller batch is padded and `count` says how many rows are real. */
  batchSize: number;
  /** Shape of one image: [C, H, W]. */
  shape: Shape;
  /** `u8` images become floats in the graph's first node; `f32` images come ready. */
  dtype?: 'u8' | 'f32';
  /** Mean of each channel, subtracted after division by 255; u8 only. Default: 0. */
  mean?: readonly number[];
  /** Standard deviation of each channel, divided by; u8 only. Default: 1. */
  std?: readonly number[];
}

/** Seed of dropout masks. */
export interface TraceOptions {
  seed?: number | bigint;
}

/** A finished graph and what a caller needs to run it. */
export interface TracedGraph {
  readonly spec: GraphSpec;
  readonly batchSize: number;
  /** Inputs that each run takes, by name. */
  readonly inputs: ReadonlyMap<string, ValueSpec>;
  /** Parameters and buffers in the graph, by name, with the objects that they are. */
  readonly parameters: ReadonlyMap<string, TensorSource>;
  /** Names and shapes of the optimizer state, zero before the first step. */
  readonly states: ReadonlyMap<string, Shape>;
  /** What {@link modesOf} said of the network. */
  readonly modes: string;
  /** What is known of the loss; undefined for a prediction. */
  readonly loss: LossFacts | undefined;
  /** Whether a batch must have exactly `batchSize` rows: padded ones would take part in the result. */
  readonly wholeBatches: boolean;
}

/**
 * The graph of one training step: forward in training mode, backward, and the optimizer.
 * Outputs: `loss` (f32) and, where the loss counts them, `correct` (i32, rows whose largest logit is
 * the label's).
 *
 * @throws ShapeError, ArgumentError where a module does not take its input, with the module's path.
 */
export function trainGraph(
  net: TraceableModule,
  loss: LossModule,
  optimizer: StepRule,
  image: ImageSpec,
  options: TraceOptions = {},
): TracedGraph {
  const run = traceLoss(net, loss, image, true, options);
  const { tracer, parameters } = run;
  const builder = tracer.builder;
  const trained = optimizer.parameters();
  for (const parameter of trained) {
    if (!parameters.has(parameter)) {
      throw new ArgumentError(
        `the optimizer has a parameter of shape ${show([...parameter.shape])} that the network ` +
          'does not have; make the optimizer from net.parameters() of the same network',
      );
    }
  }
  const wanted = new Map<number, ParameterSource>();
  for (const [id, value] of builder.values.entries()) {
    const source = value.kind === 'parameter' ? sourceOf(parameters, value.name) : undefined;
    if (source === undefined || !('requiresGrad' in source) || !source.requiresGrad) continue;
    if (optimizer.groupOf(source) !== undefined) wanted.set(id, source);
  }
  const gradients = addBackward(builder, run.loss.id, new Set(wanted.keys()));
  if (gradients.size === 0) {
    throw new ArgumentError(
      'no parameter of the optimizer takes part in the loss; check requiresGrad and the ' +
        'parameters given to the optimizer',
    );
  }
  const states = new Map<string, Shape>();
  for (const [id, gradient] of gradients) {
    const source = wanted.get(id);
    const group = source === undefined ? undefined : optimizer.groupOf(source);
    if (group === undefined) continue;
    const { name, shape } = builder.value(id);
    optimizer.emitStep({
      group,
      parameter: id,
      gradient,
      step: builder.named('input', 'step', 'i32', []),
      lr: builder.named('input', learningRateName(group), 'f64', []),
      state: (prefix) => {
        states.set(`${prefix}.${name}`, shape);
        return builder.named('state', `${prefix}.${name}`, 'f32', shape);
      },
      emit: (op, inputs, attrs) => {
        builder.apply(op, inputs, attrs, { name, phase: 'optimizer' });
      },
    });
  }
  return finished(run, image, lossOutputs(run), states, run);
}

/**
 * The graph of an evaluation: forward in evaluation mode, and the loss.
 * Outputs: `loss` (f32) and, where the loss counts them, `correct` (i32).
 *
 * @throws ShapeError, ArgumentError where a module does not take its input, with the module's path.
 */
export function evalGraph(net: TraceableModule, loss: LossModule, image: ImageSpec): TracedGraph {
  const run = traceLoss(net, loss, image, false, {});
  return finished(run, image, lossOutputs(run), new Map(), run);
}

/**
 * The graph of a prediction: forward in evaluation mode.
 * Outputs: `logits`, whatever the network returns first; with `softmax`, and where they are [N, C],
 * `probabilities` too.
 *
 * @throws ShapeError, ArgumentError where a module does not take its input, with the module's path.
 */
export function predictGraph(net: TraceableModule, image: ImageSpec, softmax = false): TracedGraph {
  const run = traceNet(net, image, false, {});
  const [logits] = run.outputs;
  const outputs = new Map([['logits', logits.id]]);
  if (softmax && logits.shape.length === 2) {
    const probabilities = first(run.tracer.record('softmax', [logits], { dim: 1 }));
    outputs.set('probabilities', probabilities.id);
  }
  return finished(run, image, outputs);
}

interface NetRun {
  tracer: Tracer;
  parameters: ReadonlyMap<TensorSource, string>;
  modes: string;
  /** What the network returns. */
  outputs: [Tensor, ...Tensor[]];
}

interface LossRun extends NetRun {
  loss: Tensor;
  reduction: 'mean' | 'sum';
  targets: LossTargets;
}

function traceNet(
  net: TraceableModule,
  image: ImageSpec,
  training: boolean,
  options: TraceOptions,
  loss?: TraceableModule,
): NetRun {
  const shape = checkImage(image);
  const parameters = sourceNames(net, loss);
  const tracer = new Tracer(parameters, splitSeed(options.seed ?? 0));
  let input = tracer.input('image', image.dtype ?? 'u8', shape);
  if (input.dtype === 'u8') {
    const channels = image.shape[0] ?? 0;
    const mean = image.mean ?? new Array<number>(channels).fill(0);
    const std = image.std ?? new Array<number>(channels).fill(1);
    const options = { who: 'image' };
    input = first(tracer.record('toFloat', [input], { mean: [...mean], std: [...std] }, options));
  }
  const outputs = trace(tracer, net, [input], training) as [Tensor, ...Tensor[]];
  return { tracer, parameters, modes: modesOf(net), outputs };
}

function traceLoss(
  net: TraceableModule,
  loss: LossModule,
  image: ImageSpec,
  training: boolean,
  options: TraceOptions,
): LossRun {
  const run = traceNet(net, image, training, options, loss);
  const targets = targetsOf(loss, run.outputs[0], image.batchSize);
  const label = run.tracer.input('label', targets.dtype, targets.shape);
  if (loss.leavesPaddingOut !== true) run.tracer.requireWholeBatches();
  const [value, ...more] = trace(run.tracer, loss, [...run.outputs, label], training, 'loss');
  if (value === undefined || more.length > 0) {
    throw new ArgumentError(`the loss must be a single f32 number, got ${more.length + 1} tensors`);
  }
  if (value.shape.length !== 0 || value.dtype !== 'f32') {
    const advice = loss.reduction === 'none' ? ": give it reduction 'mean' or 'sum'" : '';
    throw new ArgumentError(
      `the loss must be a single f32 number, got ${value.dtype} of shape ` +
        `${show([...value.shape])}${advice}`,
    );
  }
  return { ...run, loss: value, targets, reduction: reductionOf(loss) };
}

function lossOutputs(run: LossRun): Map<string, number> {
  const outputs = new Map([['loss', run.loss.id]]);
  for (const [name, tensor] of run.tracer.outputs) outputs.set(name, tensor.id);
  return outputs;
}

function finished(
  run: NetRun,
  image: ImageSpec,
  outputs: ReadonlyMap<string, number>,
  states: ReadonlyMap<string, Shape> = new Map(),
  lossRun?: LossRun,
): TracedGraph {
  run.tracer.close();
  const spec = finish(run.tracer.builder, outputs);
  const inputs = new Map<string, ValueSpec>();
  const parameters = new Map<string, TensorSource>();
  for (const value of spec.values) {
    if (value.kind === 'input') inputs.set(value.name, value);
    const source = sourceOf(run.parameters, value.name);
    if (value.kind === 'parameter' && source !== undefined) parameters.set(value.name, source);
  }
  const loss = lossRun && {
    reduction: lossRun.reduction,
    targets: inputs.has('label') ? lossRun.targets : undefined,
    hasCorrect: outputs.has('correct'),
  };
  return {
    spec,
    batchSize: image.batchSize,
    inputs,
    parameters,
    states,
    modes: run.modes,
    loss,
    wholeBatches: run.tracer.needsWholeBatches,
  };
}

function sourceOf(
  parameters: ReadonlyMap<TensorSource, string>,
  wanted: string,
): TensorSource | undefined {
  for (const [source, name] of parameters) if (name === wanted) return source;
  return undefined;
}

function checkImage(image: ImageSpec): Shape {
  checkInteger('image', 'batchSize', image.batchSize, 1, largestSize);
  const [channels = 0] = checkShape('image', 'shape', image.shape);
  checkInteger('image', 'shape[0], the channels,', channels, 1, mostChannels);
  checkOneOf('image', 'dtype', image.dtype ?? 'u8', ['u8', 'f32']);
  if (image.shape.length !== 3) {
    throw new ArgumentError(`image expects a shape [C, H, W], got ${show([...image.shape])}`);
  }
  if (image.dtype === 'f32' && (image.mean !== undefined || image.std !== undefined)) {
    throw new ArgumentError('image takes mean and std for u8 images only, got dtype f32');
  }
  if (image.std?.some((value) => !(value > 0))) {
    throw new ArgumentError(`image expects std above 0, got ${show([...image.std])}`);
  }
  return [image.batchSize, ...image.shape];
}

/** Low and high 32 bits of a seed. */
function splitSeed(seed: number | bigint): readonly [number, number] {
  const ok = typeof seed === 'bigint' || Number.isSafeInteger(seed);
  if (!ok || seed < 0 || seed >= 2n ** 64n) {
    throw new ArgumentError(`expected a seed from 0 to 2^64 - 1, got ${show(seed)}`);
  }
  const bits = BigInt(seed);
  return [Number(bits & 0xffffffffn), Number(bits >> 32n)];
}
