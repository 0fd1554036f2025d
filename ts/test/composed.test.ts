/**
 * Modules and losses that are written in small operations: their gradients follow by the walk. Each is
 * a network of a convolution, whose output is blocked on the CPU and channels-last on a GPU, and of
 * what the case computes from it; loss and gradients are compared with PyTorch's in float64, and the
 * same graph with differences in float64.
 */
import { readFileSync } from 'node:fs';
import { nn, optim, type Tensor } from 'neuronode';
import { describe, expect, it } from 'vitest';
// Inside view: the graph of the step.
import { evalGraph, trainGraph } from '../../dist/program/graphs.js';
import { testDevice } from './device.js';
import { floats, type OpCase } from './op-cases.js';
import { ReferenceProgram } from './reference/interpreter.js';
import { makeTrainer } from './trainer-support.js';

const F = nn.functional;
const imageShape = [4, 3, 6, 5] as const;
const channels = 19; // no multiple of a block

class Composed extends nn.Module {
  readonly conv = new nn.Conv2d(3, channels, 3, { padding: 1 });
  readonly scale = new nn.Parameter(new Float32Array(channels), [channels, 1, 1]);
  readonly shift = new nn.Parameter(new Float32Array(channels), [channels, 1, 1]);

  constructor(readonly middle: (x: Tensor, net: Composed) => Tensor) {
    super();
  }

  override forward(image: Tensor): Tensor {
    return this.middle(this.conv.forward(image), this);
  }
}

/** Half of the mean square, and a hundredth of a sum. */
class SquareLoss extends nn.Loss {
  override targets(output: Tensor): nn.LossTargets {
    return { dtype: 'f32', shape: output.shape };
  }

  override forward(output: Tensor, target: Tensor): Tensor {
    const half = output.sub(target).square().mean().mul(0.5);
    return half.add(output.mul(target).sum().div(100));
  }
}

const sides = [1, 2, 3, 0];

const cases: Record<string, (x: Tensor, net: Composed) => Tensor> = {
  normalisation: (x, { scale, shift }) => {
    const centred = x.sub(x.mean([0, 2, 3], true));
    const variance = centred.square().mean([0, 2, 3], true);
    return centred.mul(variance.add(1e-5).rsqrt()).mul(scale).add(shift);
  },
  layer: (x, { scale, shift }) => {
    const centred = x.sub(x.mean([1, 2, 3], true));
    const deviation = centred.mul(centred).mean([1, 2, -1], true).sqrt();
    return centred.div(deviation.add(0.1)).mul(scale).sub(shift);
  },
  joining: (x, { scale, shift }) => {
    const scaled = x.mul(scale).add(shift);
    const [first, second] = scaled.chunk(2, 1) as [Tensor, Tensor];
    return F.cat([first, second.mul(2), scaled.narrow(1, -3, 3), x.narrow(1, 1, 2)], 1);
  },
  borders: (x, { scale, shift }) => {
    const scaled = x.mul(scale).add(shift);
    const mirrored = F.pad(scaled, sides, { mode: 'reflect' }).mul(
      F.pad(x, sides, { mode: 'replicate' }),
    );
    return mirrored
      .sub(F.pad(x, sides, { mode: 'circular' }).div(3))
      .add(F.pad(scaled, sides, { value: 0.5 }));
  },
  activations: (x, { scale, shift }) => {
    const scaled = x.mul(scale).add(shift);
    const bent = F.gelu(x)
      .add(F.silu(scaled))
      .add(F.elu(x).mul(F.leakyRelu(scaled, 0.1)));
    return bent
      .mul(x.tanh())
      .sub(x.exp().add(1).log().div(scaled.abs().add(1)))
      .add(F.hardswish(x.neg()));
  },
};

interface Wanted {
  loss: number;
  gradients: Record<string, number[]>;
}

const wanted = JSON.parse(
  readFileSync(new URL('fixtures/composed.json', import.meta.url), 'utf8'),
) as Record<string, Wanted>;

