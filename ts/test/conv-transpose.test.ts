/**
 * The transposed convolution against PyTorch's, by scripts/fixtures/transposed.py: initial weights,
 * outputs, the gradients of its input, weight and bias as a step of SGD shows them, and its errors.
 */
import { readFileSync } from 'node:fs';
import { ArgumentError, manualSeed, nn, optim, ShapeError, type Tensor } from 'neuronode';
import { describe, expect, it } from 'vitest';
import { floats, type OpCase } from './op-cases.js';
import { makeTrainer } from './trainer-support.js';

interface Numbers {
  readonly shape: number[];
  readonly data: number[];
}

interface Reference {
  readonly shape: number[];
  readonly print: string;
  readonly initial: Record<string, Numbers>;
  readonly output: Numbers;
  readonly after: Record<string, Numbers>;
}

const file = new URL('fixtures/conv-transpose.json', import.meta.url);
const references = JSON.parse(readFileSync(file, 'utf8')) as Record<string, Reference>;

const layers: Record<string, () => nn.ConvTranspose2d> = {
  plain: () => new nn.ConvTranspose2d(4, 6, 3),
  stride: () => new nn.ConvTranspose2d(4, 5, 3, { stride: 2, padding: 1, outputPadding: 1 }),
  groups: () => new nn.ConvTranspose2d(4, 6, [2, 3], { stride: [2, 3], groups: 2, bias: false }),
  depthwise: () => new nn.ConvTranspose2d(4, 4, 4, { stride: 2, padding: 1, groups: 4 }),
  dilation: () => new nn.ConvTranspose2d(4, 3, 3, { dilation: 2, padding: 2, outputPadding: 1 }),
  'dilation-stride': () =>
    new nn.ConvTranspose2d(4, 2, 2, { stride: [2, 1], dilation: [4, 3], outputPadding: [3, 2] }),
};

/** Half the sum of the outputs' squares, of outputs that have the shape wanted. */
class Squares extends nn.Loss {
  constructor(readonly shape: readonly number[]) {
    super();
  }

  override targets(output: Tensor): nn.LossTargets {
    return { dtype: 'f32', shape: output.shape };
  }

  override forward(output: Tensor): Tensor {
    expect(output.shape).toEqual(this.shape);
    return output.mul(output).sum().mul(0.5);
  }
}

function expectNear(got: ArrayLike<number>, wanted: readonly number[]): void {
  expect(got.length).toBe(wanted.length);
  const peak = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const worst = wanted.reduce((most, value, i) => Math.max(most, Math.abs(value - got[i]!)), 0);
  expect(worst / peak).toBeLessThan(1e-5);
}

describe.each(Object.entries(layers))('ConvTranspose2d: %s', (name, makeLayer) => {
  const reference = references[name]!;
  const makeNet = () => {
    manualSeed(0);
    return new nn.Sequential(new nn.Conv2d(3, 4, 1), makeLayer());
  };

  it('prints and begins as PyTorch, bit for bit', () => {
    const net = makeNet();
    expect(String(net.at(1))).toBe(reference.print);
    const dict = net.stateDict();
    expect(Object.keys(dict)).toEqual(Object.keys(reference.initial));
    for (const [key, { shape, data }] of Object.entries(reference.initial)) {
      expect(dict[key]!.shape).toEqual(shape);
      expect(Array.from(dict[key]!.data)).toEqual(data);
    }
  });

  it('has the output and the gradients of PyTorch', async () => {
    const net = makeNet();
    const trainer = makeTrainer(net, {
      loss: new Squares(reference.output.shape),
      optimizer: new optim.SGD(net.parameters(), { lr: 1 }),
    });
    const id = `conv-transpose/${name}`;
    const image = floats({ id, distributions: {} } as unknown as OpCase, 'x', reference.shape);
    const label = new Float32Array(reference.output.data.length);
    const { loss } = await trainer.step({ image, imageShape: reference.shape, label });
    const half = reference.output.data.reduce((sum, value) => sum + value ** 2 / 2, 0);
    expect(Math.abs(loss / half - 1)).toBeLessThan(1e-5);
    const dict = await trainer.stateDict();
    for (const [key, { data }] of Object.entries(reference.after)) {
      const [start, got] = [reference.initial[key]!.data, dict[key]!.data];
      const gradient = Array.from(got, (value, i) => start[i]! - value);
      expectNear(
        gradient,
        data.map((value, i) => start[i]! - value),
      );
    }
  });
});

describe('ConvTranspose2d', () => {
  it('refuses what PyTorch refuses', () => {
    expect(() => new nn.ConvTranspose2d(4, 6, 3, { stride: 2, outputPadding: 2 })).toThrow(
      new ArgumentError(
        'ConvTranspose2d expects outputPadding below stride or dilation, got [2, 2] with ' +
          'stride [2, 2] and dilation [1, 1]',
      ),
    );
    expect(() => new nn.ConvTranspose2d(4, 6, 3, { groups: 4 })).toThrow(
      new ArgumentError(
        'ConvTranspose2d expects outChannels to be a multiple of groups, got 6 and 4',
      ),
    );
    expect(() => new nn.ConvTranspose2d(4, 6, 3, { padding: 'same' as never })).toThrow(
      ArgumentError,
    );
  });

  it.each([
    [
      () => new nn.ConvTranspose2d(5, 6, 3),
      '1: ConvTranspose2d expects 5 input channels, got 4 from input [2, 4, 3, 3]',
    ],
    [
      () => new nn.ConvTranspose2d(4, 6, 3, { padding: 3 }),
      '1: ConvTranspose2d has padding [3, 3] that leaves nothing of the output from input ' +
        '[2, 4, 3, 3]; use a larger image or less padding',
    ],
  ])('names the module where sizes do not fit (%#)', async (makeLayer, message) => {
    const net = new nn.Sequential(new nn.Conv2d(3, 4, 1), makeLayer());
    const trainer = makeTrainer(net, { loss: new Squares([]) });
    const batch = {
      image: new Float32Array(54),
      imageShape: [2, 3, 3, 3],
      label: new Float32Array(1),
    };
    await expect(trainer.step(batch)).rejects.toThrow(new ShapeError(message));
  });
});
