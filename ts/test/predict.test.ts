/** Prediction: consistent with evaluation, any batch size, misuse. */
import {
  ArgumentError,
  DeviceError,
  DisposedError,
  DTypeError,
  manualSeed,
  nn,
  ops,
  Predictor,
  type PredictorOptions,
  ShapeError,
  type Tensor,
} from 'neuronode';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { CompiledGraph } from '../../dist/program/compiled.js';
// Inside views: what is compiled, and what is written.
import { NativeProgram } from '../../dist/program/native.js';
import { testDevice } from './device.js';
import {
  firstRows,
  learnableLoader,
  makeTrainer,
  seededTiny,
  takeBatches,
} from './trainer-support.js';

function makePredictor(net: nn.Module, options: PredictorOptions = {}): Predictor {
  const predictor = new Predictor(net, { device: testDevice, ...options });
  onTestFinished(() => predictor.dispose());
  return predictor;
}

const all = { batchSize: 50, shuffle: false };

describe('predict', () => {
  test('agrees with evaluate, without dropout', async () => {
    const net = seededTiny();
    const trainer = makeTrainer(net);
    await trainer.fit(learnableLoader(160, {}, 10), { epochs: 3, log: false });
    const { accuracy, loss } = await trainer.evaluate(learnableLoader(50, all, 10));
    const [batch] = await takeBatches(learnableLoader(50, all, 10), 1);
    const { classes, probabilities, shape } = await makePredictor(net).predict(batch!);
    expect(shape).toEqual([50, 10]);
    const labels = [...batch!.label];
    const right = labels.filter((label, row) => classes[row] === label).length;
    expect(right / 50).toBe(accuracy);
    const logs = labels.map((label, row) => -Math.log(probabilities[row * 10 + label]!));
    expect(logs.reduce((sum, log) => sum + log, 0) / 50).toBeCloseTo(loss, 4);
    expect(accuracy).toBeGreaterThan(0.3);
  });

  test('splits large batches and pads small ones', async () => {
    const net = seededTiny();
    const [batch] = await takeBatches(learnableLoader(50, all, 10), 1);
    const whole = await makePredictor(net, { batchSize: 50 }).predict(batch!);
    for (const batchSize of [1, 16, 64]) {
      const { classes, probabilities, shape } = await makePredictor(net, { batchSize }).predict(
        batch!,
      );
      expect(shape).toEqual([50, 10]);
      expect(classes).toEqual(whole.classes);
      const apart = probabilities.map((value, i) => Math.abs(value - whole.probabilities[i]!));
      expect(Math.max(...apart)).toBeLessThan(1e-6);
    }
    for (let row = 0; row < 50; row++) {
      const one = whole.probabilities.subarray(row * 10, row * 10 + 10);
      expect(one.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 5);
      expect(one.indexOf(Math.max(...one))).toBe(whole.classes[row]);
    }
  });

  test('gives the logits without softmax', async () => {
    const [batch] = await takeBatches(learnableLoader(50, all, 10), 1);
    const net = seededTiny();
    const { probabilities } = await makePredictor(net).predict(batch!);
    const raw = await makePredictor(net, { softmax: false }).predict(batch!);
    const exps = Array.from(raw.probabilities.subarray(0, 10), Math.exp);
    const total = exps.reduce((sum, value) => sum + value, 0);
    exps.forEach((value, c) => {
      expect(value / total).toBeCloseTo(probabilities[c]!, 6);
    });
  });

  test('may be called again before an earlier call is done', async () => {
    const [batch] = await takeBatches(learnableLoader(50, all, 10), 1);
    const predictor = makePredictor(seededTiny(), { batchSize: 8 });
    const wanted = await makePredictor(seededTiny(), { batchSize: 8 }).predict(batch!);
    const other = { image: new Uint8Array(100), imageShape: [1, 1, 10, 10] };
    const calls = [predictor.predict(batch!), predictor.predict(other), predictor.predict(batch!)];
    const [first, , second] = await Promise.all(calls);
    expect([first, second]).toEqual([wanted, wanted]);
  });

  test('has at most two parts of a large batch on the device at a time', async () => {
    const [batch] = await takeBatches(learnableLoader(50, all, 10), 1);
    let running = 0;
    let most = 0;
    const run = vi.spyOn(NativeProgram.prototype, 'run');
    onTestFinished(() => run.mockRestore());
    run.mockImplementation(async function (this: NativeProgram, inputs) {
      running += 1;
      most = Math.max(most, running);
      const outputs = await this.raw.run(inputs);
      running -= 1;
      return outputs;
    });
    const { shape } = await makePredictor(seededTiny(), { batchSize: 4 }).predict(batch!);
    expect(shape).toEqual([50, 10]);
    expect(run).toHaveBeenCalledTimes(13);
    expect(most).toBe(2);
  });

  test('computes few images with a program for few, and shares the parameters', async () => {
    const sizes: unknown[] = [];
    const run = vi.spyOn(CompiledGraph.prototype, 'run');
    const write = vi.spyOn(NativeProgram.prototype, 'write');
    onTestFinished(() => {
      run.mockRestore();
      write.mockRestore();
    });
    const [batch] = await takeBatches(learnableLoader(50, all, 10), 1);
    const net = seededTiny();
    const predictor = makePredictor(net);
    for (const rows of [1, 2, 4, 8, 9, 24, 25, 50]) {
      await predictor.predict(firstRows(batch!, rows));
      sizes.push(run.mock.contexts.splice(0).map((graph) => (graph as CompiledGraph).batchSize));
    }
    expect(sizes).toEqual([[1], [1, 1], [8], [8], [8, 1], [8, 8, 8], [64], [64]]);
    expect(write).toHaveBeenCalledTimes([...net.parameters()].length);
  });

  test('gives the outputs of a convolution, in parts and padded', async () => {
    manualSeed(0);
    const net = new nn.Conv2d(1, 3, 3);
    const [batch] = await takeBatches(learnableLoader(21, all, 10), 1);
    const { image, imageShape } = batch!;
    // What the single operation gives for all images at once.
    const input = { data: Float32Array.from(image, (byte) => byte / 255), shape: imageShape };
    const weight = { data: net.weight.data, shape: net.weight.shape };
    const bias = { data: net.bias!.data, shape: net.bias!.shape };
    const wanted = await ops.conv2d(input, weight, bias);
    expect(wanted.shape).toEqual([21, 3, 8, 8]);
    for (const options of [{ batchSize: 4 }, { softmax: false }]) {
      const { data, shape } = await makePredictor(net, options).outputs({ image, imageShape });
      expect(shape).toEqual(wanted.shape);
      const apart = data.map((value, i) => Math.abs(value - wanted.data[i]!));
      expect(Math.max(...apart)).toBeLessThan(1e-5);
    }
  });

  test('gives the logits beside probabilities, and one number for each image', async () => {
    const [batch] = await takeBatches(learnableLoader(50, all, 10), 1);
    const net = seededTiny();
    const predictor = makePredictor(net);
    const logits = await makePredictor(net, { softmax: false }).predict(batch!);
    const { data, shape } = await predictor.outputs(batch!);
    expect({ data, shape }).toEqual({ data: logits.probabilities, shape: [50, 10] });
    expect((await predictor.predict(batch!)).classes).toEqual(logits.classes);
    class Mean extends nn.Module {
      override forward(image: Tensor): Tensor {
        return image.mean([1, 2, 3]);
      }
    }
    const means = await makePredictor(new Mean()).outputs(batch!);
    expect(means.shape).toEqual([50]);
    const first = batch!.image.subarray(0, 100);
    expect(means.data[0]).toBeCloseTo([...first].reduce((sum, byte) => sum + byte) / 25500, 5);
  });

  test('leaves the mode of the network alone', async () => {
    const net = seededTiny().train();
    const [batch] = await takeBatches(learnableLoader(16, {}, 10), 1);
    await makePredictor(net).predict(batch!);
    expect(net.drop.training).toBe(true);
  });
});

