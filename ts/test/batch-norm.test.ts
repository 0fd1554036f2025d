/**
 * Batch normalisation in networks: training, evaluation and prediction against PyTorch in float64
 * (scripts/fixtures/batch_norm.py), above all with a last batch that is smaller than the others.
 */
import { readFileSync } from 'node:fs';
import {
  ArgumentError,
  type LabelledBatch,
  manualSeed,
  nn,
  optim,
  Predictor,
  ShapeError,
  type Tensor,
} from 'neuronode';
import { describe, expect, onTestFinished, test } from 'vitest';
import { testDevice } from './device.js';
import { hashAt } from './op-cases.js';
import { makeTrainer } from './trainer-support.js';

interface Reference {
  losses: number[];
  logits: number[][];
  state: Record<string, number | number[]>;
}

const file = new URL('fixtures/batch-norm.json', import.meta.url);
const references = JSON.parse(readFileSync(file, 'utf8')) as Record<string, Reference>;
const kinds: [string, nn.BatchNorm2dOptions][] = [
  ['plain', {}],
  ['cumulative', { momentum: null, eps: 0.01 }],
  ['not affine', { affine: false, momentum: 0.3 }],
  ['not tracked', { trackRunningStats: false }],
];
const sizes = [6, 6, 3];

function network(options: nn.BatchNorm2dOptions): nn.Sequential {
  manualSeed(0);
  return new nn.Sequential(
    new nn.Conv2d(2, 18, 3, { padding: 1 }),
    new nn.BatchNorm2d(18, options),
    new nn.ReLU(),
    new nn.MaxPool2d(2),
    new nn.BatchNorm2d(18, options),
    new nn.Flatten(),
    new nn.Linear(18 * 9, 4),
  );
}

function batchOf(step: number, rows: number): LabelledBatch {
  const values = { length: rows * 2 * 36 };
  return {
    image: Float32Array.from(
      values,
      (_, i) => ((hashAt(`batchNorm/image.${step}`, i) >>> 21) - 1024) / 1024,
    ),
    imageShape: [rows, 2, 6, 6],
    label: Int32Array.from({ length: rows }, (_, i) => hashAt(`batchNorm/label.${step}`, i) % 4),
  };
}

const batches = sizes.map((rows, index) => batchOf(index + 1, rows));
const last = batches.at(-1)!;

function sgd(net: nn.Module, lr = 0.1) {
  return makeTrainer(net, { optimizer: new optim.SGD(net.parameters(), { lr }) });
}

function expectClose(ours: ArrayLike<number>, wanted: readonly number[], what: string): void {
  expect(ours.length, what).toBe(wanted.length);
  for (const [at, value] of wanted.entries())
    expect(ours[at], `${what}[${at}]`).toBeCloseTo(value, 4);
}

describe('trained as by PyTorch, with a smaller last batch', () => {
  test.each(kinds)('%s', async (kind, options) => {
    const { losses, logits, state } = references[kind]!;
    const net = network(options);
    const trainer = sgd(net);
    for (const [index, batch] of batches.entries()) {
      const { loss } = await trainer.step(batch);
      expect(loss, `loss ${index}`).toBeCloseTo(losses[index]!, 4);
    }
    const dict = await trainer.stateDict();
    expect(Object.keys(dict)).toEqual(Object.keys(state));
    for (const [name, { data }] of Object.entries(dict)) {
      const wanted = [state[name]!].flat();
      const isSum = name === '0.weight' || name === '6.weight';
      const ours: ArrayLike<number> = isSum
        ? [[...data].reduce((sum, each) => sum + each, 0)]
        : data;
      expectClose(ours, wanted, name);
    }
    // By a program of the batch's own size, and by one that it fills in part.
    for (const batchSize of [3, 16]) {
      const predictor = newPredictor(net, batchSize);
      const { probabilities } = await predictor.predict(last);
      expectClose(probabilities, logits.flat(), `logits in batches of ${batchSize}`);
    }
    const { loss } = await trainer.evaluate(loaderOf(batches));
    const { loss: alone } = await sgd(net).evaluate(loaderOf(batches, 3));
    if (options.trackRunningStats !== false) expect(loss).toBeCloseTo(alone, 6);
  });

  test('a network without running statistics predicts more images than a program takes', async () => {
    const net = network({ trackRunningStats: false });
    const image = batchOf(1, 12).image;
    const all = await newPredictor(net, 9).predict({ image, imageShape: [12, 2, 6, 6] });
    const parts = [image.slice(0, 9 * 72), image.slice(9 * 72)];
    const predictor = newPredictor(net, 64);
    const apart = [];
    for (const part of parts) {
      const imageShape = [part.length / 72, 2, 6, 6];
      const { probabilities } = await predictor.predict({ image: part, imageShape });
      apart.push(...probabilities);
    }
    expectClose(all.probabilities, apart, 'logits');
  });
});

