/** Calls that are not awaited: how many may wait, and what a refused one leaves. */
import { nn, Predictor, QueueFullError, ShapeError, type Tensor } from 'neuronode';
import { expect, onTestFinished, test, vi } from 'vitest';
// Inside view: what the device is given.
import { NativeProgram } from '../../dist/program/native.js';
import { Engine } from '../../dist/train/engine.js';
import { temporaryFolder } from './data-support.js';
import { deviceOps, testDevice } from './device.js';
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

test('operations of more than 512 MiB do not wait at a time', async () => {
  const x = { data: new Float32Array(2 ** 21), shape: [2 ** 21] };
  await deviceOps.relu(x);
  let letGo = () => {};
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const run = vi.spyOn(NativeProgram.prototype, 'run').mockImplementation(async () => {
    await held;
    return { y: new Float32Array(1) };
  });
  onTestFinished(() => run.mockRestore());
  // Each has 8 MiB of inputs and as much of outputs.
  const calls = Array.from({ length: 31 }, () => deviceOps.relu(x));
  const refused = deviceOps.relu(x);
  await expect(refused).rejects.toBeInstanceOf(QueueFullError);
  await expect(refused).rejects.toThrow(/^relu: expected at most 512 MiB of inputs and outputs/);
  letGo();
  await Promise.all(calls);
  run.mockRestore();
  expect((await deviceOps.relu(x)).shape).toEqual([2 ** 21]);
});

test('checkpoints of more than 512 MiB do not wait at a time, but two', async () => {
  const trainer = makeTrainer(seededTiny());
  await trainer.compile({ batchSize: 16, imageShape: [1, 10, 10] });
  const elements = Object.values(trainer.net.stateDict()).reduce(
    (n, { data }) => n + data.length,
    0,
  );
  // Parameters, and two moments of each.
  const bytes = vi.spyOn(Engine.prototype, 'snapshotBytes', 'get');
  onTestFinished(() => bytes.mockRestore());
  const dir = await temporaryFolder();
  await trainer.saveCheckpoint(dir);
  expect(bytes).toHaveLastReturnedWith(3 * 4 * elements);
  bytes.mockReturnValue(2 ** 30);
  const saves = [trainer.saveCheckpoint(dir), trainer.saveCheckpoint(dir)];
  const refused = trainer.saveCheckpoint(dir);
  await expect(refused).rejects.toBeInstanceOf(QueueFullError);
  await expect(refused).rejects.toThrow(
    /^Trainer\.saveCheckpoint: .* of checkpoints to wait, got 2/,
  );
  await Promise.all(saves);
  await trainer.saveCheckpoint(dir);
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