function made(name: string) {
  const valuesFor = { id: `composed/${name}`, distributions: {}, shapes: {} } as OpCase;
  const net = new Composed(cases[name]!);
  for (const [key, parameter] of net.namedParameters()) {
    parameter.data = floats(valuesFor, key, parameter.shape);
  }
  const optimizer = new optim.SGD(net.parameters(), { lr: 1 });
  const loss = new SquareLoss();
  const { spec } = trainGraph(net, loss, optimizer, {
    dtype: 'f32',
    shape: imageShape.slice(1),
    batchSize: imageShape[0],
  });
  const shape = spec.values.find((value) => value.name === 'label')!.shape;
  const image = floats(valuesFor, 'image', imageShape);
  return { net, optimizer, loss, spec, image, label: floats(valuesFor, 'target', shape) };
}

/** Differences against the largest of the wanted numbers. */
function expectClose(got: ArrayLike<number>, numbers: readonly number[], tolerance: number) {
  const largest = Math.max(...numbers.map(Math.abs), 1e-3);
  for (const [at, number] of numbers.entries()) {
    expect(Math.abs(got[at]! - number) / largest, `element ${at}`).toBeLessThan(tolerance);
  }
}

describe('a network that is written in small operations', () => {
  it.each(Object.keys(cases))("%s has PyTorch's loss and gradients", async (name) => {
    const { net, optimizer, loss, image, label } = made(name);
    const before = new Map(
      [...net.namedParameters()].map(([key, { data }]) => [key, data.slice()]),
    );
    const trainer = makeTrainer(net, { loss, optimizer, device: testDevice });
    const result = await trainer.step({ image, imageShape: [...imageShape], label });
    expect(Math.abs(result.loss - wanted[name]!.loss)).toBeLessThan(1e-4);
    const after = await trainer.stateDict();
    for (const [key, numbers] of Object.entries(wanted[name]!.gradients)) {
      const gradient = before.get(key)!.map((value, at) => value - after[key]!.data[at]!);
      expectClose(gradient, numbers, 1e-4);
    }
  });

  it.each(Object.keys(cases))('%s agrees with differences in float64', (name) => {
    const { net, spec, image, label } = made(name);
    const program = new ReferenceProgram(spec);
    const parameters = [...net.namedParameters()].map(([key, { data }]) => [key, data] as const);
    const lossOf = () => {
      for (const [key, data] of parameters) program.write(key, data);
      return program.run({ image, label, lr: 1, step: 1 }).loss![0]!;
    };
    lossOf();
    const gradients = parameters.map(([key, data]) => {
      const after = program.read(key);
      return Float64Array.from(data, (value, at) => value - after[at]!);
    });
    for (const [index, [key, data]] of parameters.entries()) {
      const step = 2 ** -14;
      for (const at of [0, 7, data.length - 1]) {
        const value = data[at]!;
        data[at] = value + step;
        const above = lossOf();
        data[at] = value - step;
        const difference = (above - lossOf()) / (2 * step);
        data[at] = value;
        expect(gradients[index]![at], `${key}[${at}]`).toBeCloseTo(difference, 5);
      }
    }
  });
});