describe('padded rows', () => {
  test('change nothing, whatever the program was compiled for', async () => {
    const [whole, padded] = [network({}), network({})];
    const trainers = [sgd(whole), sgd(padded)] as const;
    await trainers[1].compile({ batchSize: 17, imageShape: [2, 6, 6], dtype: 'f32' });
    for (const batch of batches.slice(0, 2)) {
      const losses = [];
      for (const trainer of trainers) losses.push((await trainer.step(batch)).loss);
      expect(losses[0]).toBeCloseTo(losses[1]!, 6);
    }
    const [wanted, found] = [await trainers[0].stateDict(), await trainers[1].stateDict()];
    for (const [name, { data }] of Object.entries(wanted)) {
      for (const [at, value] of data.entries()) {
        expect(found[name]!.data[at], name).toBeCloseTo(value, 6);
      }
    }
  });

  test('are not counted where one value of each channel is left', async () => {
    const net = new nn.Sequential(new nn.BatchNorm2d(2), new nn.Flatten(), new nn.Linear(2, 4));
    const trainer = sgd(net);
    await trainer.compile({ batchSize: 4, imageShape: [2, 1, 1], dtype: 'f32' });
    const batch = (rows: number) => ({
      image: Float32Array.from({ length: 2 * rows }, (_, i) => i * i),
      imageShape: [rows, 2, 1, 1],
      label: new Int32Array(rows),
    });
    await trainer.step(batch(2));
    const before = await trainer.stateDict();
    const call = trainer.step(batch(1));
    await expect(call).rejects.toThrow(ArgumentError);
    await expect(call).rejects.toThrow(
      'count must be between 2 and 4, got 1: 0: batchNorm expects more than 1 value of each channel ' +
        'in training, and a row has 1',
    );
    expect(await trainer.stateDict()).toEqual(before);
    await trainer.step(batch(3));
    expect((await trainer.stateDict())['0.num_batches_tracked']!.data).toEqual(Int32Array.of(2));
  });
});

describe('modes', () => {
  test('a layer that was put into evaluation mode by itself is trained on its running statistics', async () => {
    const net = network({});
    const norm = [...net.children()][1] as nn.BatchNorm2d;
    norm.eval();
    norm.runningMean!.data = norm.runningMean!.data.map((_, i) => i / 20);
    norm.runningVar!.data = norm.runningVar!.data.map((_, i) => 0.5 + i / 10);
    const trainer = sgd(net);
    const before = { ...net.stateDict() };
    const copy = Object.fromEntries(
      Object.entries(before).map(([name, { data }]) => [name, data.slice()]),
    );
    const first = await trainer.step(batches[0]!);
    const dict = await trainer.stateDict();
    for (const name of ['running_mean', 'running_var', 'num_batches_tracked']) {
      expect(dict[`1.${name}`]!.data).toEqual(copy[`1.${name}`]);
      expect(dict[`4.${name}`]!.data).not.toEqual(copy[`4.${name}`]);
    }
    expect(dict['1.weight']!.data).not.toEqual(copy['1.weight']);
    expect((await trainer.step(batches[0]!)).loss).toBeLessThan(first.loss);
  });

  test('a frozen weight stays, and the bias learns', async () => {
    const net = network({});
    const norm = [...net.children()][1] as nn.BatchNorm2d;
    norm.weight!.requiresGrad = false;
    const trainer = sgd(net);
    await trainer.step(batches[0]!);
    const dict = await trainer.stateDict();
    expect(dict['1.weight']!.data.every((value) => value === 1)).toBe(true);
    expect(dict['1.bias']!.data.some((value) => value !== 0)).toBe(true);
  });

  test('two calls of one layer update its statistics twice', async () => {
    class Twice extends nn.Module {
      readonly norm = new nn.BatchNorm2d(2);
      readonly fc = new nn.Linear(72, 4);

      override forward(x: Tensor): Tensor {
        return this.fc.forward(this.norm.forward(this.norm.forward(x)).flatten(1));
      }
    }
    const trainer = sgd(new Twice());
    await trainer.step(batches[0]!);
    const dict = await trainer.stateDict();
    expect(dict['norm.num_batches_tracked']!.data).toEqual(Int32Array.of(2));
  });
});

