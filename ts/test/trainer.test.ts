/** Training steps through the public API: learning, order, padding, evaluation, parameters. */
import { manualSeed, nn, optim, StaleParametersError, setNumThreads } from 'neuronode';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  firstRows,
  flat,
  learnableLoader,
  makeTrainer,
  seededLenet,
  seededTiny,
  TinyNet,
  takeBatches,
} from './trainer-support.js';

describe('step', () => {
  test('learns', async () => {
    const trainer = makeTrainer(seededTiny(0.1));
    const losses: number[] = [];
    for (let epoch = 0; epoch < 5; epoch++) {
      for await (const batch of learnableLoader(320, {}, 10)) {
        losses.push((await trainer.step(batch)).loss);
      }
    }
    expect(losses).toHaveLength(100);
    expect(losses[0]).toBeCloseTo(Math.log(10), 0);
    // The last epoch's mean, 0.2 here: single batches vary.
    const last = losses.slice(-20).reduce((sum, loss) => sum + loss, 0) / 20;
    expect(last).toBeLessThan(0.6);
    const { accuracy, size } = await trainer.evaluate(learnableLoader(100, {}, 10));
    expect(size).toBe(100);
    expect(accuracy).toBeGreaterThan(0.95);
  });

  test('ten calls at once do what ten calls in turn do, bit for bit', async () => {
    const batches = await takeBatches(learnableLoader(160), 10);
    const inTurn = makeTrainer(seededLenet());
    const expected: unknown[] = [];
    for (const batch of batches) expected.push(await inTurn.step(batch));

    const atOnce = makeTrainer(seededLenet());
    const results = await Promise.all(batches.map((batch) => atOnce.step(batch)));
    expect(results).toEqual(expected);
    expect(results.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(flat(await atOnce.stateDict())).toEqual(flat(await inTurn.stateDict()));
  });

  test('takes its batch at the call: it may be changed at once', async () => {
    const [batch] = await takeBatches(learnableLoader(16), 1);
    const wanted = await makeTrainer(seededLenet()).step(batch!);
    const trainer = makeTrainer(seededLenet());
    const copy = firstRows(batch!, 16);
    // The first call finds no program yet, the second one does.
    const first = trainer.step(copy);
    copy.image.fill(0);
    copy.label.fill(0);
    expect((await first).loss).toBe(wanted.loss);
    const other = firstRows(batch!, 16);
    const second = trainer.step(other);
    other.image.fill(0);
    other.label.fill(9);
    await second;
    const again = makeTrainer(seededLenet());
    await again.step(batch!);
    expect((await second).loss).toBe((await again.step(batch!)).loss);
  });

  test('pads a smaller batch: same loss and same update as a program of its size', async () => {
    const [batch] = await takeBatches(learnableLoader(16), 1);
    const small = firstRows(batch!, 5);
    const sgd = (net: nn.Module) => new optim.SGD(net.parameters(), { lr: 0.5 });
    const exactNet = seededLenet();
    const exact = makeTrainer(exactNet, { optimizer: sgd(exactNet) });
    const paddedNet = seededLenet();
    const padded = makeTrainer(paddedNet, { optimizer: sgd(paddedNet) });
    await padded.compile({ batchSize: 16, imageShape: [1, 28, 28] });
    const a = await exact.step(small);
    const b = await padded.step(small);
    expect(b.loss).toBeCloseTo(a.loss, 5);
    expect([b.correct, b.size]).toEqual([a.correct, 5]);
    const before = flat(seededLenet().stateDict());
    const wanted = flat(await exact.stateDict());
    const got = flat(await padded.stateDict());
    const moved = Math.max(...wanted.map((value, i) => Math.abs(value - before[i]!)));
    const apart = Math.max(...wanted.map((value, i) => Math.abs(value - got[i]!)));
    expect(moved).toBeGreaterThan(1e-2);
    expect(apart).toBeLessThan(1e-5 * moved);
  });

  test('takes float images', async () => {
    const [batch] = await takeBatches(learnableLoader(16), 1);
    const bytes = await makeTrainer(seededLenet()).step(batch!);
    const { imageShape, label } = batch!;
    const image = Float32Array.from(batch!.image, (byte) => byte / 255);
    const floats = await makeTrainer(seededLenet()).step({ image, imageShape, label });
    expect(floats.loss).toBeCloseTo(bytes.loss, 6);
  });

  test('uses the learning rate of the moment of the call', async () => {
    const [batch] = await takeBatches(learnableLoader(16), 1);
    const net = seededLenet();
    const optimizer = new optim.SGD(net.parameters(), { lr: 0 });
    const trainer = makeTrainer(net, { optimizer });
    const frozen = trainer.step(batch!);
    optimizer.lr = 0.5;
    const trained = trainer.step(batch!);
    const after = trainer.step(batch!);
    expect((await trained).loss).toBe((await frozen).loss);
    expect((await after).loss).toBeLessThan((await trained).loss);
  });

  test('gives each parameter group its own learning rate', async () => {
    const [batch] = await takeBatches(learnableLoader(16), 1);
    const net = seededLenet();
    const groups = [{ params: net.conv.parameters(), lr: 0 }, { params: net.fc.parameters() }];
    const trainer = makeTrainer(net, { optimizer: new optim.SGD(groups, { lr: 0.1 }) });
    const before = await trainer.stateDict();
    await trainer.step(batch!);
    const after = await trainer.stateDict();
    expect(after['conv.0.weight']).toEqual(before['conv.0.weight']);
    expect(after['fc.4.weight']).not.toEqual(before['fc.4.weight']);
  });

  test('reports a mean loss for a summed one', async () => {
    const [batch] = await takeBatches(learnableLoader(16), 1);
    const mean = await makeTrainer(seededLenet()).step(batch!);
    const loss = new nn.CrossEntropyLoss({ reduction: 'sum' });
    const sum = await makeTrainer(seededLenet(), { loss }).step(batch!);
    expect(sum.loss).toBeCloseTo(mean.loss, 5);
  });
});

describe('dropout', () => {
  async function losses(seed: number, threads: number): Promise<number[]> {
    setNumThreads(threads);
    onTestFinished(() => setNumThreads(1));
    const trainer = makeTrainer(seededTiny(), { seed });
    const batches = await takeBatches(learnableLoader(64, {}, 10), 4);
    return Promise.all(batches.map(async (batch) => (await trainer.step(batch)).loss));
  }

  test('depends on the seed alone, not on the number of threads', async () => {
    const one = await losses(1, 1);
    expect(await losses(1, 2)).toEqual(one);
    expect(await losses(1, 1)).toEqual(one);
    expect(await losses(2, 1)).not.toEqual(one);
  });

  test('takes its seed from manualSeed', () => {
    manualSeed(42);
    expect(makeTrainer(new TinyNet()).seed).toBe(42);
  });
});

describe('compile', () => {
  test('a larger program goes on with parameters and optimizer state', async () => {
    const batches = await takeBatches(learnableLoader(48), 3);
    const plain = makeTrainer(seededLenet());
    const grown = makeTrainer(seededLenet());
    for (const [index, batch] of batches.entries()) {
      if (index === 2) await grown.compile({ batchSize: 32, imageShape: [1, 28, 28] });
      const wanted = await plain.step(batch);
      const got = await grown.step(batch);
      expect(got.loss).toBeCloseTo(wanted.loss, 5);
    }
    const wanted = flat(await plain.stateDict());
    const got = flat(await grown.stateDict());
    expect(Math.max(...wanted.map((value, i) => Math.abs(value - got[i]!)))).toBeLessThan(1e-4);
    expect(grown.stepCount).toBe(3);
  });
});

describe('evaluate', () => {
  test('weighs batches by their size, and leaves the training alone', async () => {
    const trainer = makeTrainer(seededTiny());
    const loader = learnableLoader(40, { batchSize: 16, shuffle: false }, 10);
    const whole = await trainer.evaluate(learnableLoader(40, { batchSize: 40 }, 10));
    const parts = await trainer.evaluate(loader);
    expect(parts.size).toBe(40);
    expect(parts.loss).toBeCloseTo(whole.loss, 5);
    expect(parts.accuracy).toBe(whole.accuracy);

    const [batch] = await takeBatches(learnableLoader(16, {}, 10), 1);
    const alone = makeTrainer(seededTiny(), { seed: trainer.seed });
    const wanted = [await alone.step(batch!), await alone.step(batch!)];
    const first = await trainer.step(batch!);
    await trainer.evaluate(loader);
    expect([first, await trainer.step(batch!)]).toEqual(wanted);
  });

  test('sees the parameters of its moment, with steps queued behind it', async () => {
    const trainer = makeTrainer(seededTiny());
    const loader = learnableLoader(40, { shuffle: false }, 10);
    const batches = await takeBatches(learnableLoader(80, {}, 10), 5);
    await trainer.step(batches[0]!);
    const quiet = await trainer.evaluate(loader);
    const evaluation = trainer.evaluate(loader);
    const steps = batches.slice(1).map((batch) => trainer.step(batch));
    expect(await evaluation).toEqual(quiet);
    await Promise.all(steps);
    expect((await trainer.evaluate(loader)).loss).not.toBe(quiet.loss);
  });
});

describe('parameters', () => {
  test('stateDict and syncParameters bring back what was learnt; dispose does too', async () => {
    const net = seededTiny();
    const trainer = makeTrainer(net);
    const [batch] = await takeBatches(learnableLoader(16, {}, 10), 1);
    const start = flat(net.stateDict());
    await trainer.step(batch!);
    expect(() => net.stateDict()).toThrow(StaleParametersError);
    const live = flat(await trainer.stateDict());
    expect(live).not.toEqual(start);
    expect(flat(net.stateDict())).toEqual(live);
    await trainer.step(batch!);
    await trainer.syncParameters();
    const second = flat(net.stateDict());
    expect(second).not.toEqual(live);
    await trainer.step(batch!);
    await trainer.dispose();
    expect(flat(net.stateDict())).not.toEqual(second);
  });

  test('loadStateDict writes to the device', async () => {
    const [batch] = await takeBatches(learnableLoader(16, {}, 10), 1);
    const trainer = makeTrainer(seededTiny(0));
    const start = await trainer.stateDict();
    const first = await trainer.step(batch!);
    expect((await trainer.step(batch!)).loss).not.toBe(first.loss);
    await trainer.loadStateDict(start);
    expect((await trainer.step(batch!)).loss).toBe(first.loss);
  });
});
