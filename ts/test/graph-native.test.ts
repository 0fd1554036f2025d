/**
 * Whole graphs, native against the float64 interpreter: the same traced training steps, evaluations
 * and predictions, with losses, counts, parameters and optimizer state compared.
 */
import { manualSeed, models, nn, optim, type Tensor } from 'neuronode';
import { describe, expect, it } from 'vitest';
import { operations } from '../../dist/graph/table.js';
import {
  evalGraph,
  type ImageSpec,
  predictGraph,
  type TracedGraph,
  trainGraph,
} from '../../dist/program/graphs.js';
import { compile, nativeOperations } from '../../dist/program/native.js';
import { testDevice } from './device.js';
import { hashAt } from './op-cases.js';
import { ReferenceProgram } from './reference/interpreter.js';

/** Every layer, with the less usual options, a shared module and a residual sum. */
class Mixed extends nn.Module {
  readonly stem = new nn.Conv2d(2, 8, 3, { stride: 2, padding: 1, bias: false });
  readonly body = new nn.Sequential({
    conv: new nn.Conv2d(8, 8, [3, 5], { padding: 'same', groups: 2 }),
    act: new nn.ReLU(),
  });
  readonly pool = new nn.MaxPool2d(3, { stride: 2, padding: 1 });
  readonly smooth = new nn.AvgPool2d(2, { stride: 2, ceilMode: true, countIncludePad: false });
  readonly squash = new nn.Sigmoid();
  readonly spread = new nn.AdaptiveAvgPool2d([3, null]);
  readonly flatten = new nn.Flatten();
  readonly head = new nn.Sequential(
    new nn.Linear(8 * 3 * 2, 12),
    new nn.Dropout(0.25),
    new nn.Linear(12, 5),
  );

  forward(image: Tensor): Tensor {
    const stem = this.stem.forward(image).relu();
    const sum = this.body.forward(stem).add(this.body.forward(stem.sigmoid())).add(stem);
    const pooled = this.smooth.forward(this.pool.forward(sum));
    return this.head.forward(
      this.flatten.forward(this.spread.forward(this.squash.forward(pooled))),
    );
  }
}

const mixedImage: ImageSpec = {
  batchSize: 4,
  shape: [2, 13, 11],
  mean: [0.3, 0.5],
  std: [0.2, 0.4],
};

function bytesOf(key: string, count: number): Uint8Array {
  return Uint8Array.from({ length: count }, (_, index) => hashAt(key, index) >>> 24);
}

/** Largest difference over the largest value. */
function relative(ours: ArrayLike<number>, reference: ArrayLike<number>): number {
  let difference = 0;
  let largest = 1e-30;
  for (let at = 0; at < reference.length; at++) {
    difference = Math.max(difference, Math.abs(ours[at]! - reference[at]!));
    largest = Math.max(largest, Math.abs(reference[at]!));
  }
  return ours.length === reference.length ? difference / largest : Number.POSITIVE_INFINITY;
}

/** Runs both; returns the largest relative difference of everything that they compute. */
async function compare(traced: TracedGraph, steps: number, classes: number, rows: number) {
  const reference = new ReferenceProgram(traced.spec);
  const native = await compile(traced.spec, { device: testDevice });
  const worst = { what: '', error: 0 };
  const note = (what: string, ours: ArrayLike<number>, wanted: ArrayLike<number>) => {
    const error = relative(ours, wanted);
    if (!(error <= worst.error)) Object.assign(worst, { what, error });
  };
  try {
    for (const [name, source] of traced.parameters) {
      const { data } = source as nn.Parameter;
      reference.write(name, data);
      await native.write(name, data);
    }
    for (let step = 1; step <= steps; step++) {
      const inputs: Record<string, Uint8Array | Int32Array | number> = {};
      for (const [name, { shape }] of traced.inputs) {
        const count = shape.reduce((product, length) => product * length, 1);
        const bytes = bytesOf(`${name}/${step}`, count);
        if (name === 'image') inputs[name] = bytes;
        else if (name === 'label') inputs[name] = Int32Array.from(bytes, (byte) => byte % classes);
        else if (name === 'count') inputs[name] = rows;
        else if (name === 'step') inputs[name] = step;
        else inputs[name] = name === 'lr' ? 0.01 : 0.02;
      }
      const ours = await native.run(inputs);
      const wanted = reference.run(inputs);
      expect(Object.keys(ours).sort()).toEqual(Object.keys(wanted).sort());
      for (const [name, values] of Object.entries(wanted)) {
        note(`${name} of step ${step}`, ours[name]!, values);
      }
    }
    for (const name of [...traced.parameters.keys(), ...traced.states.keys()]) {
      note(name, await native.read(name), reference.read(name));
    }
  } finally {
    await native.dispose();
  }
  return worst;
}

