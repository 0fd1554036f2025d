/** Modules: what they register, in which order, their modes, and the checks of their arguments. */
import { ArgumentError, models, nn, ShapeError, type Tensor } from 'neuronode';
import { describe, expect, it } from 'vitest';

class Block extends nn.Module {
  readonly scale = new nn.Parameter(Float32Array.of(1, 2), [2]);
  readonly layers = new nn.ModuleList([new nn.Linear(2, 2), new nn.ReLU()]);
  readonly notRegistered = [new nn.Linear(2, 2)];
  forward(x: Tensor): Tensor {
    return x;
  }
}

class Net extends nn.Module {
  readonly block = new Block();
  readonly again = this.block;
  readonly offset = new nn.Parameter(new Float32Array(3), [3]);
  readonly head = new nn.Sequential({ out: new nn.Linear(2, 3, { bias: false }) });
  forward(x: Tensor): Tensor {
    return x;
  }
}

describe('registration', () => {
  it("names parameters in PyTorch's order, each once", () => {
    expect([...new Net().namedParameters()].map(([name]) => name)).toEqual([
      'offset',
      'block.scale',
      'block.layers.0.weight',
      'block.layers.0.bias',
      'head.out.weight',
    ]);
  });

  it('names a parameter in two places once', () => {
    const weight = new nn.Parameter(new Float32Array(2), [2]);
    const net = Object.assign(new Net(), { first: weight, second: weight });
    const names = [...net.namedParameters()].map(([name]) => name);
    expect(names).toContain('first');
    expect(names).not.toContain('second');
    expect(Object.keys(net.stateDict())).toEqual(expect.arrayContaining(['first', 'second']));
  });

  it('names modules, parents first, each once', () => {
    expect([...new Net().namedModules()].map(([name]) => name)).toEqual([
      '',
      'block',
      'block.layers',
      'block.layers.0',
      'block.layers.1',
      'head',
      'head.out',
    ]);
  });

  it("has the models' names and sizes", () => {
    const count = (net: nn.Module) => [...net.parameters()].reduce((n, p) => n + p.size, 0);
    const net = models.alexnet();
    expect(count(net)).toBe(46_764_746);
    expect(Object.keys(net.stateDict())).toEqual(
      ['conv.0', 'conv.3', 'conv.6', 'conv.8', 'conv.10', 'fc.0', 'fc.3', 'fc.6'].flatMap(
        (path) => [`${path}.weight`, `${path}.bias`],
      ),
    );
    expect(count(models.lenet())).toBe(44_426);
    const small = models.lenet({ numClasses: 3, inChannels: 2 });
    expect(small.stateDict()['conv.0.weight']!.shape).toEqual([6, 2, 5, 5]);
    expect(small.stateDict()['fc.4.bias']!.shape).toEqual([3]);
  });

  it('reaches the modules of containers', () => {
    const sequential = new nn.Sequential(new nn.ReLU(), new nn.Sigmoid());
    expect(sequential.length).toBe(2);
    expect(sequential.at(-1)).toBeInstanceOf(nn.Sigmoid);
    const list = new nn.ModuleList().push(new nn.ReLU());
    expect([...list]).toHaveLength(1);
    expect(list.at(0)).toBeInstanceOf(nn.ReLU);
  });
});

describe('modes', () => {
  it('train and eval reach every module', () => {
    const net = new Net();
    expect(net.training).toBe(true);
    expect(net.eval()).toBe(net);
    expect([...net.modules()].map(({ training }) => training)).not.toContain(true);
    net.train();
    expect([...net.modules()].map(({ training }) => training)).not.toContain(false);
  });

  it('requiresGrad_ freezes parameters', () => {
    const net = new Net();
    net.block.requiresGrad_(false);
    expect([...net.namedParameters()].filter(([, p]) => p.requiresGrad).map(([n]) => n)).toEqual([
      'offset',
      'head.out.weight',
    ]);
  });
});

