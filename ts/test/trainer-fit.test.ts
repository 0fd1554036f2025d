/** The training loop: what it reports, in which order, how it is stopped, and what goes wrong. */
import { execFileSync } from 'node:child_process';
import { constants } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  ArgumentError,
  type EpochEvent,
  FileError,
  type LabelledBatch,
  optim,
  type StepEvent,
} from 'neuronode';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { temporaryFolder } from './data-support.js';
import { flat, learnableLoader, makeTrainer, seededTiny, takeBatches } from './trainer-support.js';

describe('fit', () => {
  test('reports every step and epoch, with sums that add up', async () => {
    const steps: StepEvent[] = [];
    const epochs: EpochEvent[] = [];
    const order: string[] = [];
    const net = seededTiny();
    const trainer = makeTrainer(net);
    const result = await trainer.fit(learnableLoader(40, {}, 10), {
      test: learnableLoader(30, { shuffle: false }, 10),
      epochs: 2,
      log: false,
      onStep: async (event) => {
        await new Promise((resolve) => setTimeout(resolve, 2));
        order.push(`step ${event.step}`);
        steps.push(event);
      },
      onEpoch: (event) => {
        order.push(`epoch ${event.epoch}`);
        epochs.push(event);
      },
    });
    expect(order.join(', ')).toBe(
      'step 1, step 2, step 3, epoch 1, step 4, step 5, step 6, epoch 2',
    );
    expect(steps.map(({ epoch, stepInEpoch, size }) => [epoch, stepInEpoch, size])).toEqual([
      ...[1, 2].flatMap((epoch) => [
        [epoch, 1, 16],
        [epoch, 2, 16],
        [epoch, 3, 8],
      ]),
    ]);
    const sum = (value: (event: StepEvent) => number) =>
      steps.slice(0, 3).reduce((total, event) => total + value(event), 0);
    const [first] = epochs;
    expect(first?.trainAccuracy).toBe(sum(({ correct = Number.NaN }) => correct) / 40);
    expect(steps[2]?.trainAccuracy).toBe(first?.trainAccuracy);
    expect(first?.loss).toBeCloseTo(sum(({ loss, size }) => loss * size) / 40, 12);
    expect(first?.lossPerExample).toBeCloseTo(sum(({ loss }) => loss) / 40, 12);
    expect(result).toEqual({ step: 6, epochs });
    expect(trainer.epochCount).toBe(2);

    const tested = await trainer.evaluate(learnableLoader(30, {}, 10));
    expect(epochs[1]?.testAccuracy).toBe(tested.accuracy);
    expect(epochs[1]?.testLoss).toBeCloseTo(tested.loss, 5);
    // The network's host parameters are up to date without a further call.
    const host = flat(net.stateDict());
    expect(host).toEqual(flat(await trainer.stateDict()));
    expect(host).not.toEqual(flat(seededTiny().stateDict()));
  });

  test('does the same as single steps', async () => {
    const fitted: number[] = [];
    const onStep = ({ loss }: StepEvent) => {
      fitted.push(loss);
    };
    const trainer = makeTrainer(seededTiny(), { seed: 3 });
    await trainer.fit(learnableLoader(48, {}, 10), { epochs: 2, log: false, onStep });
    const single = makeTrainer(seededTiny(), { seed: 3 });
    const loader = learnableLoader(48, {}, 10);
    const losses: number[] = [];
    for (let epoch = 0; epoch < 2; epoch++) {
      for await (const batch of loader) losses.push((await single.step(batch)).loss);
    }
    expect(fitted).toEqual(losses);
  });

  test('goes on in a second call: new epochs, new order', async () => {
    const trainer = makeTrainer(seededTiny());
    const loader = learnableLoader(32, {}, 10);
    const first = await trainer.fit(loader, { epochs: 1, log: false });
    const second = await trainer.fit(loader, { epochs: 1, log: false });
    expect([first.epochs[0]?.epoch, second.epochs[0]?.epoch]).toEqual([1, 2]);
    expect(second.step).toBe(4);
    expect(loader.epoch).toBe(2);
  });

  test('stops after maxSteps; the next call finishes the epoch', async () => {
    const trainer = makeTrainer(seededTiny());
    const loader = learnableLoader(64, {}, 10);
    const stopped = await trainer.fit(loader, { epochs: 2, maxSteps: 3, log: false });
    expect(stopped).toEqual({ step: 3, epochs: [] });
    const seen: number[][] = [];
    const onStep = ({ epoch, stepInEpoch }: StepEvent) => {
      seen.push([epoch, stepInEpoch]);
    };
    const rest = await trainer.fit(loader, { epochs: 1, log: false, onStep });
    expect(seen.splice(0)).toEqual([[1, 4]]);
    expect(trainer.epochCount).toBe(1);
    // As if there had been one call.
    const whole = makeTrainer(seededTiny());
    const once = await whole.fit(learnableLoader(64, {}, 10), { epochs: 1, log: false });
    expect(rest.epochs[0]?.loss).toBe(once.epochs[0]?.loss);
    expect(flat(await trainer.stateDict())).toEqual(flat(await whole.stateDict()));

    // Another loader has no such epoch.
    await trainer.fit(loader, { epochs: 1, maxSteps: 2, log: false });
    await trainer.fit(learnableLoader(64, { seed: 6 }, 10), { epochs: 1, log: false, onStep });
    expect(seen).toEqual([1, 2, 3, 4].map((step) => [3, step]));
  });

  test('takes a larger loader than the program, and any async iterable', async () => {
    const trainer = makeTrainer(seededTiny());
    const inner = learnableLoader(64, { batchSize: 32 }, 10);
    const loader = {
      length: 2,
      batchSize: 32,
      [Symbol.asyncIterator]: () => inner[Symbol.asyncIterator](),
    };
    await trainer.compile({ batchSize: 8, imageShape: [1, 10, 10] });
    const { step } = await trainer.fit(loader, { epochs: 1, log: false });
    expect(step).toBe(2);
  });

  test('reads each member of a batch once', async () => {
    const reads: Record<string, number> = {};
    const [batch] = await takeBatches(learnableLoader(16, {}, 10), 1);
    const counted = {};
    for (const name of ['image', 'imageShape', 'label', 'mean', 'std'] as const) {
      reads[name] = 0;
      Object.defineProperty(counted, name, {
        get() {
          reads[name]! += 1;
          return batch![name];
        },
      });
    }
    const loader = {
      length: 1,
      batchSize: 16,
      async *[Symbol.asyncIterator]() {
        yield counted as LabelledBatch;
      },
    };
    await makeTrainer(seededTiny()).fit(loader, { epochs: 1, log: false });
    expect(reads).toEqual({ image: 1, imageShape: 1, label: 1, mean: 1, std: 1 });
  });

  test('uses the learning rate that onEpoch sets from the next epoch on', async () => {
    const net = seededTiny();
    const optimizer = new optim.SGD(net.parameters(), { lr: 0.1 });
    const rates: number[] = [];
    await makeTrainer(net, { optimizer }).fit(learnableLoader(32, {}, 10), {
      epochs: 2,
      log: false,
      onStep: ({ lr }) => {
        rates.push(lr);
      },
      onEpoch: () => {
        optimizer.lr = 0.05;
      },
    });
    expect(rates).toEqual([0.1, 0.1, 0.05, 0.05]);
  });

  test('lets callbacks evaluate and read parameters', async () => {
    const trainer = makeTrainer(seededTiny());
    const loader = learnableLoader(16, {}, 10);
    const seen: number[] = [];
    await trainer.fit(learnableLoader(32, {}, 10), {
      epochs: 1,
      log: false,
      onStep: async () => {
        seen.push((await trainer.evaluate(loader)).size);
        seen.push(Object.keys(await trainer.stateDict()).length);
      },
    });
    expect(seen).toEqual([16, 4, 16, 4]);
  });

  test('writes one JSON object per step to the metrics file', async () => {
    const metricsFile = join(await temporaryFolder(), 'metrics.jsonl');
    const trainer = makeTrainer(seededTiny(), { metricsFile });
    const steps: StepEvent[] = [];
    const onStep = (event: StepEvent) => {
      steps.push(event);
    };
    await trainer.fit(learnableLoader(40, {}, 10), { epochs: 2, log: false, onStep });
    const lines = (await readFile(metricsFile, 'utf8')).trimEnd().split('\n');
    const wanted = steps.map(({ step, epoch, loss, correct, size, lr, ms }) => {
      return { step, epoch, loss, correct, size, lr, ms: Number(ms.toFixed(3)) };
    });
    expect(lines.map((line) => JSON.parse(line))).toEqual(wanted);
    expect(wanted[0]).toMatchObject({ step: 1, epoch: 1, size: 16, lr: 0.01 });
  });
});