describe('what mixes the rows of a batch takes whole batches', () => {
  const mixing: Record<string, (x: Tensor, net: Composed) => Tensor> = {
    'a sum over rows': (x) => x.sub(x.mean(0, true)),
    'a sum over everything': (x) => x.mul(x.sum()),
    'some of the rows': (x) =>
      F.cat([x.narrow(0, 2, 2), x.narrow(0, 0, 2)], 1).expand(2, -1, -1, -1),
    'rows behind each other': (x) => F.cat([x, x], 0),
    'a softmax along the rows': (x) => F.logSoftmax(x, 0),
    'more rows': (x) => F.pad(x, [0, 0, 0, 0, 0, 0, 1, 0]),
  };
  const apart: Record<string, (x: Tensor, net: Composed) => Tensor> = {
    'sums over channels and pixels': (x) => x.sub(x.mean([1, 2, 3], true)),
    'channels behind each other': (x) => F.cat([x, x.narrow(1, 3, 4)], 1),
    'a softmax along the channels': (x) => F.softmax(x, 1),
    'a border': (x) => F.pad(x, [1, 1, 1, 1]),
    'sums of parameters': (x, { scale, shift }) => {
      const sum = x.tracer.parameter(scale).mul(shift).sum();
      return x.mul(sum.add(x.tracer.parameter(scale).narrow(0, 0, 1).sum(0)));
    },
  };
  class NoPadding extends SquareLoss {
    override readonly leavesPaddingOut = true;

    override targets(output: Tensor): nn.LossTargets {
      return { dtype: 'f32', shape: [4, ...output.shape.slice(1)] };
    }

    override forward(output: Tensor): Tensor {
      return output.tracer.constant('loss', 1);
    }
  }
  const isWhole = (middle: (x: Tensor, net: Composed) => Tensor) =>
    evalGraph(new Composed(middle), new NoPadding(), {
      dtype: 'f32',
      shape: imageShape.slice(1),
      batchSize: imageShape[0],
    }).wholeBatches;

  it.each(Object.keys(mixing))('%s', (name) => {
    expect(isWhole(mixing[name]!)).toBe(true);
  });

  it.each(Object.keys(apart))('but not %s', (name) => {
    expect(isWhole(apart[name]!)).toBe(false);
  });
});

describe('softmax', () => {
  const graphOf = (module: nn.Module) => {
    const spec = { dtype: 'f32', shape: [2, 3, 5], batchSize: 4 } as const;
    return evalGraph(new nn.Sequential(module), new SquareLoss(), spec);
  };

  it.each([
    ['softmax', nn.Softmax],
    ['logSoftmax', nn.LogSoftmax],
  ] as const)('goes along any axis: %s', (op, Module) => {
    for (const [dim, axis] of [
      [-1, 3],
      [3, 3],
      [1, 1],
      [-4, 0],
    ] as const) {
      const { spec: graph } = graphOf(new Module(dim));
      expect(graph.nodes[0]).toMatchObject({ op, attrs: { dim: axis } });
      expect(graph.values[graph.nodes[0]!.outputs[0]!]!.shape).toEqual([4, 2, 3, 5]);
    }
    expect(String(new Module(1))).toBe(`${Module.name}(dim=1)`);
    expect(String(new Module())).toBe(`${Module.name}(dim=-1)`);
  });

  it('refuses an axis that is not there, with the path', () => {
    const axis = 'expects dim to be an axis of [4, 2, 3, 5], got';
    expect(() => graphOf(new nn.Softmax(4))).toThrow(`0: Softmax ${axis} 4`);
    expect(() => graphOf(new nn.LogSoftmax(-5))).toThrow(`0: LogSoftmax ${axis} -5`);
  });
});

describe('activations', () => {
  it.each([
    [new nn.ReLU6(), 'ReLU6()'],
    [new nn.LeakyReLU(), 'LeakyReLU(negative_slope=0.01)'],
    [new nn.ELU(), 'ELU(alpha=1.0)'],
    [new nn.ELU(0.5), 'ELU(alpha=0.5)'],
    [new nn.Softplus(), 'Softplus(beta=1.0, threshold=20.0)'],
    [new nn.Softplus(0.5), 'Softplus(beta=0.5, threshold=20.0)'],
    [new nn.GELU(), "GELU(approximate='none')"],
    [new nn.GELU({ approximate: 'tanh' }), "GELU(approximate='tanh')"],
    [new nn.SiLU(), 'SiLU()'],
    [new nn.Identity(), 'Identity()'],
  ])("%s print as PyTorch's", (module, text) => {
    expect(String(module)).toBe(text);
  });

  it('record their operation, and Identity none', () => {
    const modules = [
      [new nn.ReLU6(), 'relu6', {}],
      [new nn.LeakyReLU(0.2), 'leakyRelu', { negativeSlope: 0.2 }],
      [new nn.ELU(2), 'elu', { alpha: 2 }],
      [new nn.Tanh(), 'tanh', {}],
      [new nn.SiLU(), 'silu', {}],
      [new nn.GELU(), 'gelu', {}],
      [new nn.GELU({ approximate: 'tanh' }), 'geluTanh', {}],
      [new nn.Hardsigmoid(), 'hardsigmoid', {}],
      [new nn.Hardswish(), 'hardswish', {}],
      [new nn.Softplus(3), 'softplus', { beta: 3 }],
    ] as const;
    const net = new nn.Sequential(new nn.Identity(), ...modules.map(([module]) => module));
    const spec = { dtype: 'f32', shape: [1, 2, 3], batchSize: 2 } as const;
    const { nodes } = evalGraph(net, new SquareLoss(), spec).spec;
    for (const [index, [, op, attrs]] of modules.entries()) {
      expect(nodes[index]).toMatchObject({ op, attrs });
    }
  });

  it('refuse parameters that are none', () => {
    expect(() => new nn.LeakyReLU(Number.NaN)).toThrow('LeakyReLU expects negativeSlope to be a');
    expect(() => new nn.ELU('1' as never)).toThrow('ELU expects alpha to be a finite number');
    expect(() => new nn.GELU({ approximate: 'erf' as never })).toThrow("'none', 'tanh', got 'erf'");
    expect(() => new nn.Softplus(0)).toThrow('Softplus expects beta to be above 0, got 0');
    expect(() => new nn.Softmax(0.5)).toThrow('Softmax expects dim to be an integer');
    expect(() => new nn.LogSoftmax('1' as never)).toThrow(
      'LogSoftmax expects dim to be an integer',
    );
  });
});

