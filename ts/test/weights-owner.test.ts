/** One owner of the parameters' newest values: the network, its trainers and its predictors agree. */
import {
  manualSeed,
  nn,
  optim,
  Predictor,
  StaleParametersError,
  type Tensor,
  type Trainer,
} from 'neuronode';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { fingerprint } from '../../dist/program/fingerprint.js';
import { hostValuesOf } from '../../dist/program/module-tensor.js';
// Inside views: what is written to a program, and which arrays users have.
import { NativeProgram } from '../../dist/program/native.js';
import { temporaryFolder } from './data-support.js';
import { testDevice } from './device.js';
import { flat, learnableLoader, makeTrainer, seededTiny, takeBatches } from './trainer-support.js';

/** Two classes of images of two by two floats. */
class Small extends nn.Module {
  readonly fc = new nn.Linear(4, 2);

  override forward(image: Tensor): Tensor {
    return this.fc.forward(image.flatten(1));
  }
}

const image = { image: new Float32Array([1, 2, 3, 4]), imageShape: [1, 1, 2, 2] };
const batch = { ...image, label: Int32Array.of(1) };
const zeros = {
  'fc.weight': { data: new Float32Array(8), shape: [2, 4] },
  'fc.bias': { data: new Float32Array(2), shape: [2] },
};
const loader = {
  length: 1,
  batchSize: 1,
  async *[Symbol.asyncIterator]() {
    yield batch;
  },
};

function makePredictor(net: nn.Module): Predictor {
  const predictor = new Predictor(net, { device: testDevice });
  onTestFinished(() => predictor.dispose());
  return predictor;
}

function sgd(net: nn.Module, lr = 0.1): Trainer {
  return makeTrainer(net, { optimizer: new optim.SGD(net.parameters(), { lr }) });
}

async function odds(predictor: Predictor): Promise<number[]> {
  return [...(await predictor.predict(image)).probabilities];
}

/** What the network says of the image, computed here. */
function expected(dict: nn.StateDict): number[] {
  const { data: weight } = dict['fc.weight']!;
  const { data: bias } = dict['fc.bias']!;
  const logits = [0, 1].map((row) =>
    image.image.reduce((sum, x, i) => sum + x * weight[row * 4 + i]!, bias[row]!),
  );
  const exps = logits.map(Math.exp);
  return exps.map((each) => each / (exps[0]! + exps[1]!));
}

function expectClose(got: readonly number[], wanted: readonly number[]): void {
  expect(got.length).toBe(wanted.length);
  for (const [i, value] of wanted.entries()) expect(got[i]).toBeCloseTo(value, 5);
}

