/** Training on images that are transformed at random: what fit does with a transform's error. */
import { data, TransformError } from 'neuronode';
import { expect, test } from 'vitest';
import { flat, makeTrainer, seededTiny } from './trainer-support.js';
// @ts-expect-error: plain JavaScript, as worker threads run it.
import { FailFor } from './user-transforms.mjs';

const imageShape = [1, 10, 10] as const;

/** Forty images, each of one grey. */
function dataset(transform: data.TransformStep): data.TensorDataset {
  const images = Uint8Array.from({ length: 4000 }, (_, i) => Math.floor(i / 100));
  const labels = Array.from({ length: 40 }, (_, i) => i % 10);
  return new data.TensorDataset({ images, imageShape, labels, transform });
}

test.each([0, 2])('an error ends fit, and names the sample (%i workers)', async (numWorkers) => {
  const failing = dataset(new FailFor(29, 'throw') as data.Transform);
  await using loader = new data.DataLoader(failing, { batchSize: 8, numWorkers });
  const trainer = makeTrainer(seededTiny());
  const error = await trainer.fit(loader, { epochs: 2, log: false }).catch((reason) => reason);
  expect(error).toBeInstanceOf(TransformError);
  expect(error).toMatchObject({ dataset: 'TensorDataset', sample: 29, transform: 'FailFor' });
  // The trainer goes on with other data.
  await using other = new data.DataLoader(dataset(new data.ToTensor()), { batchSize: 8 });
  expect((await trainer.fit(other, { epochs: 1, log: false })).step).toBeGreaterThan(4);
});

test('weights are the same for any number of workers', async () => {
  const transform = new data.Compose([
    new data.RandomCrop(10, { padding: 2, fill: 90 }),
    new data.RandomErasing({ p: 0.5, value: 'random' }),
  ]);
  const weights = async (numWorkers: number) => {
    const options = { batchSize: 8, shuffle: true, seed: 1, numWorkers };
    await using loader = new data.DataLoader(dataset(transform), options);
    const trainer = makeTrainer(seededTiny());
    await trainer.fit(loader, { epochs: 2, log: false });
    return flat(await trainer.stateDict());
  };
  const alone = await weights(0);
  expect(await weights(2)).toEqual(alone);
});
