/** A trainer's programs: what stays in use where another one is compiled, refused, or fails. */
import {
  type LabelledBatch,
  nn,
  OutOfMemoryError,
  optim,
  type Tensor,
  type Trainer,
} from 'neuronode';
import { expect, onTestFinished, test, vi } from 'vitest';
import { NativeProgram } from '../../dist/program/native.js';
import { temporaryFolder } from './data-support.js';
import {
  firstRows,
  flat,
  learnableLoader,
  makeTrainer,
  seededLenet,
  seededTiny,
  takeBatches,
} from './trainer-support.js';

const tinyImage = { imageShape: [1, 10, 10] };

function tinyBatches(count: number): Promise<LabelledBatch[]> {
  return takeBatches(learnableLoader(16 * count, {}, 10), count);
}

function withBadLabel(batch: LabelledBatch): LabelledBatch {
  const { image, imageShape, label } = batch;
  return { image, imageShape, label: label.map(() => 99) };
}

/** Weights after the batches, by a trainer that nothing disturbs. */
async function weightsAfter(batches: readonly LabelledBatch[]): Promise<Float32Array> {
  const trainer = makeTrainer(seededTiny());
  await trainer.compile({ batchSize: 16, ...tinyImage });
  for (const batch of batches) await trainer.step(batch);
  return flat(await trainer.stateDict());
}

async function largestDifference(trainer: Trainer, wanted: Float32Array): Promise<number> {
  const got = flat(await trainer.stateDict());
  return Math.max(...wanted.map((value, i) => Math.abs(value - got[i]!)));
}

test('parameters that are read while a larger program is asked for are the live ones', async () => {
  const batches = await tinyBatches(3);
  const wanted = await weightsAfter(batches);
  const net = seededTiny();
  const trainer = makeTrainer(net);
  for (const batch of batches) await trainer.step(batch);
  const [dict] = await Promise.all([
    trainer.stateDict(),
    trainer.compile({ batchSize: 32, ...tinyImage }),
  ]);
  expect(flat(dict)).toEqual(wanted);
  expect(await largestDifference(trainer, wanted)).toBe(0);
  await trainer.dispose();
  expect(flat(net.stateDict())).toEqual(wanted);
});

test('a first batch that is refused does not decide the size', async () => {
  const [batch] = await tinyBatches(1);
  const trainer = makeTrainer(seededTiny());
  await expect(trainer.step(withBadLabel(firstRows(batch!, 2)))).rejects.toThrow(/got 99/);
  expect(trainer.plan()).toBeUndefined();
  const { step, size } = await trainer.step(batch!);
  expect([step, size]).toEqual([1, 16]);
});

test('a refused batch after a checkpoint was loaded loses no optimizer state', async () => {
  const dir = await temporaryFolder();
  const [first, second, third] = await tinyBatches(3);
  const saver = makeTrainer(seededTiny(0), { seed: 1 });
  await saver.step(first!);
  await saver.step(second!);
  await saver.saveCheckpoint(dir);
  await saver.step(third!);
  const wanted = flat(await saver.stateDict());

  // With a program of another dropout seed, and with none.
  for (const isCompiled of [true, false]) {
    const trainer = makeTrainer(seededTiny(0), { seed: 2 });
    if (isCompiled) await trainer.step(third!);
    await trainer.loadCheckpoint(dir);
    await expect(trainer.step(withBadLabel(third!))).rejects.toThrow(/got 99/);
    await trainer.step(third!);
    expect(flat(await trainer.stateDict())).toEqual(wanted);
  }
});

/** Makes the writing of parameters fail once, as it does where memory runs out. */
function failFirstWrite() {
  const write = vi.spyOn(NativeProgram.prototype, 'write');
  onTestFinished(() => write.mockRestore());
  write.mockRejectedValueOnce(new OutOfMemoryError('injected'));
}

test('of two first steps at once, one that fails to compile harms the other not', async () => {
  const [first, second, third] = await tinyBatches(3);
  const wanted = await weightsAfter([second!, third!]);
  const dispose = vi.spyOn(NativeProgram.prototype, 'dispose');
  onTestFinished(() => dispose.mockRestore());
  failFirstWrite();
  const trainer = makeTrainer(seededTiny());
  const [failed, worked] = await Promise.allSettled([trainer.step(first!), trainer.step(second!)]);
  expect(failed).toMatchObject({ status: 'rejected', reason: { message: 'injected' } });
  expect(worked).toMatchObject({ status: 'fulfilled', value: { step: 1 } });
  await trainer.step(third!);
  expect(flat(await trainer.stateDict())).toEqual(wanted);
  await trainer.dispose();
  // The program that failed, and the one that was used.
  expect(new Set(dispose.mock.contexts).size).toBe(2);
});