describe('native code computes what the reference does', () => {
  it('knows the operations of the table, and no others', () => {
    expect([...nativeOperations()].sort()).toEqual(Object.keys(operations).sort());
  });

  it.each([
    ['Adam', (net: nn.Module) => new optim.Adam(net.parameters(), { lr: 0.01 })],
    [
      'AdamW in two groups',
      (net: Mixed) =>
        new optim.AdamW([
          { params: net.head.parameters(), lr: 0.02, weightDecay: 0.1 },
          { params: [net.stem.weight, ...net.body.parameters()] },
        ]),
    ],
    ['SGD', (net: nn.Module) => new optim.SGD(net.parameters(), { lr: 0.01, weightDecay: 0.01 })],
    [
      'SGD with Nesterov momentum',
      (net: nn.Module) => new optim.SGD(net.parameters(), { momentum: 0.9, nesterov: true }),
    ],
  ])('trains with %s', async (_title, optimizer) => {
    manualSeed(3);
    const net = new Mixed();
    const traced = trainGraph(net, new nn.CrossEntropyLoss(), optimizer(net), mixedImage, {
      seed: 2 ** 40 + 5,
    });
    const { what, error } = await compare(traced, 3, 5, 3);
    expect(error, what).toBeLessThan(2e-5);
  });

  it('trains LeNet', async () => {
    manualSeed(4);
    const net = models.lenet();
    const optimizer = new optim.SGD(net.parameters(), { lr: 0.9 });
    const image = { batchSize: 3, shape: [1, 28, 28] };
    const traced = trainGraph(net, new nn.CrossEntropyLoss(), optimizer, image);
    const { what, error } = await compare(traced, 2, 10, 3);
    expect(error, what).toBeLessThan(2e-5);
  });

  it('evaluates, and predicts logits and probabilities', async () => {
    manualSeed(5);
    const net = new Mixed();
    for (const traced of [
      evalGraph(net, new nn.CrossEntropyLoss({ reduction: 'sum' }), mixedImage),
      predictGraph(net, mixedImage),
      predictGraph(net, mixedImage, true),
    ]) {
      const { what, error } = await compare(traced, 1, 5, 3);
      expect(error, what).toBeLessThan(2e-5);
    }
  });

  it('drops exactly the elements that the reference drops', async () => {
    class Dropped extends nn.Module {
      readonly first = new nn.Dropout(0.4);
      readonly second = new nn.Dropout(0.1);
      readonly linear = new nn.Linear(60, 3);
      forward(image: Tensor): Tensor {
        const x = image.flatten(1);
        return this.linear.forward(this.first.forward(x).add(this.second.forward(x)));
      }
    }
    manualSeed(6);
    const net = new Dropped();
    const optimizer = new optim.SGD(net.parameters(), { lr: 0.1 });
    const image = { batchSize: 2, shape: [1, 6, 10] };
    const seed = Number.MAX_SAFE_INTEGER;
    const traced = trainGraph(net, new nn.CrossEntropyLoss(), optimizer, image, { seed });
    const streams = traced.spec.nodes.filter(({ op }) => op === 'dropout');
    expect(streams.map(({ attrs }) => attrs.stream)).toEqual([0, 1]);
    const { what, error } = await compare(traced, 4, 3, 2);
    expect(error, what).toBeLessThan(2e-6);
  });
});