describe('arguments are checked before any work', () => {
  const any = <T>(value: unknown) => value as T;

  it.each<[string, () => unknown, string]>([
    [
      'Linear',
      () => new nn.Linear(0, 3),
      'inFeatures to be an integer from 1 to 2147483647, got 0',
    ],
    ['Linear', () => new nn.Linear(2.5, 3), 'got 2.5'],
    ['Linear', () => new nn.Linear(2, any('3')), "got '3'"],
    ['Linear', () => new nn.Linear(2, 3, any({ biass: true })), "no option 'biass'"],
    ['Linear', () => new nn.Linear(2, 3, any(true)), 'expects an options object, got true'],
    ['Conv2d', () => new nn.Conv2d(1, 2, [3, 0]), 'kernelSize[1]'],
    ['Conv2d', () => new nn.Conv2d(1, 2, any([3])), 'a number or a pair'],
    ['Conv2d', () => new nn.Conv2d(3, 4, 3, { groups: 2 }), 'inChannels to be a multiple of'],
    ['Conv2d', () => new nn.Conv2d(4, 3, 3, { groups: 2 }), 'outChannels to be a multiple of'],
    ['Conv2d', () => new nn.Conv2d(4, 4, 3, { stride: 0 }), 'stride'],
    ['Conv2d', () => new nn.Conv2d(4, 4, 3, { padding: -1 }), 'padding'],
    ['Conv2d', () => new nn.Conv2d(4, 4, 3, { padding: any('full') }), "'same', 'valid'"],
    ['Conv2d', () => new nn.Conv2d(4, 4, 3, { padding: 'same', stride: 2 }), 'stride 1 only'],
    [
      'Conv2d',
      () => new nn.Conv2d(4, 4, 3, { paddingMode: any('zero') }),
      "paddingMode to be one of 'zeros', 'reflect', 'replicate', 'circular', got 'zero'",
    ],
    ['Conv2d', () => new nn.Conv2d(4, 4, 3, any({ inplace: true })), "no option 'inplace'"],
    ['MaxPool2d', () => new nn.MaxPool2d(0), 'kernelSize'],
    ['MaxPool2d', () => new nn.MaxPool2d(2, any(2)), 'expects an options object, got 2'],
    ['MaxPool2d', () => new nn.MaxPool2d(2, any({ countIncludePad: true })), 'no option'],
    ['AvgPool2d', () => new nn.AvgPool2d(2, { ceilMode: any(1) }), 'true or false, got 1'],
    ['AdaptiveAvgPool2d', () => new nn.AdaptiveAvgPool2d([6, 0]), 'outputSize[1]'],
    ['Dropout', () => new nn.Dropout(1.5), 'at least 0 and at most 1, got 1.5'],
    ['Dropout', () => new nn.Dropout(Number.NaN), 'got NaN'],
    ['Flatten', () => new nn.Flatten(0.5), 'startDim'],
    [
      'CrossEntropyLoss',
      () => new nn.CrossEntropyLoss({ reduction: any('median') }),
      "got 'median'",
    ],
    ['Sequential', () => new nn.Sequential(any(3)), 'expects modules, got 3 at 0'],
    ['Sequential', () => new nn.Sequential({ 'a.b': new nn.ReLU() }), 'names without dots'],
    ['ModuleList', () => new nn.ModuleList(any(null)), 'expects a list of modules, got null'],
    ['ModuleList', () => new nn.ModuleList(any(3)), 'got 3'],
    ['ModuleList', () => new nn.ModuleList([any(null)]), 'expects modules, got null at 0'],
    ['AlexNet', () => models.alexnet({ dropout: 2 }), 'dropout'],
    ['LeNet', () => models.lenet(any({ dropout: 0.5 })), "no option 'dropout'"],
    ['Parameter', () => new nn.Parameter(any([1]), [1]), 'expects a Float32Array'],
    ['train', () => new nn.ReLU().train(any(0)), 'got 0'],
  ])('%s', (who, call, message) => {
    expect(call).toThrow(ArgumentError);
    expect(call).toThrow(who);
    expect(call).toThrow(message);
    expect(call).toThrow(expect.objectContaining({ code: 'ERR_NN_ARGUMENT' }));
  });

  it('a parameter has as many values as its shape', () => {
    const make = () => new nn.Parameter(new Float32Array(3), [2, 2]);
    expect(make).toThrow(ShapeError);
    const parameter = new nn.Parameter(new Float32Array(4), [2, 2]);
    expect(() => {
      parameter.data = new Float32Array(5);
    }).toThrow('expects 4 values, got 5');
  });
});
