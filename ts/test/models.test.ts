/**
 * The networks of ts/src/models beside torchvision's (scripts/fixtures/models.py): names and shapes of
 * state dicts, initial weights, logits, and the losses of ten training steps.
 *
 * Weights are drawn here and there by the same uniform numbers, in the order of the state dict, so that
 * none are stored. VGG's 120 million weights of linear layers take part in one network's logits; the
 * rest is computed with one small layer in their place.
 */
import { readFileSync } from 'node:fs';
import {
  ArgumentError,
  manualSeed,
  models,
  nn,
  optim,
  Predictor,
  type Tensor,
  Trainer,
} from 'neuronode';
import { describe, expect, test } from 'vitest';

interface Fixture {
  parameters: number;
  /** Name and shape of each tensor, as `conv.weight 8x3x5x5`. */
  tensors: string[];
  size: number;
  batch: number;
  lr: number;
  /** What was computed with a small classifier. */
  small: { logits: boolean; losses: boolean };
  logits: number[][];
  losses: number[];
  /** By how much PyTorch's float32 differs from its float64, relatively. */
  drift: number;
  /** Of each buffer: its value, or the sums of its values and of their squares. */
  buffers: (number | [number, number])[];
  /** The element in the midst of each parameter. */
  initial?: number[];
}

type Make = (options: models.DropoutModelOptions) => nn.Module<nn.Outputs>;

/** Of a network that has no dropout. */
const plain =
  (make: (options: models.ModelOptions) => nn.Module): Make =>
  ({ dropout: _, ...options }) =>
    make(options);

/** How to make it, and the tolerances: of logits by the largest, of losses relatively. */
interface Case {
  make: Make;
  /** Cross entropy where there is none. */
  loss?: () => nn.Loss;
  logits: number;
  losses: number;
}

const cases: Record<string, Case> = {
  alexnet2012: { make: models.alexnet2012, logits: 2e-6, losses: 5e-6 },
  torchvisionAlexnet: { make: models.torchvisionAlexnet, logits: 2e-6, losses: 5e-6 },
  vgg11: { make: models.vgg11, logits: 1e-5, losses: 5e-4 },
  vgg13: { make: models.vgg13, logits: 1e-5, losses: 3e-4 },
  vgg16: { make: models.vgg16, logits: 1e-5, losses: 3e-4 },
  vgg19: { make: models.vgg19, logits: 1e-5, losses: 5e-4 },
  vgg11Bn: { make: models.vgg11Bn, logits: 1e-5, losses: 1e-4 },
  vgg13Bn: { make: models.vgg13Bn, logits: 1e-5, losses: 1e-4 },
  vgg16Bn: { make: models.vgg16Bn, logits: 1e-5, losses: 1e-4 },
  vgg19Bn: { make: models.vgg19Bn, logits: 1e-5, losses: 1e-4 },
  resnet18: { make: plain(models.resnet18), logits: 1e-5, losses: 2e-5 },
  resnet34: { make: plain(models.resnet34), logits: 1e-5, losses: 1e-4 },
  resnet50: { make: plain(models.resnet50), logits: 1e-5, losses: 3e-4 },
  mobilenetV2: { make: models.mobilenetV2, logits: 1e-5, losses: 1e-3 },
  densenet121: { make: plain(models.densenet121), logits: 2e-6, losses: 5e-5 },
  googlenet: {
    make: ({ dropout, ...options }) =>
      models.googlenet(
        dropout === undefined ? options : { ...options, dropout, dropoutAux: dropout },
      ),
    loss: () => new models.GoogLeNetLoss(),
    logits: 2e-6,
    losses: 1e-4,
  },
  nin: { make: models.nin, logits: 1e-5, losses: 1e-4 },
};

const fixtures = (
  JSON.parse(readFileSync(new URL('fixtures/models.json', import.meta.url), 'utf8')) as {
    models: Record<string, Fixture>;
  }
).models;

const classes = 10;

/** VGG with one small layer for its classifier. */
class SmallVgg extends nn.Module {
  readonly features: nn.Sequential;
  readonly avgpool = new nn.AdaptiveAvgPool2d(1);
  readonly classifier = new nn.Linear(512, classes);

  constructor(features: nn.Sequential) {
    super();
    this.features = features;
  }

  override forward(image: Tensor): Tensor {
    return this.classifier.forward(this.avgpool.forward(this.features.forward(image)).flatten(1));
  }
}

/** The network of ten classes, without dropout, with the fixture's weights. */
function made(name: string, isSmall: boolean): nn.Module<nn.Outputs> {
  const net = nn.skipInit(() => {
    const whole = cases[name]!.make({ numClasses: classes, dropout: 0 });
    return isSmall ? new SmallVgg((whole as models.VGG).features) : whole;
  });
  manualSeed(1);
  const tensors = new Map<string, nn.Parameter | nn.Buffer>([
    ...net.namedParameters(),
    ...net.namedBuffers(),
  ]);
  const linear = [...net.modules()].some((module) => module instanceof nn.BatchNorm2d) ? 0.1 : 1;
  for (const text of fixtures[name]!.tensors) {
    const key = text.split(' ')[0]!;
    // Of the large classifier.
    if (isSmall && /^classifier\.[1-9]/.test(key)) continue;
    const tensor = tensors.get(isSmall ? key.replace('classifier.0', 'classifier') : key)!;
    if (key.endsWith('num_batches_tracked')) continue;
    const [, ...inner] = tensor.shape;
    const fanIn = inner.reduce((product, size) => product * size, 1);
    const bound = Math.sqrt(6 / fanIn) * (inner.length === 1 ? linear : 1);
    const [from, to] =
      inner.length > 0
        ? [-bound, bound]
        : /(running_var|weight)$/.test(key)
          ? [0.5, 1.5]
          : [-0.1, 0.1];
    nn.init.uniform_(tensor as nn.Parameter, from, to);
  }
  return net;
}

