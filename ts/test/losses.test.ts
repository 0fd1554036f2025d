/** Losses of users' own: what they take, what training tells of them, and outputs that are several. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  ArgumentError,
  DTypeError,
  type LabelledBatch,
  nn,
  optim,
  Predictor,
  ShapeError,
  type Tensor,
  TextReporter,
  type Trainer,
} from 'neuronode';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
// Inside views: the graphs, what is compiled, and the check of targets.
import { checkTargets } from '../../dist/program/batch.js';
import { CompiledGraph } from '../../dist/program/compiled.js';
import { evalGraph, trainGraph } from '../../dist/program/graphs.js';
import { temporaryFolder } from './data-support.js';
import { testDevice } from './device.js';
import { makeTrainer } from './trainer-support.js';

/** The mean of all elements, in operations with a gradient. */
function mean(x: Tensor): Tensor {
  return nn.functional.adaptiveAvgPool2d(x.reshape(1, 1, 1, -1), 1).reshape();
}

/** Mean of output + target. */
class SumLoss extends nn.Loss {
  override targets(output: Tensor): nn.LossTargets {
    return { dtype: 'f32', shape: output.shape };
  }

  override forward(output: Tensor, target: Tensor): Tensor {
    return mean(output.add(target));
  }
}

/** [N, 1, 1, 2] to [N, 1, 3], as a network of three outputs. */
class Net extends nn.Module {
  readonly fc = new nn.Linear(2, 3);

  override forward(image: Tensor): Tensor {
    return this.fc.forward(image.flatten(1)).reshape(-1, 1, 3);
  }
}

const weight = Float32Array.of(1, 2, 3, 4, 5, 6);
const lr = 0.25;

function makeNet(): Net {
  const net = new Net();
  net.fc.weight.data = weight.slice();
  net.fc.bias!.data = new Float32Array(3);
  return net;
}

function sgd(net: nn.Module<nn.Outputs>, loss: nn.Module, more: object = {}): Trainer {
  const optimizer = new optim.SGD(net.parameters(), { lr });
  return makeTrainer(net as nn.Module, { loss, optimizer, ...more });
}

/** n images of (1, i), i from `from`, with targets 0, 1, 2, ... */
function batchOf(n: number, from = 0): LabelledBatch {
  return {
    image: Float32Array.from({ length: 2 * n }, (_, i) => (i % 2 === 0 ? 1 : from + (i - 1) / 2)),
    imageShape: [n, 1, 1, 2],
    label: Float32Array.from({ length: 3 * n }, (_, i) => i),
  };
}

/** What the loss of a batch is, with the weights above and no bias. */
function expected({ image, imageShape: [n = 0], label }: LabelledBatch): number {
  let sum = 0;
  for (let row = 0; row < n; row++) {
    for (let k = 0; k < 3; k++) {
      const [x, y] = [image[2 * row]!, image[2 * row + 1]!];
      sum += x * weight[2 * k]! + y * weight[2 * k + 1]! + label[3 * row + k]!;
    }
  }
  return sum / (3 * n);
}

function loaderOf(...batches: LabelledBatch[]) {
  return {
    length: batches.length,
    batchSize: Math.max(...batches.map(({ imageShape }) => imageShape[0]!)),
    dataset: { length: batches.reduce((sum, { imageShape }) => sum + imageShape[0]!, 0) },
    async *[Symbol.asyncIterator]() {
      yield* batches;
    },
  };
}

