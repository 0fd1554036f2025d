/** Steps and predictions that are not awaited: how many may wait, and what a refused one leaves. */
import { nn, Predictor, QueueFullError, ShapeError, type Tensor } from 'neuronode';
import { expect, onTestFinished, test, vi } from 'vitest';
// Inside view: what the device is given.
import { NativeProgram } from '../../dist/native.js';
import { testDevice } from './device.js';
import { learnableLoader, makeTrainer, seededTiny, takeBatches } from './trainer-support.js';

/** Takes images of 16 MiB. */
class Large extends nn.Module {
  readonly pool = new nn.AvgPool2d(4096);
  readonly fc = new nn.Linear(1, 2);
  override forward(image: Tensor): Tensor {
    return this.fc.forward(this.pool.forward(image).flatten(1));
  }
}

const image = new Uint8Array(2 ** 24);
const batch = { image, imageShape: [1, 1, 4096, 4096], label: Int32Array.of(1) };

/** Holds runs back, without their inputs, until it is called. */
function holdRuns(): () => void {
  let letGo = () => {};
  const promise = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const run = vi.spyOn(NativeProgram.prototype, 'run').mockImplementation(async () => {
    await promise;
    const loss = Float32Array.of(1);
    return { loss, correct: Int32Array.of(0), probabilities: Float32Array.of(1, 0) };
  });
  onTestFinished(() => run.mockRestore());
  return letGo;
}

test('steps of more than 512 MiB do not wait at a time', async () => {
  const trainer = makeTrainer(new Large());
  await trainer.compile({ batchSize: 1, imageShape: [1, 4096, 4096] });
  const letGo = holdRuns();
  const steps = Array.from({ length: 31 }, () => trainer.step(batch));
  const refused = trainer.step(batch);
  await expect(refused).rejects.toBeInstanceOf(QueueFullError);
  await expect(refused).rejects.toMatchObject({
    code: 'ERR_NN_QUEUE_FULL',
    message: expect.stringMatching(/^Trainer\.step: expected at most 512 MiB of batches .* 31 /),
  });
  letGo();
  const numbers = (await Promise.all(steps)).map(({ step }) => step);
  expect(numbers).toEqual(Array.from({ length: 31 }, (_, i) => i + 1));
  expect((await trainer.step(batch)).step).toBe(32);
});

test('predictions of more than 512 MiB do not wait at a time', async () => {
  const predictor = new Predictor(new Large(), { device: testDevice, batchSize: 1 });
  onTestFinished(() => predictor.dispose());
  const letGo = holdRuns();
  const calls = Array.from({ length: 31 }, () => predictor.predict(batch));
  await expect(predictor.predict(batch)).rejects.toBeInstanceOf(QueueFullError);
  letGo();
  await Promise.all(calls);
  expect((await predictor.predict(batch)).shape).toEqual([1, 2]);
});

test('thousands of small steps may wait', async () => {
  const [small] = await takeBatches(learnableLoader(16, {}, 10), 1);
  const trainer = makeTrainer(seededTiny());
  await trainer.step(small!);
  const steps = Array.from({ length: 20_000 }, () => trainer.step(small!));
  const results = await Promise.all(steps);
  expect(results.at(-1)!.step).toBe(20_001);
});

test('a step that native code refuses takes no number', async () => {
  const [small] = await takeBatches(learnableLoader(16, {}, 10), 1);
  const trainer = makeTrainer(seededTiny());
  expect((await trainer.step(small!)).step).toBe(1);
  const run = vi.spyOn(NativeProgram.prototype, 'run').mockImplementationOnce(() => {
    throw new ShapeError('refused');
  });
  onTestFinished(() => run.mockRestore());
  await expect(trainer.step(small!)).rejects.toThrow('refused');
  expect(trainer.stepCount).toBe(1);
  expect((await trainer.step(small!)).step).toBe(2);
});
