/**
 * Training on the device under test against training on the CPU: from the same weights, with the same
 * batches and the same dropout masks, the losses of 20 steps agree within 1e-3, and the weights after
 * them move alike.
 */
import { data, manualSeed, models, nn, optim, Trainer, type TrainerOptions } from 'neuronode';
import { expect, test } from 'vitest';
import { testDevice } from '../device.js';

const steps = 20;
const limit = 1e-3;

interface Run {
  readonly name: string;
  readonly batch: number;
  readonly resize: number;
  readonly lr: number;
  readonly make: () => nn.Module;
}

const runs: Run[] = [
  { name: 'LeNet', batch: 16, resize: 28, lr: 0.003, make: () => models.lenet() },
  // A step is 5.5 GFLOP an image: few images and a small rate, since larger ones leave f32 alone
  // too little to compare after 20 steps.
  { name: 'AlexNet', batch: 2, resize: 224, lr: 1e-5, make: () => models.alexnet() },
];

async function train(run: Run, device: string, options: Partial<TrainerOptions> = {}) {
  manualSeed(0);
  const net = run.make();
  const dataset = await data.FashionMNIST.load({
    train: true,
    transform: new data.Compose([new data.Resize(run.resize), new data.ToTensor()]),
  });
  await using loader = new data.DataLoader(dataset, { batchSize: run.batch });
  await using trainer = new Trainer(net, {
    loss: new nn.CrossEntropyLoss(),
    optimizer: new optim.Adam(net.parameters(), { lr: run.lr }),
    device,
    algorithm: 'direct',
    seed: 7,
    ...options,
  });
  const losses: number[] = [];
  for await (const batch of loader) {
    losses.push((await trainer.step(batch)).loss);
    if (losses.length === steps) break;
  }
  await trainer.syncParameters();
  return { losses, weights: net.stateDict() };
}

/** The square root of the mean of squares. */
function size(values: ArrayLike<number>, of: (value: number, index: number) => number): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += of(values[i]!, i) ** 2;
  return Math.sqrt(sum / values.length);
}

/** The largest magnitude; Infinity where there is a NaN. */
function largest(values: readonly number[]): number {
  return values.some(Number.isNaN) ? Infinity : Math.max(...values.map(Math.abs));
}

test.each(runs)('$name takes the same steps', { timeout: 600_000 }, async (run) => {
  const wanted = await train(run, 'cpu');
  const started = performance.now();
  const found = await train(run, testDevice);
  const seconds = (performance.now() - started) / 1000;
  const apart = largest(found.losses.map((loss, i) => loss / wanted.losses[i]! - 1));
  // Adam moves a weight whose gradient is a rounding error as far as any other: single ones differ.
  const weights = largest(
    Object.entries(wanted.weights).map(([name, { data: values }]) => {
      const other = found.weights[name]!.data;
      return size(values, (value, i) => value - other[i]!) / size(values, (value) => value);
    }),
  );
  console.log(
    `${run.name}: ${steps} steps of ${run.batch} on ${testDevice} in ${seconds.toFixed(1)} s; ` +
      `losses differ from the CPU's by up to ${apart.toExponential(1)}, weights by up to ` +
      `${weights.toExponential(1)}`,
  );
  expect(apart).toBeLessThanOrEqual(limit);
  expect(weights).toBeLessThanOrEqual(limit);
});

test.each([
  [{ deterministic: true }, limit],
  [{ autotune: true }, limit],
  [{ precision: 'tf32' }, 2e-2],
  [{ precision: 'bf16', deterministic: true }, 5e-2],
] as const)('LeNet with %o stays by it', async (options, tolerance) => {
  const [run] = runs;
  const wanted = await train(run!, 'cpu');
  const found = await train(run!, testDevice, options);
  const apart = largest(found.losses.map((loss, i) => loss / wanted.losses[i]! - 1));
  expect(apart).toBeLessThanOrEqual(tolerance);
  // The other precisions do round.
  if ('precision' in options) expect(apart).toBeGreaterThan(1e-6);
});
