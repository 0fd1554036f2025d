/**
 * Predictions and evaluations, which fold batch normalisation into the convolution before it and
 * keep what they made of the parameters: whatever changes a parameter or a buffer, the next one
 * sees it.
 */
import { manualSeed, nn, optim, Predictor, type Tensor } from 'neuronode';
import { describe, expect, onTestFinished, test } from 'vitest';
import { testDevice } from './device.js';
import { hashAt } from './op-cases.js';
import { makeTrainer } from './trainer-support.js';

/** ReLU(BatchNorm(Conv(x)) + x), flattened. */
class Net extends nn.Module {
  readonly conv: nn.Conv2d;
  readonly norm = new nn.BatchNorm2d(4);
  readonly fc = new nn.Linear(4 * 36, 3);
  constructor(bias: boolean) {
    super();
    this.conv = new nn.Conv2d(4, 4, 3, { padding: 1, bias });
  }
  override forward(x: Tensor): Tensor {
    const y = this.norm.forward(this.conv.forward(x)).add(x).relu();
    return this.fc.forward(y.flatten(1));
  }
}

const rows = 5;
const image = Float32Array.from(
  { length: rows * 4 * 36 },
  (_, i) => ((hashAt('fold/image', i) >>> 21) - 1024) / 512,
);
const batch = {
  image,
  imageShape: [rows, 4, 6, 6] as const,
  label: Int32Array.from({ length: rows }, (_, i) => i % 3),
};

const loader = {
  length: 1,
  batchSize: rows,
  async *[Symbol.asyncIterator]() {
    yield batch;
  },
};

/** In float64, by the definition. */
function logitsOf(net: Net): number[][] {
  const state = net.stateDict();
  const at = (name: string, index: number) => state[name]?.data[index] ?? 0;
  const scale = (c: number) => at('norm.weight', c) / Math.sqrt(at('norm.running_var', c) + 1e-5);
  return Array.from({ length: rows }, (_, n) => {
    const hidden: number[] = [];
    for (let k = 0; k < 4; k++) {
      for (let i = 0; i < 36; i++) {
        let sum = at('conv.bias', k);
        for (let c = 0; c < 4; c++) {
          for (let tap = 0; tap < 9; tap++) {
            const row = Math.floor(i / 6) + Math.floor(tap / 3) - 1;
            const column = (i % 6) + (tap % 3) - 1;
            if (row < 0 || row > 5 || column < 0 || column > 5) continue;
            sum +=
              at('conv.weight', (k * 4 + c) * 9 + tap) *
              image[(n * 4 + c) * 36 + row * 6 + column]!;
          }
        }
        const y = (sum - at('norm.running_mean', k)) * scale(k) + at('norm.bias', k);
        hidden.push(Math.max(0, y + image[(n * 4 + k) * 36 + i]!));
      }
    }
    return [0, 1, 2].map((j) =>
      hidden.reduce((sum, h, i) => sum + h * at('fc.weight', j * 144 + i), at('fc.bias', j)),
    );
  });
}

const tolerance = testDevice === 'cpu' ? 4 : 3;

function expectLogits(ours: ArrayLike<number>, net: Net): number[] {
  const wanted = logitsOf(net).flat();
  for (const [i, value] of wanted.entries()) expect(ours[i]).toBeCloseTo(value, tolerance);
  return wanted;
}

describe.each([true, false])('with a bias of the convolution: %s', (bias) => {
  function make() {
    manualSeed(1);
    const net = new Net(bias);
    const predictor = new Predictor(net, { device: testDevice, batchSize: rows, softmax: false });
    onTestFinished(() => predictor.dispose());
    const predict = async () => (await predictor.predict(batch)).probabilities;
    return { net, predict };
  }

  test('each parameter and buffer that is assigned is seen by the next prediction', async () => {
    const { net, predict } = make();
    let before = expectLogits(await predict(), net);
    for (const [name, parameter] of [...net.namedParameters(), ...net.namedBuffers()]) {
      if (parameter.dtype === 'i32') continue; // num_batches_tracked, which predictions do not read
      parameter.data = Float32Array.from(parameter.data, (v, i) => v * 1.5 + 0.1 * ((i % 3) + 1));
      const after = expectLogits(await predict(), net);
      expect(after, name).not.toEqual(before);
      expectLogits(await predict(), net);
      before = after;
    }
    // In place, without telling anybody.
    net.norm.runningVar!.data[2] = 9;
    expect(expectLogits(await predict(), net)).not.toEqual(before);
  });

  test('so is a state dict that is loaded', async () => {
    const { net, predict } = make();
    const before = expectLogits(await predict(), net);
    manualSeed(2);
    net.loadStateDict(new Net(bias).stateDict());
    expect(expectLogits(await predict(), net)).not.toEqual(before);
  });

  test('so is training, by predictions and by evaluations', async () => {
    const { net, predict } = make();
    let before = expectLogits(await predict(), net);
    const trainer = makeTrainer(net, {
      optimizer: new optim.SGD(net.parameters(), { lr: 0.1, momentum: 0.9 }),
    });
    onTestFinished(() => trainer.dispose());
    for (let i = 0; i < 3; i++) {
      await trainer.step(batch);
      const evaluated = await trainer.evaluate(loader);
      await trainer.syncParameters();
      const after = expectLogits(await predict(), net);
      expect(after).not.toEqual(before);
      const losses = logitsOf(net).map((row, n) => {
        const largest = Math.max(...row);
        const sum = row.reduce((total, v) => total + Math.exp(v - largest), 0);
        return Math.log(sum) + largest - row[n % 3]!;
      });
      expect(evaluated.loss).toBeCloseTo(losses.reduce((a, b) => a + b) / rows, tolerance);
      before = after;
    }
  });
});