describe('any single number', () => {
  test('is trained on, with f32 targets and without accuracy', async () => {
    const net = makeNet();
    const trainer = sgd(net, new SumLoss());
    const batch = batchOf(4);
    const { loss, ...result } = await trainer.step(batch);
    expect(result).toEqual({ step: 1, size: 4 });
    expect(loss).toBeCloseTo(expected(batch), 5);
    // The gradient with respect to weight [k, 0] is the mean of x / 3, whatever the targets.
    const dict = await trainer.stateDict();
    const [x, y] = [1, 1.5];
    const wanted = weight.map((value, i) => value - (lr * (i % 2 === 0 ? x : y)) / 3);
    for (const [i, value] of wanted.entries()) {
      expect(dict['fc.weight']!.data[i]).toBeCloseTo(value, 5);
    }
  });

  test('may count a part of itself twice', async () => {
    class Twice extends SumLoss {
      override forward(output: Tensor, target: Tensor): Tensor {
        const value = super.forward(output, target);
        return value.add(value);
      }
    }
    const [once, twice] = [makeNet(), makeNet()];
    const first = sgd(once, new SumLoss(), {
      optimizer: new optim.SGD(once.parameters(), { lr: 2 * lr }),
    });
    const second = sgd(twice, new Twice());
    const [a, b] = [await first.step(batchOf(4)), await second.step(batchOf(4))];
    expect(b.loss).toBeCloseTo(2 * a.loss, 5);
    const dict = await first.stateDict();
    for (const [i, value] of (await second.stateDict())['fc.weight']!.data.entries()) {
      expect(value).toBeCloseTo(dict['fc.weight']!.data[i]!, 5);
    }
  });

  test('is the mean of the rows that are there, whatever the size of a batch', async () => {
    const net = makeNet();
    net.fc.bias!.requiresGrad = false;
    const trainer = sgd(net, new SumLoss(), {
      optimizer: new optim.SGD(net.parameters(), { lr: 0 }),
    });
    const [large, small] = [batchOf(4), batchOf(2, 7)];
    for (const batch of [large, small, large]) {
      expect((await trainer.step(batch)).loss).toBeCloseTo(expected(batch), 5);
    }
    const tested = await trainer.evaluate(loaderOf(large, small, batchOf(4, 1)));
    const sum = 4 * expected(large) + 2 * expected(small) + 4 * expected(batchOf(4, 1));
    expect(tested.loss).toBeCloseTo(sum / 10, 5);
    expect(tested).not.toHaveProperty('accuracy');
    expect(tested.size).toBe(10);
  });

  test('keeps the optimizer state from one size of batch to the next', async () => {
    const run = async (...sizes: number[]) => {
      const net = makeNet();
      const optimizer = new optim.SGD(net.parameters(), { lr, momentum: 0.5 });
      const trainer = sgd(net, new SumLoss(), { optimizer });
      for (const size of sizes) {
        // All rows alike, so that the gradient is the same for every number of them.
        await trainer.step({
          image: Float32Array.from({ length: 2 * size }, (_, i) => 1 + (i % 2)),
          imageShape: [size, 1, 1, 2],
          label: new Float32Array(3 * size),
        });
      }
      return [...(await trainer.stateDict())['fc.weight']!.data];
    };
    const [mixed, same] = [await run(4, 2, 4, 1), await run(4, 4, 4, 4)];
    for (const [i, value] of same.entries()) expect(mixed[i]).toBeCloseTo(value, 5);
  });

  test('compiles a program for each of two sizes of batch, once', async () => {
    const compiles = vi.spyOn(CompiledGraph.prototype, 'compile');
    onTestFinished(() => compiles.mockRestore());
    const programs = async () => {
      const all = await Promise.all(compiles.mock.results.map(({ value }) => value));
      return new Set(all).size;
    };
    const trainer = sgd(makeNet(), new SumLoss());
    const loader = loaderOf(batchOf(4), batchOf(4), batchOf(2));
    await trainer.fit(loader, { epochs: 2, log: false });
    expect(await programs()).toBe(2);
    const tested = [await trainer.evaluate(loader), await trainer.evaluate(loader)];
    expect(tested[1]).toEqual(tested[0]);
    expect(await programs()).toBe(4);
    // What is given to the network meanwhile reaches both.
    trainer.net.loadStateDict(makeNet().stateDict());
    const alone = await sgd(makeNet(), new SumLoss()).evaluate(loader);
    expect(await trainer.evaluate(loader)).toEqual(alone);
    await trainer.step(batchOf(2));
    const { loss } = await trainer.step(batchOf(4));
    const other = sgd(makeNet(), new SumLoss());
    await other.step(batchOf(2));
    expect(loss).toBe((await other.step(batchOf(4))).loss);
    // A third size takes the spare's place.
    const before = await programs();
    await trainer.step(batchOf(3));
    await trainer.step(batchOf(4));
    expect(await programs()).toBe(before + 1);
  });

  test('is a loss where it reads no targets at all', async () => {
    class Mean extends nn.Module {
      override forward(output: Tensor): Tensor {
        return mean(output);
      }
    }
    class Flat extends Net {
      override forward(image: Tensor): Tensor {
        return super.forward(image).flatten(1);
      }
    }
    const trainer = sgd(new Flat(), new Mean());
    const { label: _, ...images } = batchOf(2);
    const { loss, correct } = await trainer.step(images as LabelledBatch);
    expect(Number.isFinite(loss)).toBe(true);
    expect(correct).toBeUndefined();
  });

  test('has no accuracy in what fit prints, writes and returns', async () => {
    const chunks: string[] = [];
    const file = join(await temporaryFolder(), 'metrics.jsonl');
    const trainer = sgd(makeNet(), new SumLoss(), { metricsFile: file });
    const dir = await temporaryFolder();
    const { epochs } = await trainer.fit(loaderOf(batchOf(4), batchOf(2)), {
      test: loaderOf(batchOf(3)),
      epochs: 1,
      log: new TextReporter({ write: (text: string) => chunks.push(text) }),
      checkpoint: { dir },
    });
    const lines = chunks.join('').trim().split('\n');
    expect(lines[0]).toBe(`step 1, loss: ${expected(batchOf(4)).toFixed(4)}`);
    expect(lines[1]).toMatch(/^step 2, loss: -?\d+\.\d{4}$/);
    expect(lines[2]).toMatch(
      /^epoch 1, loss -?\d+\.\d{4}, test loss -?\d+\.\d{4}, time \d+\.\d sec$/,
    );
    expect(Object.keys(epochs[0]!).sort()).toEqual(
      ['epoch', 'loss', 'lossPerExample', 'seconds', 'step', 'testLoss'].sort(),
    );
    const written = (await readFile(file, 'utf8')).trim().split('\n');
    expect(Object.keys(JSON.parse(written[0]!))).toEqual([
      'step',
      'epoch',
      'loss',
      'size',
      'lr',
      'ms',
    ]);
  });

  test('refuses targets that do not fit, before any work', async () => {
    const trainer = sgd(makeNet(), new SumLoss());
    const batch = batchOf(2);
    const step = (label: unknown) => trainer.step({ ...batch, label } as LabelledBatch);
    await expect(step(Int32Array.of(0, 1))).rejects.toThrow(DTypeError);
    await expect(step(undefined)).rejects.toThrow('label to be a Float32Array of targets');
    await expect(step(new Float32Array(5))).rejects.toThrow(ShapeError);
    await expect(step(new Float32Array(5))).rejects.toThrow('6 elements, [2, 1, 3], got 5');
    expect(trainer.stepCount).toBe(0);
  });
});