function imagesOf(seed: number, count: number, size: number) {
  manualSeed(seed);
  const imageShape = [count, 3, size, size] as [number, number, number, number];
  const image = new nn.Parameter(new Float32Array(count * 3 * size * size), imageShape);
  return { image: nn.init.uniform_(image, -1, 1).data, imageShape };
}

function labelsOf(step: number, count: number): Int32Array {
  return Int32Array.from({ length: count }, (_, row) => (7 * step + 3 * row) % classes);
}

describe.each(Object.entries(cases))('models.%s', (name, { make, loss, ...tolerance }) => {
  const fixture = fixtures[name]!;

  test("has the names and shapes of torchvision's state dict", () => {
    const net = nn.skipInit(() => make({}));
    const state = Object.entries(net.stateDict());
    expect(state.map(([key, { shape }]) => `${key} ${shape.join('x')}`)).toEqual(fixture.tensors);
    const counts = [...net.parameters()].map((each) => each.size);
    expect(counts.reduce((sum, size) => sum + size, 0)).toBe(fixture.parameters);
  });

  test('takes other channels, and other classes', () => {
    const net = nn.skipInit(() => make({ inChannels: 2, numClasses: 7, dropout: 0.25 }));
    const shapes = [...net.parameters()].map(({ shape }) => shape);
    expect(shapes[0]![1]).toBe(2);
    expect(shapes.at(-1)![0]).toBe(7);
    for (const module of net.modules()) {
      if (module instanceof nn.Dropout) expect(module.p).toBe(0.25);
    }
    expect(() => make({ numClasses: 0 })).toThrow(ArgumentError);
    expect(() => make({ classes: 3 } as never)).toThrow('has no option');
  });

  // The deeper VGG networks are drawn by the lines that draw the first, in seconds.
  const { initial } = fixture;
  const testInitial = initial === undefined ? undefined : test;
  testInitial?.("has PyTorch's initial weights of seed 0", () => {
    manualSeed(0);
    const found = [...make({}).namedParameters()];
    expect(found).toHaveLength(initial!.length);
    for (const [i, [key, parameter]] of found.entries()) {
      const difference = parameter.data[parameter.size >> 1]! - Math.fround(initial![i]!);
      // Uniform numbers are PyTorch's, normal ones but for their last bits.
      const isUniform = name === 'torchvisionAlexnet' || name === 'nin';
      expect(Math.abs(difference), key).toBeLessThanOrEqual(isUniform ? 0 : 1e-6);
    }
  });

  test("gives torchvision's logits", async () => {
    const net = made(name, fixture.small.logits).eval();
    await using predictor = new Predictor(net, { softmax: false, device: 'cpu' });
    const { probabilities: values } = await predictor.predict(imagesOf(2, 2, fixture.size));
    const wanted = fixture.logits.flat();
    const largest = Math.max(...wanted.map(Math.abs));
    const worst = Math.max(...wanted.map((value, i) => Math.abs(values[i]! - value))) / largest;
    console.log(`${name}: logits differ by up to ${worst.toExponential(1)}`);
    expect(worst).toBeLessThanOrEqual(tolerance.logits);
  });

  test('loses what PyTorch loses in ten steps', async () => {
    const net = made(name, fixture.small.losses);
    await using trainer = new Trainer(net, {
      loss: loss?.() ?? new nn.CrossEntropyLoss(),
      optimizer: new optim.SGD(net.parameters(), { lr: fixture.lr, momentum: 0.9 }),
      device: 'cpu',
      // Which algorithms are fastest differs from run to run, and Winograd costs a digit.
      algorithm: 'direct',
    });
    const losses: number[] = [];
    for (const [step] of fixture.losses.entries()) {
      const label = labelsOf(step, fixture.batch);
      const batch = { ...imagesOf(100 + step, fixture.batch, fixture.size), label };
      losses.push((await trainer.step(batch)).loss);
    }
    const differences = fixture.losses.map((loss, i) => Math.abs(losses[i]! - loss) / loss);
    const worst = Math.max(...differences);
    console.log(
      `${name}: losses differ by up to ${worst.toExponential(1)}, ` +
        `PyTorch's float32 by ${fixture.drift.toExponential(1)}`,
    );
    expect(worst).toBeLessThanOrEqual(tolerance.losses);
    const state = await trainer.stateDict();
    const keys = [...net.namedBuffers()].map(([key]) => key);
    expect(keys).toHaveLength(fixture.buffers.length);
    for (const [i, key] of keys.entries()) {
      const { data } = state[key]!;
      const wanted = fixture.buffers[i]!;
      if (typeof wanted === 'number') expect(data[0], key).toBe(wanted);
      else expectSums(key, data, wanted, tolerance.losses);
    }
  });
});

/** The sums of a buffer's values and of their squares. */
function expectSums(
  key: string,
  data: ArrayLike<number>,
  [sum, squares]: [number, number],
  tolerance: number,
): void {
  let [foundSum, foundSquares] = [0, 0];
  for (const value of Array.from(data)) {
    foundSum += value;
    foundSquares += value * value;
  }
  const scale = Math.sqrt(squares * data.length);
  expect(Math.abs(foundSum - sum) / scale, key).toBeLessThanOrEqual(tolerance);
  expect(Math.abs(foundSquares - squares) / squares, key).toBeLessThanOrEqual(2 * tolerance);
}

test('every network of the fixtures is compared', () => {
  expect(Object.keys(cases).sort()).toEqual(Object.keys(fixtures).sort());
});
