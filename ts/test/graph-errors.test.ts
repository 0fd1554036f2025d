/** Errors at trace time carry the module's path; tensors live for one trace. */
import { ArgumentError, DTypeError, models, nn, optim, ShapeError, Tensor } from 'neuronode';
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../dist/graph/builder.js';
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

describe('errors at trace time', () => {
  it("name the module's path and the shape before the flatten", () => {
    const call = () => train(models.alexnet(), { batchSize: 128, shape: [1, 256, 256] });
    expect(call).toThrow(ShapeError);
    expect(call).toThrow(
      /^fc\.0: Linear expects 6400 features, got 9216 from input \[128, 256, 6, 6\]$/,
    );
  });

  it.each<[string, RegExp, () => unknown]>([
    [
      'channels',
      /^conv\.0: Conv2d expects 1 input channels, got 3 from input \[2, 3, 28, 28\]$/,
      () => train(models.lenet(), { batchSize: 2, shape: [3, 28, 28] }),
    ],
    [
      'a kernel beyond the image',
      /^conv\.3: Conv2d has a kernel of 5x5 that is larger than its padded input \[2, 6, 4, 4\]/,
      () => train(models.lenet(), { batchSize: 2, shape: [1, 12, 12] }),
    ],
    [
      'a window beyond the image',
      /^0: MaxPool2d has a window of 3x3 that is larger than its padded input/,
      () =>
        predictGraph(new nn.Sequential(new nn.MaxPool2d(3)), { batchSize: 1, shape: [1, 2, 9] }),
    ],
    [
      'a matrix to resampling',
      /^1: Upsample expects input of shape \[N, C, H, W\], got \[2, 784\]$/,
      () => predictGraph(new nn.Sequential(new nn.Flatten(), new nn.Upsample({ size: 3 })), gray),
    ],
    [
      'a scale that leaves no pixel',
      /^0: Upsample expects an output .* from 1 to 16777216, got \[2, 1, 0, 14\] from \[2, 1, 28, 28\]$/,
      () => predictGraph(new nn.Sequential(new nn.Upsample({ scaleFactor: [0.01, 0.5] })), gray),
    ],
    [
      'neither a size nor a scale',
      /^Upsample expects either size or scaleFactor, got neither$/,
      () => new nn.Upsample({}),
    ],
    [
      'a size and a scale',
      /^Upsample expects either size or scaleFactor, got both$/,
      () => new nn.Upsample({ size: 2, scaleFactor: 2 }),
    ],
    [
      'a scale of nothing',
      /^Upsample expects scaleFactor to be above 0, got 0$/,
      () => new nn.Upsample({ scaleFactor: [1, 0] }),
    ],
    [
      'three scales',
      /^Upsample expects scaleFactor to be a number or a pair \[height, width\], got/,
      () => new nn.Upsample({ scaleFactor: [1, 2, 3] as never }),
    ],
    [
      'corners of the nearest pixel',
      /^Upsample expects alignCorners with mode 'bilinear' alone, got 'nearest'$/,
      () => new nn.Upsample({ size: 2, alignCorners: false }),
    ],
    [
      'another resampling',
      /^Upsample expects mode to be .*, got 'bicubic'$/,
      () => new nn.Upsample({ size: 2, mode: 'bicubic' as never }),
    ],
    [
      'a matrix to local response normalisation',
      /^1: LocalResponseNorm expects input of shape \[N, C, \.\.\.\] with at least 3 axes, got \[2, 784\]$/,
      () => predictGraph(new nn.Sequential(new nn.Flatten(), new nn.LocalResponseNorm(5)), gray),
    ],
    [
      'a size of no channels',
      /^LocalResponseNorm expects size to be an integer .*, got 0$/,
      () => new nn.LocalResponseNorm(0),
    ],
    [
      'a base that may be negative',
      /^LocalResponseNorm expects k to be a number, at least 0, got -1$/,
      () => new nn.LocalResponseNorm(5, { k: -1 }),
    ],
    [
      'groups that do not divide the channels',
      /^GroupNorm expects numChannels to be a multiple of numGroups, got 6 and 4$/,
      () => new nn.GroupNorm(4, 6),
    ],
    [
      'other channels than group normalisation has',
      /^0: GroupNorm expects weight of shape \[1\], got \[4\]$/,
      () => predictGraph(new nn.Sequential(new nn.GroupNorm(1, 4)), gray),
    ],
    [
      'channels that groups do not divide',
      /^0: GroupNorm expects a number of channels that numGroups, 2, divides, got 1 from input/,
      () => predictGraph(new nn.Sequential(new nn.GroupNorm(2, 4)), gray),
    ],
    [
      'other sizes than layer normalisation has',
      /^1: LayerNorm expects input whose last axes are \[10\], got \[2, 784\]$/,
      () => predictGraph(new nn.Sequential(new nn.Flatten(), new nn.LayerNorm(10)), gray),
    ],
    [
      'a layer normalisation of nothing',
      /^LayerNorm expects normalizedShape to be a size of at least 1 or several, got \[\]$/,
      () => new nn.LayerNorm([]),
    ],
    [
      'an eps below 0',
      /^LayerNorm expects eps to be a number, at least 0, got -1$/,
      () => new nn.LayerNorm(10, { eps: -1 }),
    ],
    [
      'a flat input to a convolution',
      /^1: Conv2d expects input of shape \[N, C, H, W\], got \[2, 784\]$/,
      () => predictGraph(new nn.Sequential(new nn.Flatten(), new nn.Conv2d(1, 1, 1)), gray),
    ],
    [
      'an image straight into a linear layer',
      /^0: Linear expects 784 features, got 28 from input \[2, 1, 28, 28\]; flatten\(1\)/,
      () => predictGraph(new nn.Sequential(new nn.Linear(784, 10)), gray),
    ],
    [
      'an impossible reshape',
      /^reshape cannot turn \[2, 1, 28, 28\] \(1568 elements\) into \[3, -1\]$/,
      () =>
        predictGraph(
          net((image) => image.view(3, -1)),
          gray,
        ),
    ],
    [
      'a sum of different shapes, inside a module',
      /^inner: add expects shapes whose axes.* got \[2, 1, 28, 28\] and \[2, 784\]$/,
      () => {
        const inner = net((image) => image.add(image.flatten(1)));
        return predictGraph(
          net((image) => inner.forward(image), { inner }),
          gray,
        );
      },
    ],
    [
      'labels for logits of another rank',
      /^loss: CrossEntropyLoss expects logits of shape \[N, C\], got \[2, 1, 28, 28\]$/,
      () =>
        evalGraph(
          net((image) => image),
          loss,
          gray,
        ),
    ],
    [
      'padding beyond half the window',
      /^0: MaxPool2d expects padding of at most half the kernel, got padding 2 with kernelSize 3/,
      () => predictGraph(new nn.Sequential(new nn.MaxPool2d(3, { padding: 2 })), gray),
    ],
    [
      'padding beyond half the window, which dilation does not make wider, as in PyTorch',
      /^0: MaxPool2d expects padding of at most half the kernel, got padding 2 with kernelSize 3/,
      () => {
        const options = { padding: 2, dilation: 2 };
        return predictGraph(new nn.Sequential(new nn.MaxPool2d(3, options)), gray);
      },
    ],
    [
      'a forward that returns nothing',
      /^inner: forward must return a tensor, got undefined$/,
      () => {
        const inner = net(() => undefined as unknown as Tensor);
        return predictGraph(
          net((image) => inner.forward(image), { inner }),
          gray,
        );
      },
    ],
    [
      'a module that is not registered',
      /^a parameter in use is not registered: assign its module to a property/,
      () => {
        const hidden = [new nn.Linear(784, 10)];
        return predictGraph(
          net((image) => hidden[0]!.forward(image.flatten(1))),
          gray,
        );
      },
    ],
    [
      'forward on data',
      /^ReLU expects a symbolic tensor|^relu expects a symbolic tensor, got Float32Array/,
      () => new nn.ReLU().forward(new Float32Array(3) as unknown as Tensor),
    ],
    [
      'an operation without a gradient before the loss',
      /^reluGrad has no gradient, so no parameter before it can be trained/,
      () => {
        const linear = new nn.Linear(784, 10);
        const body = (image: Tensor) => {
          const y = linear.forward(image.flatten(1));
          return y.tracer.record('reluGrad', [y, y])[0]!;
        };
        return train(net(body, { linear }), gray);
      },
    ],
    [
      'a loss that is no number',
      /^the loss must be a single f32 number, got f32 of shape \[2, 784\]$/,
      () => {
        class Identity extends nn.Module {
          forward(logits: Tensor): Tensor {
            return logits;
          }
        }
        return evalGraph(new nn.Flatten(), new Identity(), gray);
      },
    ],
    [
      'nothing to train',
      /^no parameter of the optimizer takes part in the loss/,
      () => {
        const lenet = models.lenet();
        return train(lenet.requiresGrad_(false), gray);
      },
    ],
    [
      "another network's optimizer",
      /^the optimizer has a parameter of shape \[6, 1, 5, 5\] that the network does not have/,
      () => {
        const optimizer = new optim.Adam(models.lenet().parameters());
        return trainGraph(models.lenet(), loss, optimizer, gray);
      },
    ],
    [
      'batch size',
      /batchSize to be an integer from 1 to 2147483647, got 0/,
      () => predictGraph(models.lenet(), { ...gray, batchSize: 0 }),
    ],
    [
      'image shape',
      /expects a shape \[C, H, W\], got \[28, 28\]/,
      () => predictGraph(models.lenet(), { batchSize: 1, shape: [28, 28] }),
    ],
    [
      'mean of floats',
      /mean and std for u8 images only/,
      () => predictGraph(models.lenet(), { ...gray, dtype: 'f32', mean: [0] }),
    ],
    [
      'one mean for three channels',
      /mean to have one number for each of the 1 channels/,
      () => predictGraph(models.lenet(), { ...gray, mean: [0, 0, 0] }),
    ],
    ['std of zero', /std above 0/, () => predictGraph(models.lenet(), { ...gray, std: [0] })],
    [
      'seed',
      /expected a seed/,
      () => {
        const lenet = models.lenet();
        const optimizer = new optim.Adam(lenet.parameters());
        return trainGraph(lenet, loss, optimizer, gray, { seed: -1 });
      },
    ],
  ])('%s', (_title, message, call) => {
    expect(call).toThrow(message);
    expect(call).toThrow(expect.objectContaining({ code: expect.stringMatching(/^ERR_NN_/) }));
  });

  it('leave the modules as they were', () => {
    const lenet = models.lenet().eval();
    expect(() => train(lenet, { batchSize: 1, shape: [2, 28, 28] })).toThrow(ShapeError);
    expect([...lenet.modules()].some(({ training }) => training)).toBe(false);
    expect([...lenet.modules()].some((module) => Object.hasOwn(module, 'forward'))).toBe(false);
  });

  it('tensors do not outlive their trace', () => {
    let kept: Tensor | undefined;
    predictGraph(
      net((image) => {
        kept = image;
        return image;
      }),
      gray,
    );
    expect(kept).toBeInstanceOf(Tensor);
    expect(() => kept!.relu()).toThrow(/after the trace that made it/);
    expect(() =>
      predictGraph(
        net((image) => image.add(kept!)),
        gray,
      ),
    ).toThrow('a tensor of another trace was passed');
  });

  it("reshape rules are PyTorch's", () => {
    const shapes: number[][] = [];
    predictGraph(
      net((image) => {
        for (const tensor of [
          image.flatten(),
          image.flatten(1, 2),
          image.flatten(-2),
          image.view(-1, 14, 56),
          image.reshape([4, 392]),
        ]) {
          shapes.push([...tensor.shape]);
        }
        expect([image.ndim, image.size(0), image.size(-1)]).toEqual([4, 2, 28]);
        expect(() => image.size(4)).toThrow(ArgumentError);
        expect(() => image.view(-1, -1)).toThrow(ArgumentError);
        expect(() => image.flatten(2, 1)).toThrow(ShapeError);
        expect(() => image.flatten(4)).toThrow(ShapeError);
        return image;
      }),
      gray,
    );
    expect(shapes).toEqual([[1568], [2, 28, 28], [2, 1, 784], [2, 14, 56], [4, 392]]);
  });

  it('the builder refuses wrong types, attributes and counts of inputs', () => {
    const builder = new GraphBuilder();
    const x = builder.named('input', 'x', 'f32', [2, 3]);
    const bytes = builder.named('input', 'bytes', 'u8', [2, 3]);
    const options = { name: '', phase: 'forward' as const };
    expect(() => builder.apply('relu', [bytes], {}, options)).toThrow(DTypeError);
    expect(() => builder.apply('relu', [bytes], {}, options)).toThrow('x of type f32, got u8');
    expect(() => builder.apply('add', [x], {}, options)).toThrow('expects 2 inputs, got 1');
    expect(() => builder.apply('relu', [x], { p: 1 }, options)).toThrow('no attribute p');
    expect(() => builder.apply('gemm', [x, x], {}, options)).toThrow('attribute transposeA');
    expect(() => builder.named('input', 'x', 'f32', [2])).toThrow("named 'x'");
  });
});