describe('misuse', () => {
  test('of the constructor', () => {
    const net = seededTiny();
    expect(() => new Predictor({} as nn.Module)).toThrow(ArgumentError);
    expect(() => new Predictor(net, { batchSize: 0 })).toThrow(/batchSize/);
    expect(() => new Predictor(net, { softMax: true } as object)).toThrow(/no option 'softMax'/);
    expect(() => new Predictor(net, { device: 'tpu' })).toThrow(ArgumentError);
    expect(() => new Predictor(net, { device: 'cuda:99' })).toThrow(DeviceError);
  });

  test('of the images', async () => {
    const predictor = makePredictor(seededTiny());
    const image = new Uint8Array(100);
    const imageShape = [1, 1, 10, 10];
    await predictor.predict({ image, imageShape });
    const bad: [object, abstract new (...args: never[]) => Error][] = [
      [{ image: [1], imageShape }, DTypeError],
      [{ image, imageShape: [1, 10, 10] }, ShapeError],
      [{ image: new Uint8Array(0), imageShape: [0, 1, 10, 10] }, ArgumentError],
      [{ image, imageShape: [1, 1, 20, 5] }, ShapeError],
      [{ image: new Float32Array(100), imageShape }, ShapeError],
    ];
    for (const [images, type] of bad) {
      const call = predictor.predict(images as Parameters<Predictor['predict']>[0]);
      await expect(call).rejects.toBeInstanceOf(type);
    }
    expect((await predictor.predict({ image, imageShape })).shape).toEqual([1, 10]);
  });

  test('images that are moved away while they are read', async () => {
    const predictor = makePredictor(seededTiny(), { batchSize: 1 });
    const image = new Uint8Array(400);
    const call = predictor.predict({ image, imageShape: [4, 1, 10, 10] });
    structuredClone(image, { transfer: [image.buffer] });
    await expect(call).rejects.toBeInstanceOf(ArgumentError);
    await expect(call).rejects.toThrow(/Predictor\.predict: image was transferred or resized/);
  });

  test('an image that the network does not take leaves the predictor usable', async () => {
    const predictor = makePredictor(seededTiny());
    const wrong = { image: new Uint8Array(400), imageShape: [1, 1, 20, 20] };
    await expect(predictor.predict(wrong)).rejects.toThrow(/^fc: Linear expects/);
    const right = { image: new Uint8Array(100), imageShape: [1, 1, 10, 10] };
    expect((await predictor.predict(right)).shape).toEqual([1, 10]);
  });

  test('messages show the images that came, not the padding', async () => {
    const predictor = makePredictor(seededTiny());
    for (const n of [1, 5, 50]) {
      const images = { image: new Uint8Array(n * 300), imageShape: [n, 3, 10, 10] };
      await expect(predictor.predict(images)).rejects.toThrow(`[${n}, 3, 10, 10]`);
    }
    const images = { image: new Uint8Array(300), imageShape: [1, 3, 10, 10] };
    const loader = {
      length: 1,
      batchSize: 16,
      async *[Symbol.asyncIterator]() {
        yield { ...images, label: new Int32Array(1) };
      },
    };
    const trainer = makeTrainer(seededTiny());
    const shown = /\[1, 3, 10, 10\]/;
    await expect(trainer.fit(loader, { epochs: 1, log: false })).rejects.toThrow(shown);
    await expect(trainer.evaluate(loader)).rejects.toThrow(shown);
  });

  test.each([true, false])(
    'a network that does not return [N, classes], softmax: %s',
    async (softmax) => {
      const predictor = makePredictor(new nn.Conv2d(1, 3, 3), { softmax });
      for (const n of [1, 5]) {
        const call = predictor.predict({
          image: new Uint8Array(n * 100),
          imageShape: [n, 1, 10, 10],
        });
        await expect(call).rejects.toBeInstanceOf(ShapeError);
        await expect(call).rejects.toThrow(
          `Predictor.predict expects the network to return [N, classes], got [${n}, 3, 8, 8]`,
        );
      }
    },
  );

  test('a network that does not return a row for each image', async () => {
    class Flat extends nn.Module {
      override forward(image: Tensor): Tensor {
        return image.reshape(-1, 10);
      }
    }
    class Total extends nn.Module {
      override forward(image: Tensor): Tensor {
        return image.sum();
      }
    }
    const images = { image: new Uint8Array(500), imageShape: [5, 1, 10, 10] };
    for (const [net, shape] of [
      [new Flat(), '[50, 10]'],
      [new Total(), '[]'],
    ] as const) {
      const predictor = makePredictor(net);
      for (const call of [predictor.predict(images), predictor.outputs(images)]) {
        await expect(call).rejects.toBeInstanceOf(ShapeError);
        await expect(call).rejects.toThrow(
          `Predictor expects the network to return [N, ...] for 5 images, got ${shape}`,
        );
      }
    }
  });

  test('after dispose, which is idempotent', async () => {
    const predictor = makePredictor(seededTiny());
    const images = { image: new Uint8Array(100), imageShape: [1, 1, 10, 10] };
    const refused = expect(predictor.predict(images)).rejects.toBeInstanceOf(DisposedError);
    await predictor.dispose();
    await refused;
    await predictor.dispose();
    await expect(predictor.predict(images)).rejects.toBeInstanceOf(DisposedError);
  });
});
