/** Loaders that call the trainer which waits for them: answered, or refused, and never waited for. */
import { type ArgumentError, DisposedError, Predictor, type Trainer } from 'neuronode';
import { describe, expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from './data-support.js';
import { testDevice } from './device.js';
import { flat, learnableLoader, makeTrainer, seededTiny } from './trainer-support.js';

const train = () => learnableLoader(32, {}, 10);

/** Batches of {@link train}; before the second one something is done, after a turn of the loop. */
function calling(before: () => unknown) {
  const inner = train();
  return {
    length: inner.length,
    batchSize: inner.batchSize,
    async *[Symbol.asyncIterator]() {
      for await (const batch of inner) {
        if (batch.index === 1) {
          await new Promise(setImmediate);
          await before();
        }
        yield batch;
      }
    },
  };
}

const never = new Promise<never>(() => {});

describe('the loader of an evaluation', () => {
  test.each<[string, (trainer: Trainer, dir: string) => Promise<unknown>]>([
    [
      'step',
      async (trainer) => {
        for await (const batch of train()) await trainer.step(batch);
      },
    ],
    ['evaluate', (trainer) => trainer.evaluate(train())],
    ['fit', (trainer) => trainer.fit(train(), { epochs: 1, log: false })],
    ['compile', (trainer) => trainer.compile({ batchSize: 99, imageShape: [1, 10, 10] })],
    ['saveCheckpoint', (trainer, dir) => trainer.saveCheckpoint(dir)],
    ['loadCheckpoint', (trainer, dir) => trainer.loadCheckpoint(dir)],
    ['loadStateDict', async (trainer) => trainer.loadStateDict(await trainer.stateDict())],
  ])('is refused what would wait for the evaluation: %s', async (name, call) => {
    const trainer = makeTrainer(seededTiny());
    const dir = await temporaryFolder();
    await trainer.fit(train(), { epochs: 1, log: false });
    await trainer.saveCheckpoint(dir);
    const wanted = await trainer.evaluate(train());
    const errors: unknown[] = [];
    const loader = calling(() => call(trainer, dir).catch((error) => errors.push(error)));
    expect(await trainer.evaluate(loader)).toEqual(wanted);
    expect(errors).toEqual([
      expect.objectContaining({
        code: 'ERR_NN_ARGUMENT' satisfies ArgumentError['code'],
        message: expect.stringContaining(`Trainer.${name}: it was called by the loader`),
      }),
    ]);
    // Anybody else is not, also where the evaluation was called for by another one's loader.
    const other = makeTrainer(seededTiny());
    await other.evaluate(calling(() => call(trainer, dir)));
  });

  test('is given parameters, with other calls waiting', async () => {
    const net = seededTiny();
    const trainer = makeTrainer(net);
    const predictor = new Predictor(net, { device: testDevice });
    onTestFinished(() => predictor.dispose());
    await trainer.fit(train(), { epochs: 1, log: false });
    const weights = flat(await trainer.stateDict());
    const seen: unknown[] = [];
    const evaluation = trainer.evaluate(
      calling(async () => {
        for await (const batch of train()) await predictor.predict(batch);
        await trainer.syncParameters();
        seen.push(flat(await trainer.stateDict()));
      }),
    );
    const later = trainer.compile({ batchSize: 20, imageShape: [1, 10, 10] });
    await evaluation;
    await later;
    expect(seen).toEqual([weights]);
  });

  test.each(['evaluate', 'fit'] as const)('may dispose of the trainer, in %s', async (name) => {
    const trainer = makeTrainer(seededTiny());
    const loader = calling(() => trainer.dispose());
    const call =
      name === 'evaluate'
        ? trainer.evaluate(loader)
        : trainer.fit(train(), { epochs: 1, log: false, test: loader });
    await expect(call).rejects.toBeInstanceOf(DisposedError);
    await trainer.dispose();
  });
});

test.each<[string, (trainer: Trainer) => Promise<unknown>]>([
  ['evaluate', (trainer) => trainer.evaluate(calling(() => never))],
  [
    'fit',
    (trainer) =>
      trainer.fit(
        calling(() => never),
        { epochs: 1, log: false },
      ),
  ],
])('dispose does not wait for a loader that is stuck, and ends %s', async (_, call) => {
  const trainer = makeTrainer(seededTiny());
  const ended = expect(call(trainer)).rejects.toThrow(DisposedError);
  await new Promise((resolve) => setTimeout(resolve, 50));
  await trainer.dispose();
  await ended;
});