test('labels may have more axes, and one may stand for no class', () => {
  const targets = { dtype: 'i32', shape: [8, 2], classes: 3, ignoreIndex: -100 } as const;
  const check = (...label: number[]) =>
    checkTargets('step', { ...batchOf(2), label: Int32Array.from(label) }, 2, targets);
  expect(check(0, 2, -100, 1)).toEqual(Int32Array.of(0, 2, -100, 1));
  expect(() => check(0, 2)).toThrow('4 elements, [2, 2], got 2');
  expect(() => check(0, 2, 3, 1)).toThrow('labels from 0 to 2');
  expect(() => check(0, 2, 1, -1)).toThrow('got -1 for example 1 of the batch');
});

describe('a loss', () => {
  const images = { batchSize: 2, shape: [1, 1, 2], dtype: 'f32' } as const;

  test('says what its targets are, with reasons where no batch has such', () => {
    class Odd extends SumLoss {
      override targets(): nn.LossTargets {
        return { dtype: 'f32', shape: [3, 1] };
      }
    }
    expect(() => evalGraph(makeNet(), new Odd(), images)).toThrow(
      'targets of type i32 or f32 with one row for each of the 2 of the batch, ' +
        'got f32 of shape [3, 1]',
    );
    expect(() => evalGraph(makeNet(), new nn.CrossEntropyLoss(), images)).toThrow(
      'loss: CrossEntropyLoss expects logits of shape [N, C], got [2, 1, 3]',
    );
    const { loss, wholeBatches } = evalGraph(makeNet(), new SumLoss(), images);
    expect(loss).toEqual({
      reduction: 'mean',
      targets: { dtype: 'f32', shape: [2, 1, 3] },
      hasCorrect: false,
    });
    expect(wholeBatches).toBe(true);
    const logits = new nn.Sequential(new nn.Flatten(), new nn.Linear(2, 3));
    const sum = evalGraph(logits, new nn.CrossEntropyLoss({ reduction: 'sum' }), images);
    expect(sum.loss).toEqual({
      reduction: 'sum',
      targets: { dtype: 'i32', shape: [2], classes: 3, ignoreIndex: -100 },
      hasCorrect: true,
    });
    expect(sum.wholeBatches).toBe(false);
  });

  test('may have buffers, and no parameters', async () => {
    class Shifted extends SumLoss {
      readonly by = this.registerBuffer('by', { data: Float32Array.of(10), shape: [] });

      override forward(output: Tensor, target: Tensor): Tensor {
        return super.forward(output, target).add(this.by);
      }
    }
    const loss = new Shifted();
    const trainer = sgd(makeNet(), loss, {});
    const batch = batchOf(2);
    expect((await trainer.step(batch)).loss).toBeCloseTo(expected(batch) + 10, 5);
    expect(Object.keys(await trainer.stateDict())).toEqual(['fc.weight', 'fc.bias']);
    loss.registerBuffer('by', { data: Float32Array.of(1), shape: [] });
    await expect(trainer.step(batch)).rejects.toThrow('loss.by was replaced');
  });
});