describe('BatchNorm2d', () => {
  test('has PyTorch names, values and text', () => {
    const norm = new nn.BatchNorm2d(3);
    const three = (value: number) => ({ data: new Float32Array(3).fill(value), shape: [3] });
    expect(norm.stateDict()).toEqual({
      weight: three(1),
      bias: three(0),
      running_mean: three(0),
      running_var: three(1),
      num_batches_tracked: { data: Int32Array.of(0), shape: [] },
    });
    expect(Object.keys(norm.stateDict())[2]).toBe('running_mean');
    expect(String(norm)).toBe(
      'BatchNorm2d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)',
    );
    const bare = new nn.BatchNorm2d(3, {
      eps: 1e-3,
      momentum: null,
      affine: false,
      trackRunningStats: false,
    });
    expect(String(bare)).toBe(
      'BatchNorm2d(3, eps=0.001, momentum=None, affine=False, bias=False, track_running_stats=False)',
    );
    expect(bare.stateDict()).toEqual({});
    expect(Object.keys(new nn.BatchNorm2d(3, { bias: false }).stateDict())).toHaveLength(4);
  });

  test.each<[object, string]>([
    [{ eps: -1 }, 'eps to be a number, at least 0, got -1'],
    [{ momentum: 2 }, 'momentum to be a number, at least 0 and at most 1, got 2'],
    [{ affine: 1 }, 'affine to be true or false'],
    [{ trackRunningStats: 'no' }, 'trackRunningStats to be true or false'],
    [{ bias: 0 }, 'bias to be true or false'],
    [{ track_running_stats: true }, "no option 'track_running_stats'"],
  ])('refuses %o', (options, message) => {
    const call = () => new nn.BatchNorm2d(3, options as nn.BatchNorm2dOptions);
    expect(call).toThrow(ArgumentError);
    expect(call).toThrow(message);
    expect(() => new nn.BatchNorm2d(0)).toThrow('numFeatures');
  });

  test('refuses what it cannot normalise, with its path', async () => {
    const fails = (net: nn.Module, imageShape: [number, number, number], batchSize = 2) =>
      expect(sgd(net).compile({ batchSize, imageShape, dtype: 'f32' })).rejects;
    const wrong = new nn.Sequential(new nn.ReLU(), new nn.BatchNorm2d(3));
    await fails(wrong, [2, 4, 4]).toThrow(
      '1: BatchNorm2d expects weight to have one number for each of the 2 channels of [2, 2, 4, 4], got [3]',
    );
    const flat = new nn.Sequential(new nn.Flatten(), new nn.BatchNorm2d(3));
    await fails(flat, [3, 1, 1]).toThrow(ShapeError);
    await fails(flat, [3, 1, 1]).toThrow('1: BatchNorm2d expects input');
    const single = new nn.Sequential(new nn.BatchNorm2d(3));
    await fails(single, [3, 1, 1], 1).toThrow(
      '0: BatchNorm2d expects more than 1 value of each channel in training, got input [1, 3, 1, 1]',
    );
  });

  test('the function says what it misses', async () => {
    class Calls extends nn.Module {
      readonly weight = new nn.Parameter(new Float32Array(2), [2]);
      readonly mean = this.registerBuffer('mean', { data: new Float32Array(2), shape: [2] });

      constructor(readonly call: (net: Calls, x: Tensor) => Tensor) {
        super();
      }

      override forward(x: Tensor): Tensor {
        return this.call(this, x);
      }
    }
    const { batchNorm } = nn.functional;
    const expected: [(net: Calls, x: Tensor) => Tensor, string][] = [
      [(_, x) => batchNorm(x, null, null), 'expects runningMean and runningVar, or neither'],
      [(net, x) => batchNorm(x, net.mean, null, { training: true }), 'got 1 of them'],
      [
        (net, x) => batchNorm(x, net.weight, net.weight, { training: true }),
        'runningMean and runningVar to be buffers',
      ],
      [
        (net, x) => batchNorm(x, net.mean, net.mean, { training: true, momentum: null }),
        'expects numBatchesTracked where momentum is null',
      ],
      [
        (net, x) => batchNorm(x, net.mean, net.mean, { bias: net.weight }),
        'expects a weight for its bias',
      ],
    ];
    for (const [call, message] of expected) {
      const compiling = sgd(new Calls(call)).compile({
        batchSize: 2,
        imageShape: [2, 3, 3],
        dtype: 'f32',
      });
      await expect(compiling).rejects.toThrow(ArgumentError);
      await expect(compiling).rejects.toThrow(message);
    }
  });
});

function newPredictor(net: nn.Module, batchSize: number): Predictor {
  const predictor = new Predictor(net, { device: testDevice, softmax: false, batchSize });
  onTestFinished(() => predictor.dispose());
  return predictor;
}

function loaderOf(all: readonly LabelledBatch[], batchSize = 6) {
  return {
    length: all.length,
    batchSize,
    async *[Symbol.asyncIterator]() {
      yield* all;
    },
  };
}
