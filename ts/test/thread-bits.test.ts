/**
 * The same seed gives the same bits on any number of threads: networks of every kind of convolution
 * are trained in processes of one, two and three threads, with each algorithm, and all parameters
 * compared. Old processors are imitated by telling both our code and oneDNN to use fewer instructions.
 *
 * Policy: `'auto'` is compared with `deterministic`, since without it times decide.
 */
import { describe, expect, test } from 'vitest';
import { startScript } from './trainer-support.js';

/** Prints, as JSON, a hash of the parameters of every network and algorithm after three steps. */
const script = `
  import { createHash } from 'node:crypto';
  import { manualSeed, models, nn, optim, setNumThreads, Trainer } from 'neuronode';
  setNumThreads(Number(process.env.TEST_THREADS));

  const { AdaptiveAvgPool2d, AvgPool2d, Conv2d, Dropout, Flatten, Linear, MaxPool2d, ReLU } = nn;
  const head = (channels) => [new AdaptiveAvgPool2d(3), new Flatten(), new Linear(9 * channels, 10)];
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
    return losses.every(Number.isFinite) ? hash.digest('hex') : 'not finite';
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

async function hashes(threads: number, env: Record<string, string>) {
  const child = startScript(script, { ...env, TEST_THREADS: String(threads) });
  const { status, stdout, stderr } = await child.ended;
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  const found: Record<string, string> = JSON.parse(stdout);
  expect(Object.values(found)).not.toContain('not finite');
  return found;
}

describe('parameters after three steps', () => {
  test.each<[string, Record<string, string>]>([
    ['this processor', { TEST_ALEXNET: 'yes' }],
    ['AVX2', { NEURONODE_ISA: 'avx2', ONEDNN_MAX_CPU_ISA: 'AVX2' }],
    ['SSE4.1', { NEURONODE_ISA: 'baseline', ONEDNN_MAX_CPU_ISA: 'SSE41' }],
  ])(
    'are the same on 1, 2 and 3 threads with %s',
    async (_name, env) => {
      const one = await hashes(1, env);
      expect(Object.keys(one).length).toBeGreaterThan(15);
      expect(await hashes(2, env)).toEqual(one);
      expect(await hashes(3, env)).toEqual(one);
    },
    240_000,
  );
});
