/** Tracing: the nodes of a step, their order, and what is left out. */
import { models, nn, optim, type Tensor } from 'neuronode';
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../dist/graph/builder.js';
import { finish } from '../../dist/graph/finish.js';
import {
  evalGraph,
  type ImageSpec,
  predictGraph,
  type TracedGraph,
  trainGraph,
} from '../../dist/program/graphs.js';

const loss = new nn.CrossEntropyLoss();

function train(net: nn.Module, image: ImageSpec): TracedGraph {
  return trainGraph(net, loss, new optim.Adam(net.parameters()), image);
}

/** `op module` of each node. */
function lines({ spec }: TracedGraph): string[] {
  return spec.nodes.map(({ op, name }) => `${op} ${name}`.trim());
}

/** A network of one function. */
function net(forward: (image: Tensor) => Tensor, parts: Record<string, unknown> = {}): nn.Module {
  class Net extends nn.Module {
    forward(image: Tensor): Tensor {
      return forward(image);
    }
  }
  return Object.assign(new Net(), parts);
}

const gray: ImageSpec = { batchSize: 2, shape: [1, 28, 28] };

describe('a training step', () => {
  const lenet = train(models.lenet(), gray);

  it('is forward, backward and optimizer, in the order of execution', () => {
    const adam = (path: string) => [`adamStep ${path}.weight`, `adamStep ${path}.bias`];
    expect(lines(lenet)).toEqual([
      'toFloat',
      'conv2d conv.0',
      'sigmoid conv.1',
      'maxPool2d conv.2',
      'conv2d conv.3',
      'sigmoid conv.4',
      'maxPool2d conv.5',
      'reshape',
      'linear fc.0',
      'sigmoid fc.1',
      'linear fc.2',
      'sigmoid fc.3',
      'linear fc.4',
      'softmaxCrossEntropy loss',
      'linearInputGrad fc.4',
      'linearWeightGrad fc.4',
      ...adam('fc.4'),
      'sigmoidGrad fc.3',
      'linearInputGrad fc.2',
      'linearWeightGrad fc.2',
      ...adam('fc.2'),
      'sigmoidGrad fc.1',
      'linearInputGrad fc.0',
      'linearWeightGrad fc.0',
      ...adam('fc.0'),
      'reshape',
      'maxPool2dGrad conv.5',
      'sigmoidGrad conv.4',
      'conv2dInputGrad conv.3',
      'conv2dWeightGrad conv.3',
      ...adam('conv.3'),
      'maxPool2dGrad conv.2',
      'sigmoidGrad conv.1',
      'conv2dWeightGrad conv.0', // and no gradient of the image
      ...adam('conv.0'),
    ]);
  });

  it('names its inputs, outputs, parameters and state', () => {
    expect([...lenet.inputs.keys()].sort()).toEqual(['count', 'image', 'label', 'lr', 'step']);
    expect(lenet.inputs.get('image')).toEqual({
      kind: 'input',
      dtype: 'u8',
      shape: [2, 1, 28, 28],
      name: 'image',
    });
    expect(lenet.spec.outputs.map(({ name }) => name)).toEqual(['loss', 'correct']);
    expect(lenet.parameters.size).toBe(10);
    expect(lenet.states.get('exp_avg.conv.0.weight')).toEqual([6, 1, 5, 5]);
    expect(lenet.states.size).toBe(20);
  });

  it('has a learning rate for each parameter group', () => {
    const lenet = models.lenet();
    const groups = [{ params: lenet.conv.parameters() }, { params: lenet.fc.parameters() }];
    const traced = trainGraph(lenet, loss, new optim.SGD(groups), gray);
    const rate = (name: string) => {
      const node = traced.spec.nodes.find((candidate) => candidate.name === name);
      return traced.spec.values[node!.inputs[3]!]!.name;
    };
    expect([rate('conv.0.weight'), rate('fc.0.bias')]).toEqual(['lr', 'lr.1']);
    expect(traced.states.size).toBe(0);
  });

  it('leaves the step out where nothing uses it', () => {
    const inputs = [...evalGraph(models.lenet(), loss, gray).inputs.keys()].sort();
    expect(inputs).toEqual(['count', 'image', 'label']);
    expect([...predictGraph(models.lenet(), gray).inputs.keys()]).toEqual(['image']);
  });

  it('makes no gradients for frozen parameters, nor for those before them', () => {
    const lenet = models.lenet();
    lenet.conv.requiresGrad_(false);
    expect(lines(train(lenet, gray)).filter((line) => line.includes('Grad conv'))).toEqual([]);
  });

  it('updates the parameters of the optimizer only', () => {
    const lenet = models.lenet();
    const optimizer = new optim.Adam(lenet.fc.parameters());
    const traced = trainGraph(lenet, loss, optimizer, gray);
    expect(lines(traced).filter((line) => /(Grad|Step) conv/.test(line))).toEqual([]);
    expect(traced.states.size).toBe(12);
  });

  it('drops what nothing needs', () => {
    const pooling = (traced: TracedGraph) =>
      traced.spec.nodes.find(({ op }) => op === 'maxPool2d')?.outputs.length;
    expect(pooling(lenet)).toBe(2);
    expect(pooling(evalGraph(models.lenet(), loss, gray))).toBe(1);
    const linear = new nn.Linear(784, 10);
    const unused = net(
      (image) => {
        image.flatten(1).sigmoid();
        return linear.forward(image.flatten(1));
      },
      { linear, spare: new nn.Linear(3, 3) },
    );
    const traced = train(unused, gray);
    expect(lines(traced)).not.toContain('sigmoid');
    expect([...traced.parameters.keys()]).toEqual(['linear.weight', 'linear.bias']);
  });

  it('has dropout in training only, whatever the modes are, which stay as they were', () => {
    const alexnet = new nn.Sequential(new nn.Flatten(), new nn.Dropout(), new nn.Linear(784, 10));
    alexnet.eval();
    expect(lines(train(alexnet, gray))).toContain('dropout 1');
    alexnet.train();
    expect(lines(evalGraph(alexnet, loss, gray))).not.toContain('dropout 1');
    expect([...alexnet.modules()].every(({ training }) => training)).toBe(true);
    expect(Object.hasOwn(alexnet, 'forward')).toBe(false);
  });

  it('sums losses', () => {
    const body = new nn.Linear(784, 10);
    class Twice extends nn.Module {
      forward(logits: Tensor, labels: Tensor): Tensor {
        const first = nn.functional.crossEntropy(logits, labels);
        return first.add(nn.functional.crossEntropy(logits, labels, { reduction: 'sum' }));
      }
    }
    const seq = new nn.Sequential(new nn.Flatten(), body);
    const traced = trainGraph(seq, new Twice(), new optim.Adam(seq.parameters()), gray);
    expect(lines(traced).filter((line) => line.startsWith('add'))).toEqual([
      'add loss',
      'add loss',
    ]);
  });

  it('updates a parameter behind the last node that reads it', () => {
    const builder = new GraphBuilder();
    const weight = builder.named('parameter', 'w', 'f32', [2, 3]);
    const x = builder.named('input', 'x', 'f32', [4, 3]);
    const gy = builder.named('input', 'gy', 'f32', [4, 2]);
    const step = builder.named('input', 'step', 'i32', []);
    const lr = builder.named('input', 'lr', 'f64', []);
    const options = { name: '', phase: 'backward' as const };
    const [gw] = builder.apply('linearWeightGrad', [x, gy], {}, options);
    const [gx] = builder.apply('linearInputGrad', [gy, weight], {}, options);
    const [again] = builder.apply('relu', [gx!], {}, options);
    const attrs = { momentum: 0, dampening: 0, nesterov: false, weightDecay: 0 };
    builder.apply('sgdStep', [weight, gw!, step, lr], attrs, { name: '', phase: 'optimizer' });
    const { nodes } = finish(builder, new Map([['gx', again!]]));
    expect(nodes.map(({ op, outputs }) => [op, outputs.length])).toEqual([
      ['linearWeightGrad', 1],
      ['linearInputGrad', 1],
      ['sgdStep', 0],
      ['relu', 1],
    ]);
  });
});