test('a larger program that does not fit into memory leaves the one before', async () => {
  const [batch] = await takeBatches(learnableLoader(16), 1);
  const trainer = makeTrainer(seededLenet());
  const twin = makeTrainer(seededLenet());
  await Promise.all([trainer.step(batch!), twin.step(batch!)]);
  const large = { batchSize: 5e6, imageShape: [1, 28, 28] };
  await expect(trainer.compile(large)).rejects.toBeInstanceOf(OutOfMemoryError);
  await expect(makeTrainer(seededLenet()).compile(large)).rejects.toBeInstanceOf(OutOfMemoryError);
  expect(await trainer.step(batch!)).toEqual(await twin.step(batch!));
});

/** Has a layer of its own for evaluation. */
class TwoHeads extends nn.Module {
  readonly trained = new nn.Linear(100, 10);
  readonly tested = new nn.Linear(100, 10);

  override forward(image: Tensor): Tensor {
    return (this.training ? this.trained : this.tested).forward(image.flatten(1));
  }
}

test('evaluation has the parameters that only it uses', async () => {
  const [batch] = await tinyBatches(1);
  const loader = learnableLoader(32, { shuffle: false }, 10);
  const net = new TwoHeads();
  const optimizer = () => new optim.Adam(net.trained.parameters());
  const alone = await makeTrainer(net, { optimizer: optimizer() }).evaluate(loader);
  const trainer = makeTrainer(net, { optimizer: optimizer() });
  await trainer.step(batch!);
  expect(await trainer.evaluate(loader)).toEqual(alone);

  const other = new TwoHeads().stateDict();
  await trainer.loadStateDict(other);
  const changed = await trainer.evaluate(loader);
  expect(changed.loss).not.toBe(alone.loss);
  const fresh = new TwoHeads();
  fresh.loadStateDict(other);
  expect(await makeTrainer(fresh).evaluate(loader)).toEqual(changed);
  expect((await trainer.stateDict())['tested.weight']?.data).toEqual(other['tested.weight']?.data);
});

test('plan says what the training program needs before the first step', async () => {
  const trainer = makeTrainer(seededTiny());
  expect(trainer.plan()).toBeUndefined();
  await trainer.compile({ batchSize: 16, ...tinyImage });
  const plan = trainer.plan();
  expect(plan?.arenaBytes).toBeGreaterThan(16 * 4 * 8 * 8 * 4);
  // Weights, exp_avg and exp_avg_sq.
  const parameters = flat(trainer.net.stateDict()).length;
  expect(plan?.persistentBytes).toBeGreaterThanOrEqual(3 * 4 * parameters);
  expect(plan?.steps.map(({ phase }) => phase)).toContain('optimizer');
  await trainer.dispose();
  expect(() => trainer.plan()).toThrow(/disposed of/);
});

/** Where vitest's matchers compare millions of numbers one by one, they take a minute. */
function isSame(a: Float32Array, b: Float32Array): boolean {
  return Buffer.from(a.buffer).equals(Buffer.from(b.buffer));
}

/** A net of one layer with 16 MB of weights, on images [1, 10, 10]. */
class Wide extends nn.Module {
  readonly wide = new nn.Linear(100, 40_000);
  readonly out = new nn.Linear(40_000, 10);

  override forward(image: Tensor): Tensor {
    return this.out.forward(this.wide.forward(image.flatten(1)));
  }
}

test('large parameters come back without one long pause', async () => {
  const [batch] = await tinyBatches(1);
  const net = new Wide();
  const trainer = makeTrainer(net);
  const before = net.wide.weight.data;
  await trainer.step(batch!);
  await trainer.syncParameters();
  // The device's array was taken over; the earlier one was not written to.
  expect(net.wide.weight.data === before).toBe(false);
  expect(isSame(net.wide.weight.data, before)).toBe(false);

  let turns = 0;
  let counting = true;
  const count = () => {
    turns += 1;
    if (counting) setImmediate(count);
  };
  setImmediate(count);
  const dict = await trainer.stateDict();
  counting = false;
  const copy = dict['wide.weight']!.data as Float32Array;
  expect(copy === net.wide.weight.data).toBe(false);
  expect(isSame(copy, net.wide.weight.data)).toBe(true);
  // 16 MB in slices of 2 MB, with a turn of the event loop between them.
  expect(turns).toBeGreaterThanOrEqual(7);
});