describe('an error', () => {
  test('of the loader leaves a position that agrees with the parameters', async () => {
    const dir = await temporaryFolder();
    const inner = learnableLoader(80, {}, 10);
    let isBroken = true;
    const broken = {
      ...{ length: 5, batchSize: 16, shuffle: true, seed: 5 },
      setEpoch: (epoch: number, batch?: number) => inner.setEpoch(epoch, batch),
      async *[Symbol.asyncIterator]() {
        for await (const batch of inner) {
          if (batch.index === 3 && isBroken) throw new Error('disk');
          yield batch;
        }
      },
    };
    const trainer = makeTrainer(seededTiny());
    const fit = trainer.fit(broken, { epochs: 1, log: false });
    await expect(fit).rejects.toThrow('disk');
    expect(trainer.stepCount).toBe(3);
    const path = await trainer.saveCheckpoint(dir);
    const state = JSON.parse(await readFile(join(path, 'state.json'), 'utf8'));
    expect(state).toMatchObject({ step: 3, batch: 3, sums: { steps: 3, examples: 48 } });

    isBroken = false;
    const whole = makeTrainer(seededTiny());
    await whole.fit(learnableLoader(80, {}, 10), { epochs: 1, log: false });
    const wanted = flat(await whole.stateDict());
    // The same trainer goes on, as does another one from the checkpoint.
    const other = makeTrainer(seededTiny());
    await other.loadCheckpoint(path);
    for (const each of [trainer, other]) {
      const { step, epochs } = await each.fit(broken, { epochs: 1, log: false });
      expect([step, epochs.length]).toEqual([5, 1]);
      expect(flat(await each.stateDict())).toEqual(wanted);
    }
  });

  test('that ends the loop is the one that fit rejects with', async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error) => warnings.push(warning);
    process.on('warning', onWarning);
    onTestFinished(() => {
      process.off('warning', onWarning);
    });
    const trainer = makeTrainer(seededTiny(), { metricsFile: '/dev/full' });
    const onEpoch = () => {
      throw new Error('mine');
    };
    const loader = learnableLoader(16, {}, 10);
    const fit = trainer.fit(loader, { epochs: 1, log: false, onEpoch });
    await expect(fit).rejects.toThrow('mine');
    await new Promise(setImmediate);
    expect(warnings).toEqual([expect.objectContaining({ code: 'ERR_NN_FILE' })]);
    await trainer.dispose();
  });

  test('of the metrics file is typed, and reported once', async () => {
    const trainer = makeTrainer(seededTiny(), { metricsFile: '/dev/full' });
    const loader = learnableLoader(160, {}, 10);
    const steps: number[] = [];
    const onStep = async ({ step }: StepEvent) => {
      steps.push(step);
      await new Promise((resolve) => setTimeout(resolve, 5));
    };
    const options = { epochs: 1, log: false, onStep };
    const error = await trainer.fit(loader, options).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(FileError);
    expect(String(error)).toMatch(/metricsFile \/dev\/full could not be written: ENOSPC/);
    // At once, not at the end of the epoch.
    expect(steps.length).toBeLessThan(10);
    await expect(trainer.fit(loader, options)).rejects.toBeInstanceOf(FileError);
    await trainer.dispose();
  });

  test('of a FIFO that nobody reads comes at once; one that is read gets every line', async () => {
    const path = join(await temporaryFolder(), 'metrics');
    execFileSync('mkfifo', [path]);
    const loader = learnableLoader(48, {}, 10);
    const trainer = makeTrainer(seededTiny(), { metricsFile: path });
    const trainOnce = () => trainer.fit(loader, { epochs: 1, log: false });
    await expect(trainOnce()).rejects.toThrow(
      /metrics could not be opened: it is a FIFO that nobody/,
    );
    const reader = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    await trainOnce();
    const { buffer, bytesRead } = await reader.read(Buffer.alloc(10_000));
    await reader.close();
    const lines = buffer.toString('utf8', 0, bytesRead).trim().split('\n');
    expect(lines.map((line) => JSON.parse(line).step)).toEqual([1, 2, 3]);
    await expect(trainOnce()).rejects.toBeInstanceOf(FileError);
  });
});

