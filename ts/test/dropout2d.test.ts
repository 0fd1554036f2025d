/** Dropout2d: whole channels, by a mask that is dropout's of [N, C]. */
import { ArgumentError, nn, optim, Predictor, type Tensor } from 'neuronode';
import { describe, expect, it, onTestFinished } from 'vitest';
import { deviceOps, testDevice } from './device.js';
import { makeTrainer } from './trainer-support.js';

const channels = 40;
const pixels = 12;
const p = 0.25;

class Sum extends nn.Loss {
  override targets(output: Tensor): nn.LossTargets {
    return { dtype: 'f32', shape: output.shape };
  }

  override forward(output: Tensor): Tensor {
    return output.sum();
  }
}

/** y = x + bias, each channel by itself, dropped. The bias's gradient shows the masks. */
class Net extends nn.Module {
  readonly conv = new nn.Conv2d(channels, channels, 1, { groups: channels });
  readonly drop = new nn.Dropout2d(p);

  constructor() {
    super();
    this.conv.weight.data = new Float32Array(channels).fill(1);
    this.conv.bias!.data = new Float32Array(channels);
  }

  override forward(x: Tensor): Tensor {
    return this.drop.forward(this.conv.forward(x));
  }
}

const image = Float32Array.from({ length: channels * pixels }, (_, i) => (i % 7) - 2);
const batch = {
  image,
  imageShape: [1, channels, 3, 4],
  label: new Float32Array(image.length),
};

describe('Dropout2d', () => {
  it('drops whole channels with the mask of (seed, step, call, channel)', async () => {
    const net = new Net();
    const trainer = makeTrainer(net, {
      loss: new Sum(),
      optimizer: new optim.SGD(net.parameters(), { lr: 1 }),
      seed: 5,
    });
    let bias = new Float32Array(channels);
    for (const step of [1, 2]) {
      const { loss } = await trainer.step(batch);
      const ones = { data: new Float32Array(channels).fill(1), shape: [1, channels] };
      const { data: mask } = await deviceOps.dropout(ones, p, step, { seed: [5, 0], stream: 0 });
      expect(mask.some((value) => value === 0)).toBe(true);
      const after = (await trainer.stateDict())['conv.bias']!.data as Float32Array;
      for (let c = 0; c < channels; c++) {
        expect(bias[c]! - after[c]!).toBeCloseTo(pixels * mask[c]!, 4);
      }
      if (step === 1) {
        const wanted = image.reduce((sum, x, i) => sum + x * mask[Math.floor(i / pixels)]!, 0);
        expect(loss).toBeCloseTo(wanted, 3);
      }
      bias = after.slice();
    }
  });

  it('does nothing in evaluation', async () => {
    const net = new nn.Sequential(new Net(), new nn.Flatten());
    const predictor = new Predictor(net, { device: testDevice, softmax: false });
    onTestFinished(() => predictor.dispose());
    const { probabilities } = await predictor.predict(batch);
    expect(Array.from(probabilities)).toEqual(Array.from(image));
  });

  it('prints as in PyTorch and refuses what is no share', () => {
    expect(String(new nn.Dropout2d())).toBe('Dropout2d(p=0.5, inplace=False)');
    expect(() => new nn.Dropout2d(1.5)).toThrow(ArgumentError);
  });

  it('names itself where the input is no image', async () => {
    const net = new nn.Sequential(new nn.Flatten(), new nn.Linear(480, 4), new nn.Dropout2d());
    const trainer = makeTrainer(net, { loss: new Sum() });
    await expect(trainer.step(batch)).rejects.toThrow(
      '2: Dropout2d expects input of shape [N, C, H, W], got [1, 4]',
    );
  });
});
