/** What GoogLeNet has beside the other networks: auxiliary heads and their loss, and its input's colours. */
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

const [features, classes] = [4, 3];

/** Three heads in training, one in evaluation. */
class Heads extends nn.Module<nn.Outputs> {
  readonly heads = new nn.ModuleList([1, 2, 3].map(() => new nn.Linear(features, classes)));

  override forward(image: Tensor): nn.Outputs {
    const x = image.flatten(1);
    const logits = [...this.heads].map((head) => head.forward(x));
    return this.training ? logits : logits[0]!;
  }
}

/** Cross entropy of one head, averaged over the rows. */
function crossEntropy(head: nn.Linear, image: Float32Array, label: Int32Array): number {
  const [weight, bias] = [head.weight.data, head.bias!.data];
  const losses = Array.from(label, (right, row) => {
    const logits = Array.from({ length: classes }, (_, c) => {
      let sum = bias[c]!;
      for (let i = 0; i < features; i++) {
        sum += weight[c * features + i]! * image[row * features + i]!;
      }
      return sum;
    });
    return Math.log(logits.reduce((sum, value) => sum + Math.exp(value), 0)) - logits[right]!;
  });
  return losses.reduce((sum, value) => sum + value, 0) / losses.length;
}

describe('GoogLeNetLoss', () => {
  test('counts the auxiliary heads by 0.3, in smaller batches too', async () => {
    manualSeed(4);
    const net = new Heads();
    await using trainer = new Trainer(net, {
      loss: new models.GoogLeNetLoss(),
      optimizer: new optim.SGD(net.parameters(), { lr: 0 }),
      device: 'cpu',
    });
    const [main, ...others] = [...net.heads] as nn.Linear[];
    // The second fills the program of the first up.
    for (const rows of [5, 2]) {
      const image = Float32Array.from({ length: rows * features }, (_, i) => Math.sin(i));
      const label = Int32Array.from({ length: rows }, (_, i) => i % classes);
      const imageShape = [rows, 1, 1, features] as [number, number, number, number];
      const { loss } = await trainer.step({ image, imageShape, label });
      await trainer.syncParameters();
      const rest = others.reduce((sum, head) => sum + crossEntropy(head, image, label), 0);
      const wanted = crossEntropy(main!, image, label) + 0.3 * rest;
      expect(Math.abs(loss - wanted) / wanted).toBeLessThanOrEqual(1e-6);
    }
  });

  test('is the cross entropy of the one output in evaluation', async () => {
    manualSeed(5);
    const net = new Heads();
    const image = Float32Array.from({ length: 2 * features }, (_, i) => Math.cos(i));
    const imageShape = [2, 1, 1, features] as [number, number, number, number];
    const label = Int32Array.of(2, 0);
    await using trainer = new Trainer(net, {
      loss: new models.GoogLeNetLoss(),
      optimizer: new optim.SGD(net.parameters(), { lr: 0.1 }),
      device: 'cpu',
    });
    const loader = {
      length: 1,
      batchSize: 2,
      async *[Symbol.asyncIterator]() {
        yield { image, imageShape, label };
      },
    };
    const { loss } = await trainer.evaluate(loader);
    const wanted = crossEntropy([...net.heads][0] as nn.Linear, image, label);
    expect(Math.abs(loss - wanted) / wanted).toBeLessThanOrEqual(1e-6);
  });
});

describe('GoogLeNet', () => {
  test('without auxLogits has no heads', () => {
    const net = nn.skipInit(() => models.googlenet({ auxLogits: false }));
    const names = [...net.namedParameters()];
    expect(names.some(([name]) => name.startsWith('aux'))).toBe(false);
    expect(names.reduce((sum, [, { size }]) => sum + size, 0)).toBe(6_624_904);
  });

  test("returns the second head's logits before the first's, after dropouts of 0.7", async () => {
    class SecondOutput extends nn.Loss {
      override forward(...[, second, , labels]: Tensor[]): Tensor {
        return nn.functional.crossEntropy(second!, labels!);
      }
    }
    const net = models.googlenet({ numClasses: 10 });
    const dropouts = [net.aux1!.dropout, net.aux2!.dropout, net.dropout];
    expect(dropouts.map(({ p }) => p)).toEqual([0.7, 0.7, 0.2]);
    for (const { fc2 } of [net.aux1!, net.aux2!]) {
      nn.init.zeros_(fc2.weight);
      nn.init.zeros_(fc2.bias!);
    }
    net.aux2!.fc2.bias!.data[0] = 3;
    await using trainer = new Trainer(net, {
      loss: new SecondOutput(),
      optimizer: new optim.SGD(net.parameters(), { lr: 0 }),
      device: 'cpu',
    });
    const image = new Float32Array(2 * 3 * 32 * 32).fill(0.5);
    const label = Int32Array.of(0, 0);
    const { loss } = await trainer.step({ image, imageShape: [2, 3, 32, 32], label });
    expect(loss).toBeCloseTo(Math.log(Math.exp(3) + 9) - 3, 5);
  });

  test('transformInput takes images normalised as ImageNet is', async () => {
    const [size, cells] = [32, 32 * 32];
    const image = Float32Array.from({ length: 3 * cells }, (_, i) => 2 * Math.sin(i * i));
    const changed = image.map((value, i) => {
      const channel = Math.floor(i / cells);
      const pixel = value * [0.229, 0.224, 0.225][channel]! + [0.485, 0.456, 0.406][channel]!;
      return (pixel - 0.5) / 0.5;
    });
    const found: ArrayLike<number>[] = [];
    for (const transformInput of [true, false]) {
      manualSeed(6);
      const net = models.googlenet({ transformInput, auxLogits: false, numClasses: 10 }).eval();
      for (const module of net.modules()) {
        if (module instanceof nn.Conv2d) nn.init.kaimingNormal_(module.weight);
      }
      await using predictor = new Predictor(net, { softmax: false, device: 'cpu' });
      const pixels = transformInput ? image : changed;
      const { probabilities } = await predictor.predict({
        image: pixels,
        imageShape: [1, 3, size, size],
      });
      found.push(probabilities);
    }
    const [inside, outside] = found.map((values) => Array.from(values)) as [number[], number[]];
    const largest = Math.max(...outside.map(Math.abs));
    expect(largest).toBeGreaterThan(1e-3);
    for (const [i, value] of outside.entries()) {
      expect(Math.abs(inside[i]! - value) / largest).toBeLessThanOrEqual(1e-4);
    }
    const make = () => models.googlenet({ transformInput: true, inChannels: 1 });
    expect(make).toThrow(ArgumentError);
  });
});
