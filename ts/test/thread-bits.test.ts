/**
 * The same seed gives the same bits on any number of threads: networks of every kind of convolution
 * are trained in processes of one, two and three threads, with each algorithm, and all parameters
 * compared. Old processors are imitated by telling both our code and oneDNN to use fewer instructions.
 *
 * Policy: `'auto'` is compared with `deterministic`, since without it times decide.
 */
import { describe, expect, test } from 'vitest';
import { startScript } from './trainer-support.js';

interface Result {
  readonly hash: string;
  readonly losses: readonly number[];
}

/** Prints, as JSON, losses and a hash of all parameters of each network and algorithm. */
const script = `
  import { createHash } from 'node:crypto';
  import { manualSeed, models, nn, optim, setNumThreads, Trainer } from 'neuronode';
  setNumThreads(Number(process.env.TEST_THREADS));

  const { AdaptiveAvgPool2d, AvgPool2d, Conv2d, Dropout, Flatten, Linear, MaxPool2d, ReLU } = nn;
  const head = (channels) => [new AdaptiveAvgPool2d(3), new Flatten(), new Linear(9 * channels, 10)];
  /** ReLU(BatchNorm(Conv(x)) + x), and once more without its convolution. */
  class Residual extends nn.Module {
    constructor(channels) {
      super();
      this.conv = new Conv2d(channels, channels, 3, { padding: 1 });
      this.first = new nn.BatchNorm2d(channels);
      this.second = new nn.BatchNorm2d(channels);
    }
    forward(x) {
      const y = this.first.forward(this.conv.forward(x)).add(x).relu();
      return this.second.forward(y).add(y).relu();
    }
  }
  const nets = {
    lenet: [() => models.lenet(), [33, 1, 28, 28]],
    lenetOfOne: [() => models.lenet(), [1, 1, 28, 28]],
    pointwise: [
      () =>
        new nn.Sequential(
          new Conv2d(3, 20, 1), new ReLU(), new Conv2d(20, 48, 1), new ReLU(), new MaxPool2d(2),
          new Conv2d(48, 40, 1, { stride: 2 }), new ReLU(), new Conv2d(40, 64, 1), ...head(64),
        ),
      [33, 3, 26, 26],
    ],
    wide: [
      () =>
        new nn.Sequential(
          new Conv2d(16, 256, 1), new ReLU(), new Conv2d(256, 64, 1), new ReLU(), ...head(64),
        ),
      [7, 16, 14, 14],
    ],
    odd: [
      () =>
        new nn.Sequential(
          new Conv2d(5, 13, 3, { stride: 2, padding: 1 }), new ReLU(), new Dropout(0.3),
          new Conv2d(13, 37, [3, 5], { padding: [1, 2] }), new ReLU(), new AvgPool2d(3, { stride: 2 }),
          new Conv2d(37, 22, 3, { dilation: 2, padding: 2 }), new ReLU(),
          new Conv2d(22, 24, 3, { padding: 1, groups: 2 }), new ReLU(),
          new Conv2d(24, 24, 3, { padding: 1, groups: 24 }), new ReLU(),
          new Conv2d(24, 11, 5, { padding: 2 }), new ReLU(), ...head(11),
        ),
      [7, 5, 45, 37],
    ],
    batch: [
      () =>
        new nn.Sequential(
          new Conv2d(6, 32, 3, { padding: 1 }), new ReLU(), new MaxPool2d(2),
          new Conv2d(32, 64, 3, { padding: 1 }), new ReLU(), new Conv2d(64, 64, 3), ...head(64),
        ),
      [128, 6, 16, 16],
    ],
    normalised: [
      () =>
        new nn.Sequential(
          new Conv2d(3, 20, 3, { padding: 1 }), new nn.BatchNorm2d(20), new ReLU(),
          new Residual(20), new Conv2d(20, 70, 1), new nn.BatchNorm2d(70), new nn.ReLU6(),
          new AvgPool2d(2), new Residual(70), ...head(70),
        ),
      [9, 3, 25, 19],
    ],
    resampled: [
      () =>
        new nn.Sequential(
          new Conv2d(3, 20, 3, { padding: 1 }), new nn.GroupNorm(4, 20),
          new nn.Upsample({ scaleFactor: 2, mode: 'bilinear' }), new nn.LogSoftmax(1),
          new Conv2d(20, 36, 3, { stride: 2 }), new nn.Upsample({ size: [17, 9] }),
          new nn.Softmax(2), new nn.GroupNorm(36, 36), new nn.Softplus(2), new AdaptiveAvgPool2d(3),
          new Flatten(), new nn.LayerNorm(9 * 36), new Linear(9 * 36, 10),
        ),
      [41, 3, 13, 11],
    ],
    alexnet: [() => models.alexnet(), [2, 1, 224, 224]],
  };

  async function train(make, imageShape, options) {
    manualSeed(0);
    const net = make();
    const trainer = new Trainer(net, {
      loss: new nn.CrossEntropyLoss(),
      optimizer: new optim.Adam(net.parameters(), { lr: 0.001, weightDecay: 0.01 }),
      device: 'cpu',
      seed: 1,
      ...options,
    });
    const pixels = imageShape.reduce((product, extent) => product * extent, 1);
    let random = 1;
    const image = Uint8Array.from({ length: pixels }, () => {
      random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
      return random >>> 24;
    });
    const label = Int32Array.from({ length: imageShape[0] }, (_, i) => (i * 7) % 10);
    const losses = [];
    for (let i = 0; i < 3; i++) losses.push((await trainer.step({ image, imageShape, label })).loss);
    await trainer.syncParameters();
    const hash = createHash('sha256').update(JSON.stringify(losses));
    for (const { data } of Object.values(net.stateDict())) hash.update(new Uint8Array(data.buffer));
    await trainer.dispose();
    return { hash: hash.digest('hex'), losses };
  }

  const found = {};
  for (const [name, [make, imageShape]] of Object.entries(nets)) {
    if (name === 'alexnet' && process.env.TEST_ALEXNET === undefined) continue;
    for (const options of [
      { algorithm: 'direct' },
      { algorithm: 'winograd' },
      { algorithm: 'auto', deterministic: true },
    ]) {
      found[name + ' ' + options.algorithm] = await train(make, imageShape, options);
    }
  }
  console.log(JSON.stringify(found));
`;