describe('a network that returns an array in training', () => {
  class Heads extends nn.Module<nn.Outputs> {
    readonly main = new nn.Linear(2, 3);
    readonly aux = new nn.Linear(2, 4);

    override forward(image: Tensor): nn.Outputs {
      const x = image.flatten(1);
      return this.training ? [this.main.forward(x), this.aux.forward(x)] : this.main.forward(x);
    }
  }

  class Both extends nn.Loss {
    override readonly leavesPaddingOut = true;
    readonly entropy = new nn.CrossEntropyLoss();

    override forward(main: Tensor, ...rest: Tensor[]): Tensor {
      const label = rest.at(-1)!;
      const [aux] = rest.slice(0, -1);
      const loss = this.entropy.forward(main, label);
      return aux === undefined ? loss : loss.add(this.entropy.forward(aux, label));
    }
  }

  const batch = { ...batchOf(4), label: Int32Array.of(0, 1, 2, 2) };

  test('gives each tensor to the loss, and the first to metrics and predictions', async () => {
    const net = new Heads();
    const before = net.aux.weight.data.slice();
    const trainer = sgd(net, new Both());
    const predictor = new Predictor(net, { device: testDevice });
    onTestFinished(() => predictor.dispose());
    const { classes, shape } = await predictor.predict(batch);
    expect(shape).toEqual([4, 3]);
    const right = [...classes].filter((each, i) => each === batch.label[i]).length;
    const tested = await trainer.evaluate(loaderOf(batch));
    expect(tested.accuracy).toBe(right / 4);
    const step = await trainer.step(batch);
    expect(step.correct).toBe(right);
    expect(step.loss).toBeGreaterThan(tested.loss);
    expect((await trainer.stateDict())['aux.weight']!.data).not.toEqual(before);
    // Padded: the loss reads how many rows are real.
    const few = { ...batchOf(2), label: Int32Array.of(0, 1) };
    expect((await trainer.step(few)).size).toBe(2);
  });

  test('is refused by a loss that takes one, and with elements that are none', () => {
    const images = { batchSize: 2, shape: [1, 1, 2], dtype: 'f32' } as const;
    const net = new Heads();
    const optimizer = new optim.SGD(net.parameters(), { lr });
    const call = () => trainGraph(net, new nn.CrossEntropyLoss(), optimizer, images);
    expect(call).toThrow(ArgumentError);
    expect(call).toThrow('CrossEntropyLoss expects one output of the network, got 2');
    class Wrong extends Heads {
      override forward(image: Tensor): nn.Outputs {
        return [image, 1] as never;
      }
    }
    expect(() => evalGraph(new Wrong(), new Both(), images)).toThrow(
      'forward must return a tensor',
    );
  });
});

test('a network that mixes rows is trained on whole batches, and predicts nothing', async () => {
  class Mixing extends nn.Module {
    readonly fc = new nn.Linear(2, 3);

    override forward(image: Tensor): Tensor {
      image.tracer.requireWholeBatches();
      return this.fc.forward(image.flatten(1));
    }
  }
  const net = new Mixing();
  const trainer = sgd(net, new nn.CrossEntropyLoss());
  for (const n of [4, 2]) {
    const { size } = await trainer.step({ ...batchOf(n), label: new Int32Array(n) });
    expect(size).toBe(n);
    expect(trainer.plan()).toBeDefined();
  }
  const predictor = new Predictor(net, { device: testDevice });
  onTestFinished(() => predictor.dispose());
  await expect(predictor.predict(batchOf(4))).rejects.toThrow('mixes the rows of a batch');
});