describe('abort', () => {
  test('finishes and reports the steps in flight, then rejects with the reason', async () => {
    const trainer = makeTrainer(seededTiny());
    const controller = new AbortController();
    const reason = new Error('enough');
    const steps: number[] = [];
    const fit = trainer.fit(learnableLoader(320, {}, 10), {
      epochs: 5,
      log: false,
      signal: controller.signal,
      onStep: ({ step }) => {
        steps.push(step);
        if (step === 3) controller.abort(reason);
      },
    });
    await expect(fit).rejects.toBe(reason);
    expect(steps).toEqual([1, 2, 3, 4]);
    expect(trainer.stepCount).toBe(4);
    expect(flat(trainer.net.stateDict())).toEqual(flat(await trainer.stateDict()));
  });

  test('does nothing where the signal is aborted before', async () => {
    const trainer = makeTrainer(seededTiny());
    const signal = AbortSignal.abort(new Error('before'));
    const loader = learnableLoader(32, {}, 10);
    await expect(trainer.fit(loader, { epochs: 1, signal })).rejects.toThrow('before');
    await expect(trainer.evaluate(loader, { signal })).rejects.toThrow('before');
    expect(trainer.stepCount).toBe(0);
  });

  test('does not wait for a loader that is stuck', async () => {
    const inner = learnableLoader(64, {}, 10);
    const stuck = {
      length: 4,
      batchSize: 16,
      async *[Symbol.asyncIterator]() {
        for await (const batch of inner) {
          yield batch;
          if (batch.index === 1) await new Promise(() => {});
        }
      },
    };
    const trainer = makeTrainer(seededTiny());
    const controller = new AbortController();
    const onStep = ({ step }: StepEvent) => {
      if (step === 1) setTimeout(() => controller.abort(new Error('stuck')), 20);
    };
    const { signal } = controller;
    const fit = trainer.fit(stuck, { epochs: 1, log: false, signal, onStep });
    await expect(fit).rejects.toThrow('stuck');
    expect(trainer.stepCount).toBe(2);
    const evaluation = trainer.evaluate(stuck, { signal: AbortSignal.timeout(50) });
    await expect(evaluation).rejects.toThrow(/timeout/);
  });
});

