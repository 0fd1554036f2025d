/** Checkpoints from one device to another: what a GPU has learned goes on on the CPU, and back. */
import { join } from 'node:path';
import { models, optim, Predictor, safetensors, type TrainerOptions } from 'neuronode';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../data-support.js';
import { testDevice } from '../device.js';
import {
  flat,
  learnableLoader,
  makeTrainer,
  seededLenet,
  seededTiny,
  takeBatches,
} from '../trainer-support.js';

type Device = Pick<TrainerOptions, 'device' | 'precision'>;
const cpu: Device = { device: 'cpu' };
const gpu: Device = { device: testDevice };

const loader = () => learnableLoader(80, {}, 10);

/** Two epochs of five steps, the first steps on one device and the rest on another. */
async function lossesOf(first: Device, then: Device, stopAt: number): Promise<number[]> {
  const dir = await temporaryFolder();
  const losses: number[] = [];
  const options = { log: false, epochs: 2, checkpoint: { dir } } as const;
  const onStep = ({ loss }: { loss: number }) => {
    losses.push(loss);
  };
  const start = makeTrainer(seededTiny(), { seed: 9, ...first });
  await start.fit(loader(), { ...options, maxSteps: stopAt, onStep });
  const rest = makeTrainer(seededTiny(), { seed: 9, ...then });
  await rest.fit(loader(), { ...options, resume: dir, onStep });
  return losses;
}

function expectClose(found: ArrayLike<number>, wanted: ArrayLike<number>, limit: number): void {
  expect(found.length).toBe(wanted.length);
  for (let i = 0; i < wanted.length; i++) {
    expect(Math.abs(found[i]! / wanted[i]! - 1), `step ${i + 1}`).toBeLessThanOrEqual(limit);
  }
}

test.each([
  ['from the GPU to the CPU in mid-epoch', gpu, cpu, 3],
  ['from the CPU to the GPU in mid-epoch', cpu, gpu, 7],
  ['from the GPU to the CPU at the end of an epoch', gpu, cpu, 5],
] as const)('training goes on %s', async (_name, first, then, stopAt) => {
  const wanted = await lossesOf(cpu, cpu, stopAt);
  expect(wanted).toHaveLength(10);
  expectClose(await lossesOf(first, then, stopAt), wanted, 1e-3);
});

test('training in bf16 goes on on the CPU from f32 parameters', async () => {
  const wanted = await lossesOf(cpu, cpu, 5);
  const found = await lossesOf({ device: testDevice, precision: 'bf16' }, cpu, 5);
  expectClose(found, wanted, 0.1);
});

test('files hold the parameters as PyTorch has them, whatever the device keeps', async () => {
  // Noise: on even ground rounding alone says which of equal pixels a max-pooling takes.
  const image = Uint8Array.from(
    { length: 16 * 784 },
    (_, i) => Math.imul(i + 1, 0x9e3779b1) >>> 24,
  );
  const label = Int32Array.from({ length: 16 }, (_, i) => i % 10);
  const batch = { image, imageShape: [16, 1, 28, 28], label };
  const files = new Map<string, Awaited<ReturnType<typeof safetensors.load>>>();
  for (const { device = '' } of [cpu, gpu]) {
    const dir = await temporaryFolder();
    const net = seededLenet();
    // Adam would move a weight by as much whether its gradient is 1 or a rounding error.
    const optimizer = new optim.SGD(net.parameters(), { lr: 0.1, momentum: 0.9 });
    const trainer = makeTrainer(net, { device, optimizer });
    await trainer.step(batch);
    const path = await trainer.saveCheckpoint(dir);
    for (const name of ['model', 'optimizer']) {
      const file = join(path, `${name}.safetensors`);
      files.set(`${device}/${name}`, await safetensors.load(file));
    }
  }
  for (const name of ['model', 'optimizer']) {
    const wanted = files.get(`cpu/${name}`)!;
    const found = files.get(`${testDevice}/${name}`)!;
    expect(Object.keys(found)).toEqual(Object.keys(wanted));
    for (const [key, { data, shape }] of Object.entries(wanted)) {
      expect(found[key]!.shape).toEqual(shape);
      const values = Array.from(data, Number);
      const peak = Math.max(...values.map(Math.abs));
      const apart = Math.max(
        ...values.map((value, i) => Math.abs(value - Number(found[key]!.data[i]))),
      );
      expect(apart, key).toBeLessThanOrEqual(2e-5 * peak);
    }
  }
});

test('loading and reading parameters is exact', async () => {
  const net = seededLenet();
  const [batch] = await takeBatches(learnableLoader(16), 1);
  const trainer = makeTrainer(net, gpu);
  await trainer.step(batch!);
  const wanted = models.lenet().stateDict();
  await trainer.loadStateDict(wanted);
  expect(flat(await trainer.stateDict())).toEqual(flat(wanted));
});

test('predictions agree between the devices', async () => {
  const net = seededLenet();
  const [batch] = await takeBatches(learnableLoader(16), 1);
  const predictors = [cpu, gpu].map((where) => new Predictor(net, { ...where, batchSize: 7 }));
  onTestFinished(async () => {
    for (const predictor of predictors) await predictor.dispose();
  });
  const [wanted, found] = await Promise.all(predictors.map((each) => each.predict(batch!)));
  expect(found!.classes).toEqual(wanted!.classes);
  expectClose(found!.probabilities, wanted!.probabilities, 1e-4);
});