async function train(threads: number, env: Record<string, string>) {
  const child = startScript(script, { ...env, TEST_THREADS: String(threads) });
  const { status, stdout, stderr } = await child.ended;
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const results: Record<string, Result> = JSON.parse(stdout);
  expect(Object.keys(results).length).toBeGreaterThan(15);
  return results;
}

const isas: [string, Record<string, string>][] = [
  ['this processor', {}],
  ['AVX2', { NEURONODE_ISA: 'avx2', ONEDNN_MAX_CPU_ISA: 'AVX2' }],
  ['SSE4.1', { NEURONODE_ISA: 'baseline', ONEDNN_MAX_CPU_ISA: 'SSE41' }],
];

describe('three steps', () => {
  test.each(isas)(
    'give the same bits on 1, 2 and 3 threads with %s',
    async (name, isa) => {
      const env = name === 'this processor' ? { ...isa, TEST_ALEXNET: 'yes' } : isa;
      const one = await train(1, env);
      expect(await train(2, env)).toEqual(one);
      expect(await train(3, env)).toEqual(one);
    },
    240_000,
  );

  test('give nearly the same losses with other instructions, by other kernels', async () => {
    const [here, ...others] = await Promise.all(isas.map(([, isa]) => train(1, isa)));
    for (const [name, { losses }] of Object.entries(here!)) {
      for (const other of others) {
        for (const [step, loss] of losses.entries()) {
          expect(Math.abs(other[name]!.losses[step]! / loss - 1), name).toBeLessThan(2e-6);
        }
      }
    }
  });
});