describe('a custom iterator', () => {
  /** Two batches, then none ever; `leave` is what its return() does. */
  function stuckAfterTwo(leave: () => unknown) {
    const inner = learnableLoader(64, {}, 10)[Symbol.asyncIterator]();
    let given = 0;
    const iterator = {
      next: () => (given++ < 2 ? inner.next() : new Promise<never>(() => {})),
      return: leave as () => Promise<IteratorReturnResult<undefined>>,
    };
    return { length: 4, batchSize: 16, [Symbol.asyncIterator]: () => iterator };
  }

  test.each([
    ['gives a plain object', () => ({ done: true, value: undefined })],
    [
      'throws',
      () => {
        throw new Error('from return');
      },
    ],
  ])('whose return() %s does not hide the reason of an abort', async (_name, leave) => {
    const controller = new AbortController();
    const onStep = () => controller.abort(new Error('enough'));
    const loader = stuckAfterTwo(leave);
    const { signal } = controller;
    const fit = makeTrainer(seededTiny()).fit(loader, { epochs: 1, log: false, signal, onStep });
    await expect(fit).rejects.toThrow('enough');
  });

  test.each<[string, unknown, RegExp]>([
    ['is none', undefined, /async iterator with next\(\), got undefined/],
    ['has no next()', { next: 1 }, /async iterator with next\(\), got Object/],
    ['gives no results', { next: () => 5 }, /next\(\) to give \{ value, done \}, got 5/],
  ])('that %s is refused', async (_name, iterator, message) => {
    const loader = { length: 1, batchSize: 1, [Symbol.asyncIterator]: () => iterator as never };
    const trainer = makeTrainer(seededTiny());
    for (const call of [trainer.fit(loader, { epochs: 1, log: false }), trainer.evaluate(loader)]) {
      await expect(call).rejects.toBeInstanceOf(ArgumentError);
      await expect(call).rejects.toThrow(message);
    }
  });

  test('whose batches have a release that is no function ends fit, with its step counted', async () => {
    const [batch] = await takeBatches(learnableLoader(16, {}, 10), 1);
    const loader = {
      length: 3,
      batchSize: 16,
      async *[Symbol.asyncIterator]() {
        const { image, imageShape, label } = batch!;
        for (const release of [undefined, 5, undefined]) {
          yield { image, imageShape, label, release } as unknown as LabelledBatch;
        }
      },
    };
    const steps: number[] = [];
    const trainer = makeTrainer(seededTiny());
    const onStep = ({ step }: StepEvent) => void steps.push(step);
    const fit = trainer.fit(loader, { epochs: 1, log: false, onStep });
    await expect(fit).rejects.toThrow(/release to be a function, got 5/);
    expect([steps, trainer.stepCount]).toEqual([[1], 2]);
  });

  test('that throws is not told to return', async () => {
    const leave = vi.fn();
    const loader = stuckAfterTwo(leave);
    const iterator = loader[Symbol.asyncIterator]();
    iterator.next = () => Promise.reject(new Error('broken'));
    const fit = makeTrainer(seededTiny()).fit(loader, { epochs: 1, log: false });
    await expect(fit).rejects.toThrow('broken');
    expect(leave).not.toHaveBeenCalled();
  });
});
