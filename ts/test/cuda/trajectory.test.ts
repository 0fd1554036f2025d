/**
 * Training on the device under test against training on the CPU: from the same weights, with the same
 * batches and the same dropout masks, the losses of 20 steps agree within 1e-3, and the weights after
 * them move alike. What is trained, and the comparison, are those of the check on a GPU.
 */
import * as neuronode from 'neuronode';
import { expect, test } from 'vitest';
import { testDevice } from '../device.js';

interface Run {
  readonly name: string;
  readonly batch: number;
  readonly mostApart: number;
}
interface Trained {
  readonly losses: readonly number[];
}
type Options = Readonly<Record<string, unknown>>;

const module = new URL('../../../scripts/gpu-check/trajectory.mjs', import.meta.url).href;
const { compare, limit, mostSteps, runs, train, variants } = (await import(module)) as {
  compare(found: Trained, wanted: Trained): { readonly losses: number; readonly weights: number };
  readonly limit: number;
  readonly mostSteps: number;
  readonly runs: readonly Run[];
  train(from: typeof neuronode, run: Run, samples: Options, options: Options): Promise<Trained>;
  readonly variants: readonly (readonly [Options, number])[];
};

/** The first images of Fashion-MNIST, as many as the longest run reads. */
async function readSamples() {
  const dataset = await neuronode.data.FashionMNIST.load({ train: true });
  await using loader = new neuronode.data.DataLoader(dataset, {
    batchSize: mostSteps * Math.max(...runs.map(({ batch }) => batch)),
  });
  for await (const { image, label } of loader) return { images: image, labels: label };
  throw new Error('Fashion-MNIST is empty');
}

const samples = await readSamples();

test.each(runs)('$name takes the same steps', { timeout: 600_000 }, async (run) => {
  const wanted = await train(neuronode, run, samples, { device: 'cpu' });
  const started = performance.now();
  const found = await train(neuronode, run, samples, { device: testDevice });
  const seconds = (performance.now() - started) / 1000;
  const { losses, weights } = compare(found, wanted);
  console.log(
    `${run.name}: ${mostSteps} steps of ${run.batch} on ${testDevice} in ${seconds.toFixed(1)} s; ` +
      `losses differ from the CPU's by up to ${losses.toExponential(1)}, weights by up to ` +
      `${weights.toExponential(1)}`,
  );
  expect(found.losses).toHaveLength(mostSteps);
  expect(losses).toBeLessThanOrEqual(limit);
  expect(weights).toBeLessThanOrEqual(run.mostApart);
});

test.each(variants)('LeNet with %o stays by it', async (options, tolerance) => {
  const run = runs[0]!;
  const wanted = await train(neuronode, run, samples, { device: 'cpu' });
  const found = await train(neuronode, run, samples, { device: testDevice, ...options });
  const { losses } = compare(found, wanted);
  expect(losses).toBeLessThanOrEqual(tolerance);
  // The other precisions do round.
  if ('precision' in options) expect(losses).toBeGreaterThan(1e-6);
});