describe('convolution', () => {
  const kernels = [
    [2, 4],
    [3, 2],
  ] as const;

  it.each(kernels)("pads 'same' by one more behind where the number is odd: %dx%d", (kh, kw) => {
    const net = new nn.Conv2d(1, 1, [kh, kw], { padding: 'same', bias: false });
    const values = { id: 'composed/same', distributions: {}, shapes: {} } as OpCase;
    const [image, weight] = [floats(values, 'image', [1, 1, 4, 5]), floats(values, 'w', [kh * kw])];
    const { spec } = evalGraph(net, new SquareLoss(), {
      dtype: 'f32',
      shape: [1, 4, 5],
      batchSize: 1,
    });
    const graph = { ...spec, outputs: [{ name: 'y', value: spec.nodes[1]!.outputs[0]! }] };
    expect(graph.nodes.slice(0, 2).map(({ op }) => op)).toEqual(['pad', 'conv2d']);
    const program = new ReferenceProgram({ ...graph, nodes: graph.nodes.slice(0, 2) });
    program.write('weight', weight);
    const { y } = program.run({ image });
    const pixel = (row: number, column: number) =>
      row >= 0 && row < 4 && column >= 0 && column < 5 ? image[5 * row + column]! : 0;
    const [top, left] = [Math.floor((kh - 1) / 2), Math.floor((kw - 1) / 2)];
    for (let at = 0; at < 20; at++) {
      let sum = 0;
      for (let i = 0; i < kh * kw; i++) {
        const [row, column] = [Math.floor(i / kw), i % kw];
        sum += weight[i]! * pixel(Math.floor(at / 5) + row - top, (at % 5) + column - left);
      }
      expect(y![at]).toBeCloseTo(sum, 6);
    }
  });

  it.each(['reflect', 'replicate', 'circular'] as const)("pads by '%s'", (paddingMode) => {
    const net = new nn.Conv2d(1, 2, 3, { padding: [2, 1], paddingMode });
    const { spec } = evalGraph(net, new SquareLoss(), {
      dtype: 'f32',
      shape: [1, 4, 5],
      batchSize: 1,
    });
    const [pad, conv] = spec.nodes;
    const mode = ['constant', 'reflect', 'replicate', 'circular'].indexOf(paddingMode);
    const [before, after] = [
      [0, 0, 2, 1],
      [0, 0, 2, 1],
    ];
    expect(pad).toMatchObject({ op: 'pad', attrs: { before, after, mode } });
    expect(conv).toMatchObject({ op: 'conv2d', attrs: { padding: [0, 0] } });
    expect(String(net)).toBe(
      'Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1), padding=(2, 1), ' +
        `padding_mode=${paddingMode})`,
    );
  });
});