describe('a predictor sees', () => {
  test('what was loaded', async () => {
    const net = new Small();
    const predictor = makePredictor(net);
    expectClose(await odds(predictor), expected(net.stateDict()));
    net.loadStateDict(zeros);
    expect(await odds(predictor)).toEqual([0.5, 0.5]);
  });

  test('what was loaded where nobody has read the arrays', async () => {
    const net = new Small();
    const other = new Small().stateDict();
    const trainer = sgd(net);
    await trainer.step(batch);
    await trainer.syncParameters();
    const predictor = makePredictor(net);
    await odds(predictor);
    net.loadStateDict(other);
    expectClose(await odds(predictor), expected(other));
  });

  test('what was assigned, and what was edited in place since', async () => {
    const net = new Small();
    const predictor = makePredictor(net);
    await odds(predictor);
    net.loadStateDict(zeros);
    const bias = Float32Array.of(0, Math.log(3));
    net.fc.bias!.data = bias;
    expectClose(await odds(predictor), [0.25, 0.75]);
    bias[0] = Math.log(9);
    expectClose(await odds(predictor), [0.75, 0.25]);
  });

  test('edits of an array that was read long ago, and of a state dict', async () => {
    const net = new Small();
    const { data } = net.fc.bias!;
    const dict = net.stateDict();
    const predictor = makePredictor(net);
    net.loadStateDict(zeros);
    await odds(predictor);
    data[1] = Math.log(3);
    expectClose(await odds(predictor), [0.25, 0.75]);
    dict['fc.weight']!.data[0] = Math.log(3);
    expect(await odds(predictor)).toEqual([0.5, 0.5]);
  });

  test('what a trainer learned, which it fetches itself, and the same in fit', async () => {
    const net = new Small();
    const predictor = makePredictor(net);
    const before = await odds(predictor);
    const trainer = sgd(net);
    await trainer.step(batch);
    const after = await odds(predictor);
    expect(after).not.toEqual(before);
    expectClose(after, expected(await trainer.stateDict()));
    const during: number[][] = [];
    await trainer.fit(loader, {
      epochs: 1,
      log: false,
      onEpoch: async () => {
        during.push(await odds(predictor));
      },
    });
    expectClose(during[0]!, expected(net.stateDict()));
    expect(during[0]).toEqual(await odds(predictor));
    expect(during[0]).not.toEqual(after);
  });

  test('what is there while the network is evaluated, asked by the loader too', async () => {
    const net = new Small();
    const predictor = makePredictor(net);
    const trainer = sgd(net);
    await trainer.step(batch);
    const seen: unknown[] = [];
    const asking = {
      length: 1,
      batchSize: 1,
      async *[Symbol.asyncIterator]() {
        seen.push(await odds(predictor), flat(await trainer.stateDict()));
        yield batch;
      },
    };
    await trainer.evaluate(asking);
    expect(seen).toEqual([await odds(predictor), flat(net.stateDict())]);
  });

  test('one moment: calls under way end before a change is written', async () => {
    const net = new Small();
    net.loadStateDict(zeros);
    const predictor = new Predictor(net, { device: testDevice, batchSize: 1 });
    onTestFinished(() => predictor.dispose());
    const many = { image: new Float32Array(4 * 20).fill(1), imageShape: [20, 1, 2, 2] };
    await predictor.predict(many);
    const first = predictor.predict(many);
    const ones = { data: new Float32Array(8).map((_, i) => (i < 4 ? 1 : 0)), shape: [2, 4] };
    const biases = { data: Float32Array.of(-4, Math.log(3)), shape: [2] };
    net.loadStateDict({ 'fc.weight': ones, 'fc.bias': biases });
    const second = predictor.predict(many);
    // Weights or biases alone would give other values than these two.
    const both = [...(await first).probabilities, ...(await second).probabilities];
    for (const [i, value] of both.entries()) {
      const isOld = Math.abs(value - 0.5) < 1e-6;
      const isNew = Math.abs(value - (i % 2 === 0 ? 0.25 : 0.75)) < 1e-6;
      expect(isOld || isNew).toBe(true);
    }
    expectClose([...(await second).probabilities.subarray(0, 2)], [0.25, 0.75]);
  });

  test('nothing to compare where nobody read the arrays, and to write where nothing changed', async () => {
    const net = new Small();
    const all = [...net.parameters()];
    for (const parameter of all) expect(hostValuesOf(parameter).isShared).toBe(false);
    const predictor = makePredictor(net);
    await odds(predictor);
    const write = vi.spyOn(NativeProgram.prototype, 'write');
    onTestFinished(() => write.mockRestore());
    await odds(predictor);
    expect(write).toHaveBeenCalledTimes(0);
    for (const parameter of all) expect(hostValuesOf(parameter).isShared).toBe(false);
    net.fc.bias!.data = new Float32Array(2);
    await odds(predictor);
    expect(write).toHaveBeenCalledTimes(1);
  });
});

test('fingerprints differ where any element does', async () => {
  for (const length of [1, 2, 5, 8, (1 << 19) + 3]) {
    const values = new Float32Array(length).map((_, i) => Math.sin(i));
    const before = await fingerprint(values);
    expect(await fingerprint(values.slice())).toBe(before);
    for (const at of new Set([0, length >> 1, length - 1])) {
      const other = values.slice();
      other[at]! += 1e-3;
      expect(await fingerprint(other)).not.toBe(before);
    }
    expect(await fingerprint(values.map((x) => -x))).not.toBe(before);
  }
});

describe('a network whose layers were replaced', () => {
  test('is refused by what computes with the old ones', async () => {
    const net = new Small() as { fc: nn.Linear } & Small;
    const predictor = makePredictor(net);
    const trainer = sgd(net);
    await odds(predictor);
    await trainer.step(batch);
    await trainer.syncParameters();
    net.fc = new nn.Linear(4, 2);
    const refused = { code: 'ERR_NN_ARGUMENT', message: expect.stringContaining('fc.weight') };
    await expect(odds(predictor)).rejects.toMatchObject(refused);
    await expect(trainer.step(batch)).rejects.toMatchObject(refused);
    await expect(trainer.evaluate(loader)).rejects.toMatchObject(refused);
    // The optimizer's state would be of one layer and the weights of the other.
    const dir = await temporaryFolder();
    await expect(trainer.saveCheckpoint(dir)).rejects.toMatchObject(refused);
    expect(trainer.stepCount).toBe(1);
    expectClose(await odds(makePredictor(net)), expected(net.stateDict()));
  });
});

