/** The misuse table: what a wrong call of the trainer rejects with, and that training goes on. */
import {
  ArgumentError,
  DeviceError,
  DisposedError,
  DTypeError,
  errors,
  FileError,
  type LabelledBatch,
  nn,
  optim,
  ShapeError,
  StateDictError,
  Trainer,
  type TrainerOptions,
} from 'neuronode';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from './data-support.js';
import {
  learnableDataset,
  learnableLoader,
  makeTrainer,
  seededTiny,
  takeBatches,
} from './trainer-support.js';

const image = learnableDataset(4, 10).get(0).image;
const good: LabelledBatch = {
  image: Uint8Array.from([...image, ...image]),
  imageShape: [2, 1, 10, 10],
  label: Int32Array.of(0, 1),
};
type ErrorClass = abstract new (...args: never[]) => errors.NeuronodeError;

describe('step refuses', () => {
  const cases: [string, object, ErrorClass, RegExp][] = [
    ['no batch', null as unknown as object, ArgumentError, /batch .* got null/],
    ['doubles', { image: new Float64Array(200) }, DTypeError, /Uint8Array.*got Float64Array/],
    ['a list', { image: [1, 2] }, DTypeError, /Uint8Array.*got \[1, 2\]/],
    ['too few pixels', { image: new Uint8Array(150) }, ShapeError, /200 elements.*got 150/],
    [
      'a shape that cannot be read',
      {
        imageShape: new Proxy([2, 1, 10, 10], {
          get() {
            throw new Error('no');
          },
        }),
      },
      ShapeError,
      /\[n, channels.* got a Proxy/,
    ],
    ['a shape without batch', { imageShape: [1, 10, 10] }, ShapeError, /\[n, channels/],
    ['another image shape', { imageShape: [2, 1, 5, 20] }, ShapeError, /\[1, 10, 10\].*\[1, 5, 20/],
    [
      'an empty batch',
      { image: new Uint8Array(0), imageShape: [0, 1, 10, 10] },
      ArgumentError,
      /empty/,
    ],
    ['float images now', { image: new Float32Array(200) }, ShapeError, /u8 .*got f32/],
    ['another mean', { mean: [0.5] }, ShapeError, /mean \[0\].*mean \[0\.5\]/],
    ['a std of zero', { std: [0] }, ArgumentError, /std to be 1 positive/],
    ['label bytes', { label: new Uint8Array(2) }, DTypeError, /Int32Array.*got Uint8Array/],
    ['too few labels', { label: Int32Array.of(1) }, ShapeError, /2 labels.*got 1/],
    ['a label too high', { label: Int32Array.of(1, 10) }, ArgumentError, /0 to 9.*got 10 .*1 of/],
    ['a label below 0', { label: Int32Array.of(-1, 1) }, ArgumentError, /0 to 9.*got -1 .*0 of/],
  ];
  test.each(cases)('%s', async (_name, change, type, message) => {
    const trainer = makeTrainer(seededTiny(0));
    const first = await trainer.step(good);
    const bad = change === null ? change : { ...good, ...change };
    const error = await trainer.step(bad as LabelledBatch).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(type);
    expect((error as Error).message).toMatch(message);
    // Nothing was done: the next step is the second one.
    const next = await trainer.step(good);
    expect(next.step).toBe(first.step + 1);
    const twin = makeTrainer(seededTiny(0));
    await twin.step(good);
    expect(next.loss).toBe((await twin.step(good)).loss);
  });

  test('a batch larger than compiled for, naming both sizes', async () => {
    const trainer = makeTrainer(seededTiny());
    await trainer.step(good);
    const [large] = await takeBatches(learnableLoader(16, {}, 10), 1);
    await expect(trainer.step(large!)).rejects.toThrow(/at most 2 examples.*batch of 16/);
    await expect(trainer.step(large!)).rejects.toBeInstanceOf(ShapeError);
    await trainer.compile({ batchSize: 16, imageShape: [1, 10, 10] });
    expect((await trainer.step(large!)).size).toBe(16);
  });

  test('a batch that was released', async () => {
    const [batch] = await takeBatches(learnableLoader(16, {}, 10), 1);
    batch!.release();
    await expect(makeTrainer(seededTiny()).step(batch!)).rejects.toBeInstanceOf(DisposedError);
  });

  test('an image that the network does not take, with the path of the module', async () => {
    const [batch] = await takeBatches(learnableLoader(16, {}, 28), 1);
    const trainer = makeTrainer(seededTiny());
    await expect(trainer.step(batch!)).rejects.toThrow(/^fc: Linear expects 64 features/);
    expect((await trainer.step(good)).step).toBe(1);
  });

  test('a batch while fit runs, from within its callback too', async () => {
    const trainer = makeTrainer(seededTiny());
    const loader = learnableLoader(32, {}, 10);
    const refused: unknown[] = [];
    const dict = seededTiny().stateDict();
    const larger = { batchSize: 64, imageShape: [1, 10, 10] };
    const onStep = async () => {
      refused.push(await trainer.step(good).catch((error: unknown) => error));
      refused.push(await trainer.fit(loader, { epochs: 1 }).catch((error: unknown) => error));
      refused.push(await trainer.saveCheckpoint('x').catch((error: unknown) => error));
      refused.push(await trainer.loadCheckpoint('x').catch((error: unknown) => error));
      refused.push(await trainer.loadStateDict(dict).catch((error: unknown) => error));
      refused.push(await trainer.compile(larger).catch((error: unknown) => error));
    };
    const fit = trainer.fit(loader, { epochs: 1, log: false, onStep });
    await expect(trainer.step(good)).rejects.toThrow(/fit is running/);
    expect((await fit).step).toBe(2);
    expect(refused).toHaveLength(12);
    for (const error of refused) {
      expect(error).toBeInstanceOf(ArgumentError);
      expect((error as Error).message).toContain('fit is running');
    }
    expect((await trainer.step(good)).step).toBe(3);
  });
});

describe('the constructor refuses', () => {
  const net = seededTiny();
  const options = () => ({
    loss: new nn.CrossEntropyLoss(),
    optimizer: new optim.Adam(net.parameters()),
  });
  const cases: [string, object, ErrorClass, RegExp][] = [
    ['an unknown option', { lr: 1 }, ArgumentError, /no option 'lr'/],
    ['no loss', { loss: undefined }, ArgumentError, /CrossEntropyLoss, got undefined/],
    ['no optimizer', { optimizer: {} }, ArgumentError, /optim\.Adam/],
    ['an unknown device', { device: 'gpu' }, ArgumentError, /'cuda:N', got 'gpu'/],
    ['an unknown algorithm', { algorithm: 'fft' }, ArgumentError, /'auto', 'direct'/],
    ['a negative seed', { seed: -1 }, ArgumentError, /seed.*-1/],
    ['an empty metrics path', { metricsFile: '' }, ArgumentError, /metricsFile.*path/],
  ];
  test.each(cases)('%s', (_name, change, type, message) => {
    const make = () => new Trainer(net, { ...options(), ...change } as TrainerOptions);
    expect(make).toThrow(type);
    expect(make).toThrow(message);
  });

  test('what is no network', () => {
    expect(() => new Trainer({} as nn.Module, options())).toThrow(/nn\.Module, got Object/);
  });

  test('a GPU that is not there, and takes no other device for it', () => {
    const make = () => new Trainer(net, { ...options(), device: 'cuda:99' });
    expect(make).toThrow(DeviceError);
    expect(make).toThrow(expect.objectContaining({ code: 'ERR_NN_DEVICE_UNAVAILABLE' }));
  });
});

test('an optimizer of another network is refused at the first step', async () => {
  const optimizer = new optim.Adam(seededTiny().parameters());
  const trainer = makeTrainer(seededTiny(), { optimizer });
  await expect(trainer.step(good)).rejects.toThrow(/same network/);
});

test('a loss that does not count correct answers is refused', async () => {
  class Total extends nn.Module {
    override forward(logits: nn.Tensor): nn.Tensor {
      return logits.reshape(-1).reshape();
    }
  }
  const loss = new Total() as unknown as nn.CrossEntropyLoss;
  await expect(makeTrainer(seededTiny(), { loss }).step(good)).rejects.toBeInstanceOf(
    errors.NeuronodeError,
  );
});

describe('fit refuses', () => {
  const cases: [string, object, RegExp][] = [
    ['no epochs', { epochs: 0 }, /epochs/],
    ['an unknown option', { epoch: 1 }, /no option 'epoch'/],
    ['a test loader that is none', { test: [] }, /test to be a DataLoader/],
    ['a signal that is none', { signal: {} }, /AbortSignal/],
    ['a callback that is none', { onStep: 1 }, /onStep to be a function/],
    ['a checkpoint without place', { checkpoint: { dir: '' } }, /checkpoint\.dir to be a path/],
    ['every 0 steps', { checkpoint: { dir: 'x', everySteps: 0 } }, /everySteps/],
    ['every 0 minutes', { checkpoint: { dir: 'x', everyMinutes: 0 } }, /everyMinutes/],
    [
      'minutes that are no number',
      { checkpoint: { dir: 'x', everyMinutes: Symbol('5') } },
      /everyMinutes to be a number above 0, got Symbol\(5\)/,
    ],
    ['minutes as a text', { checkpoint: { dir: 'x', everyMinutes: '5' } }, /everyMinutes.*'5'/],
    ['every NaN minutes', { checkpoint: { dir: 'x', everyMinutes: NaN } }, /everyMinutes/],
    ['steps below 1', { maxSteps: 0 }, /maxSteps/],
  ];
  test.each(cases)('%s', async (_name, change, message) => {
    const trainer = makeTrainer(seededTiny());
    const fit = trainer.fit(learnableLoader(32, {}, 10), { epochs: 1, log: false, ...change });
    await expect(fit).rejects.toThrow(ArgumentError);
    await expect(fit).rejects.toThrow(message);
  });

  test('a loader without batches, and one that ends before its length', async () => {
    const trainer = makeTrainer(seededTiny());
    const none = learnableLoader(8, { dropLast: true }, 10);
    await expect(trainer.fit(none, { epochs: 1, log: false })).rejects.toThrow(/length/);
    const loader = learnableLoader(32, {}, 10);
    const short = {
      length: 5,
      batchSize: 16,
      [Symbol.asyncIterator]: () => loader[Symbol.asyncIterator](),
    };
    await expect(trainer.fit(short, { epochs: 1, log: false })).rejects.toThrow(
      /length is 5, but it ended after 2/,
    );
  });

  test('a metrics file that cannot be opened', async () => {
    const metricsFile = `${await temporaryFolder()}/no/such/folder.jsonl`;
    const trainer = makeTrainer(seededTiny(), { metricsFile });
    const fit = trainer.fit(learnableLoader(32, {}, 10), { epochs: 1, log: false });
    await expect(fit).rejects.toThrow(/metricsFile .* could not be opened: ENOENT/);
    await expect(fit).rejects.toBeInstanceOf(FileError);
  });
});

test('evaluate refuses options and a signal that are none', async () => {
  const trainer = makeTrainer(seededTiny());
  const loader = learnableLoader(32, {}, 10);
  const cases: [unknown, RegExp][] = [
    [null, /options object, got null/],
    [{ signal: {} }, /AbortSignal, got Object/],
    [{ signal: null }, /AbortSignal, got null/],
    [{ batchSize: 3 }, /no option 'batchSize'/],
  ];
  for (const [options, message] of cases) {
    const call = trainer.evaluate(loader, options as { signal?: AbortSignal });
    await expect(call).rejects.toThrow(ArgumentError);
    await expect(call).rejects.toThrow(message);
  }
  expect((await trainer.evaluate(loader)).size).toBe(32);
});

describe('dispose', () => {
  test('is idempotent, and every call after it rejects', async () => {
    const trainer = makeTrainer(seededTiny());
    await trainer.step(good);
    await Promise.all([trainer.dispose(), trainer.dispose()]);
    await trainer.dispose();
    const loader = learnableLoader(32, {}, 10);
    const calls: (() => Promise<unknown>)[] = [
      () => trainer.step(good),
      () => trainer.evaluate(loader),
      () => trainer.fit(loader, { epochs: 1, log: false }),
      () => trainer.compile({ batchSize: 1, imageShape: [1, 10, 10] }),
      () => trainer.stateDict(),
      () => trainer.syncParameters(),
      () => trainer.loadStateDict(seededTiny().stateDict()),
      () => trainer.saveCheckpoint('x'),
      () => trainer.loadCheckpoint('x'),
    ];
    for (const call of calls) await expect(call()).rejects.toBeInstanceOf(DisposedError);
  });

  test('lets the steps on the device end, and fails those that wait', async () => {
    const trainer = makeTrainer(seededTiny());
    const refused = [trainer.step(good), trainer.step(good)].map((step) =>
      expect(step).rejects.toBeInstanceOf(DisposedError),
    );
    await trainer.dispose();
    await Promise.all(refused);

    const running = makeTrainer(seededTiny());
    await running.step(good);
    const step = running.step(good);
    await running.dispose();
    expect((await step).step).toBe(2);
  });

  test('ends a fit', async () => {
    const trainer = makeTrainer(seededTiny());
    const onStep = async ({ step }: { step: number }) => {
      if (step === 2) await trainer.dispose();
    };
    const fit = trainer.fit(learnableLoader(320, {}, 10), { epochs: 9, log: false, onStep });
    await expect(fit).rejects.toBeInstanceOf(DisposedError);
    expect(trainer.stepCount).toBeLessThan(5);
  });

  test('works before anything was done', async () => {
    await makeTrainer(seededTiny()).dispose();
  });
});

test('loadStateDict of another network changes nothing', async () => {
  const trainer = makeTrainer(seededTiny(0));
  await trainer.step(good);
  const before = await trainer.stateDict();
  const wrong = { ...before, 'fc.bias': { data: new Float32Array(3), shape: [3] } };
  await expect(trainer.loadStateDict(wrong)).rejects.toBeInstanceOf(StateDictError);
  expect(await trainer.stateDict()).toEqual(before);
});

test('an error in a callback ends fit and leaves the trainer usable', async () => {
  const trainer = makeTrainer(seededTiny());
  const loader = learnableLoader(64, {}, 10);
  const onStep = () => {
    throw new Error('mine');
  };
  await expect(trainer.fit(loader, { epochs: 1, log: false, onStep })).rejects.toThrow('mine');
  const { step } = await trainer.step(good);
  expect(step).toBe(trainer.stepCount);
});