describe('a trainer', () => {
  test('steps, evaluates and saves with what was loaded into the network', async () => {
    const net = new Small();
    const trainer = sgd(net, 0);
    await trainer.step(batch);
    net.loadStateDict(zeros);
    expect(flat(await trainer.stateDict())).toEqual(new Float32Array(10));
    expect((await trainer.evaluate(loader)).loss).toBeCloseTo(Math.log(2), 6);
    expect((await trainer.step(batch)).loss).toBeCloseTo(Math.log(2), 6);
    const dir = await temporaryFolder();
    await trainer.saveCheckpoint(dir);
    const other = sgd(new Small());
    await other.loadCheckpoint(dir);
    expect(flat(await other.stateDict())).toEqual(new Float32Array(10));
  });

  test('saves what was loaded after its last step', async () => {
    const net = new Small();
    const trainer = sgd(net);
    await trainer.step(batch);
    net.loadStateDict(zeros);
    const dir = await temporaryFolder();
    await trainer.saveCheckpoint(dir);
    const other = sgd(new Small());
    await other.loadCheckpoint(dir);
    expect(flat(await other.stateDict())).toEqual(new Float32Array(10));
  });

  test('sees edits in place, of arrays that were read after its last step', async () => {
    const net = new Small();
    const trainer = sgd(net, 0);
    await trainer.step(batch);
    await trainer.syncParameters();
    net.fc.weight.data.fill(0);
    net.fc.bias!.data.fill(0);
    expect((await trainer.evaluate(loader)).loss).toBeCloseTo(Math.log(2), 6);
    net.fc.bias!.data[1] = Math.log(3);
    expect((await trainer.step(batch)).loss).toBeCloseTo(Math.log(4 / 3), 6);
  });

  test('keeps the optimizer state over a change of the parameters', async () => {
    const start = new Small().stateDict();
    const run = async (load: (trainer: Trainer, net: Small) => unknown) => {
      const net = new Small();
      net.loadStateDict(start);
      const trainer = makeTrainer(net);
      await trainer.step(batch);
      await load(trainer, net);
      await trainer.step(batch);
      return flat(await trainer.stateDict());
    };
    const wanted = await run((trainer) => trainer.loadStateDict(zeros));
    expect(await run((_, net) => net.loadStateDict(zeros))).toEqual(wanted);
  });

  test('is not asked silently for what it has alone', async () => {
    const net = new Small();
    const trainer = sgd(net);
    await trainer.step(batch);
    expect(() => net.stateDict()).toThrow(StaleParametersError);
    expect(() => net.stateDict()).toThrow(/fc\.weight .*await trainer\.syncParameters\(\)/);
    expect(() => net.fc.bias!.data).toThrow(StaleParametersError);
    expect(net.fc.bias!.size).toBe(2);
    await trainer.syncParameters();
    expect(flat(net.stateDict())).toEqual(flat(await trainer.stateDict()));
    await trainer.step(batch);
    net.fc.bias!.data = new Float32Array(2);
    expect(net.fc.bias!.data).toEqual(new Float32Array(2));
    expect(() => net.fc.weight.data).toThrow(StaleParametersError);
    await trainer.syncParameters();
    expect(net.fc.bias!.data).toEqual(new Float32Array(2));
    await trainer.step(batch);
    await trainer.dispose();
    expect(net.fc.weight.data.length).toBe(8);
  });

  test('goes on from what another trainer of the network learned', async () => {
    const start = new Small().stateDict();
    const copyOf = () => {
      const net = new Small();
      net.loadStateDict(start);
      return net;
    };
    const alone = sgd(copyOf());
    for (let i = 0; i < 4; i++) await alone.step(batch);
    const net = copyOf();
    const pair = [sgd(net), sgd(net)];
    for (let i = 0; i < 4; i++) await pair[i % 2]!.step(batch);
    expect(flat(await pair[0]!.stateDict())).toEqual(flat(await alone.stateDict()));
    expect(flat(await pair[1]!.stateDict())).toEqual(flat(net.stateDict()));
  });

  test('refuses a parameter whose array was moved away, and goes on with a new one', async () => {
    const net = new Small();
    const predictor = makePredictor(net);
    const { data } = net.fc.bias!;
    structuredClone(data, { transfer: [data.buffer as ArrayBuffer] });
    await expect(odds(predictor)).rejects.toMatchObject({
      code: 'ERR_NN_ARGUMENT',
      message: expect.stringContaining('fc.bias'),
    });
    const trainer = sgd(net);
    const dir = await temporaryFolder();
    for (const call of [
      trainer.step(batch),
      trainer.stateDict(),
      trainer.compile({ batchSize: 1, imageShape: [1, 2, 2], dtype: 'f32' }),
    ]) {
      await expect(call).rejects.toThrow(/the array of fc\.bias has 0 of 2 elements/);
    }
    net.fc.bias!.data = new Float32Array(2);
    expectClose(await odds(predictor), expected(net.stateDict()));
    await trainer.step(batch);
    await trainer.syncParameters();
    const later = net.fc.bias!.data;
    structuredClone(later, { transfer: [later.buffer as ArrayBuffer] });
    await expect(trainer.saveCheckpoint(dir)).rejects.toThrow(/fc\.bias has 0 of 2 elements/);
    net.loadStateDict(zeros);
    expect(await odds(predictor)).toEqual([0.5, 0.5]);
    expect((await trainer.stateDict())['fc.bias']!.data).toEqual(new Float32Array(2));
  });

  test('keeps what it learned of a layer that a later program does not use', async () => {
    class Optional extends nn.Module {
      readonly fc = new nn.Linear(4, 4);
      readonly out = new nn.Linear(4, 2);
      isWhole = true;
      override forward(x: Tensor): Tensor {
        const features = x.flatten(1);
        return this.out.forward(this.isWhole ? this.fc.forward(features) : features);
      }
    }
    const net = new Optional();
    const trainer = sgd(net);
    await trainer.step(batch);
    const wanted = await trainer.stateDict();
    const other = new Optional();
    other.loadStateDict(wanted);
    const twin = sgd(other);
    await trainer.step(batch);
    await twin.step(batch);
    const learned = await twin.stateDict();
    net.isWhole = false;
    await trainer.compile({ batchSize: 2, imageShape: [1, 2, 2], dtype: 'f32' });
    await trainer.step(batch);
    const after = await trainer.stateDict();
    expect(after['fc.weight']).toEqual(learned['fc.weight']);
    expect(after['out.weight']).not.toEqual(learned['out.weight']);

    // And a program that uses it again gets it.
    net.isWhole = true;
    await trainer.compile({ batchSize: 3, imageShape: [1, 2, 2], dtype: 'f32' });
    other.loadStateDict(after);
    expect((await trainer.evaluate(loader)).loss).toBe((await twin.evaluate(loader)).loss);
  });

  test('waits for none that waits for it: two that share layers, each ahead with one', async () => {
    class Half extends nn.Module {
      readonly out = new nn.Linear(4, 2);
      constructor(
        readonly used: nn.Linear,
        readonly unused: nn.Linear,
      ) {
        super();
      }
      override forward(x: Tensor): Tensor {
        return this.out.forward(this.used.forward(x.flatten(1)));
      }
    }
    const calls: ((trainer: Trainer, dir: string) => Promise<unknown>)[] = [
      (trainer, dir) => trainer.saveCheckpoint(dir),
      (trainer) => trainer.stateDict(),
      (trainer) => trainer.evaluate(loader),
      (trainer) => trainer.dispose(),
    ];
    const learned = async (areAtOnce: boolean) => {
      manualSeed(0);
      const layers = [new nn.Linear(4, 4), new nn.Linear(4, 4)] as const;
      const pair = [sgd(new Half(...layers)), sgd(new Half(layers[1], layers[0]))];
      const dir = await temporaryFolder();
      for (const call of calls) {
        for (const trainer of pair) await trainer.step(batch);
        if (areAtOnce) await Promise.all(pair.map((trainer) => call(trainer, dir)));
        else for (const trainer of pair) await call(trainer, dir);
      }
      return pair.map(({ net }) => flat(net.stateDict()));
    };
    expect(await learned(true)).toEqual(await learned(false));
  });

  test('writes nothing between steps', async () => {
    const [tiny] = await takeBatches(learnableLoader(16, {}, 10), 1);
    const trainer = makeTrainer(seededTiny());
    await trainer.step(tiny!);
    const write = vi.spyOn(NativeProgram.prototype, 'write');
    const read = vi.spyOn(NativeProgram.prototype, 'read');
    onTestFinished(() => {
      write.mockRestore();
      read.mockRestore();
    });
    for (let i = 0; i < 3; i++) await trainer.step(tiny!);
    expect(write).toHaveBeenCalledTimes(0);
    expect(read).toHaveBeenCalledTimes(0);
  });
});
