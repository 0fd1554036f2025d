/**
 * Initial values that are drawn in the background are those that are drawn at once, in whatever order
 * they are read, and whatever happens meanwhile.
 */
import { execFileSync } from 'node:child_process';
import { Worker } from 'node:worker_threads';
import {
  manualSeed,
  models,
  nn,
  optim,
  Predictor,
  safetensors,
  type Tensor,
  Trainer,
} from 'neuronode';
import { describe, expect, onTestFinished, test } from 'vitest';
import { addon } from '../../dist/program/addon.js';
import { hostValuesOf } from '../../dist/program/module-tensor.js';
import { BackgroundGenerator, worthHandingOver } from '../../dist/random/generator.js';
import { Mt19937 } from '../../dist/random/index.js';
import { temporaryFolder } from './data-support.js';

const url = new URL('../../dist/index.js', import.meta.url).href;

/** Sizes of linear layers: what is handed over, and what is not, before and after. */
const sizes = [
  [3, 2],
  [300, 400],
  [5, 7],
  [257, 256],
  [1, 1],
] as const;

/** What PyTorch's formulas give for the layers, drawn at once by the reference generator. */
function expected(seed: number): Float32Array[] {
  const generator = new Mt19937(seed);
  return sizes.flatMap(([inputs, outputs]) => {
    const bound = 1 / Math.sqrt(inputs);
    const gain = Math.sqrt(2 / (1 + Math.sqrt(5) ** 2));
    const weight = new Float32Array(inputs * outputs);
    const range = Math.sqrt(3) * (gain / Math.sqrt(inputs));
    generator.fillUniform(weight, -range, range);
    const bias = new Float32Array(outputs);
    generator.fillUniform(bias, -bound, bound);
    return [weight, bias];
  });
}

function layers(seed: number): nn.Parameter[] {
  manualSeed(seed);
  return sizes.flatMap(([inputs, outputs]) => [...new nn.Linear(inputs, outputs).parameters()]);
}

function expectValues(parameters: readonly nn.Parameter[], values: readonly Float32Array[]): void {
  expect(parameters.length).toBe(values.length);
  for (const [i, { data }] of parameters.entries()) {
    expect(Buffer.compare(Buffer.from(data.buffer), Buffer.from(values[i]!.buffer))).toBe(0);
  }
}

const settled = (parameters: readonly nn.Parameter[]) =>
  Promise.all(parameters.map((each) => hostValuesOf(each).ready()));

describe('initial values', () => {
  test('of large layers are not there yet when the layer is made', () => {
    const filling = layers(0).map((each) => hostValuesOf(each).isFilling);
    // The weights are of 6, 120,000, 35, 65,792 and 1 elements: from the first large one on.
    expect(filling).toEqual([false, false, ...Array(8).fill(true)]);
    expect(worthHandingOver).toBe(65536);
  });

  test('are the same where they are read at once', () => {
    expectValues(layers(1), expected(1));
  });

  test('are the same from the last to the first', () => {
    expectValues(layers(2).reverse(), expected(2).reverse());
  });

  test('are the same where they are waited for', async () => {
    const parameters = layers(3);
    await settled(parameters);
    expect(parameters.some((each) => hostValuesOf(each).isFilling)).toBe(false);
    expectValues(parameters, expected(3));
  });

  test('are the same where some are read, and the rest waited for', async () => {
    const parameters = layers(4);
    const values = expected(4);
    expectValues(parameters.slice(4, 5), values.slice(4, 5));
    await settled(parameters);
    expectValues(parameters, values);
  });

  test('are the same after another seed, and of several generators', () => {
    const [first, second, third] = [layers(5), layers(6), layers(5)];
    expectValues(second, expected(6));
    expectValues(third, expected(5));
    expectValues(first, expected(5));
  });

  test('do not come over what was put in their place', async () => {
    const parameters = layers(7);
    const values = expected(7);
    parameters[2]!.data.fill(0);
    parameters[6]!.data = new Float32Array(parameters[6]!.size);
    await settled(parameters);
    for (const at of [2, 6]) expect(parameters[at]!.data.every((value) => value === 0)).toBe(true);
    const rest = [0, 1, 3, 4, 5, 7, 8, 9];
    expectValues(
      rest.map((at) => parameters[at]!),
      rest.map((at) => values[at]!),
    );
  });

  test('do not come over what was loaded', async () => {
    const net = new nn.Linear(300, 400);
    const zeros = { data: new Float32Array(120000), shape: [400, 300] };
    const bias = { data: new Float32Array(400), shape: [400] };
    net.loadStateDict({ weight: zeros, bias });
    const other = new nn.Linear(300, 400);
    await Promise.all([settled([...net.parameters()]), settled([...other.parameters()])]);
    for (const { data } of net.parameters()) expect(data.every((value) => value === 0)).toBe(true);
  });

  test('of layers that nobody has any more count too', () => {
    manualSeed(8);
    for (const [inputs, outputs] of sizes.slice(0, 4)) new nn.Linear(inputs, outputs);
    expectValues([...new nn.Linear(1, 1).parameters()], expected(8).slice(8));
  });

  test('are what a trainer and a predictor begin with', async () => {
    class Net extends nn.Module {
      readonly fc = new nn.Linear(784, 100);
      override forward(image: Tensor): Tensor {
        return this.fc.forward(image.flatten(1));
      }
    }
    manualSeed(9);
    const net = new Net();
    expect(hostValuesOf(net.fc.weight).isFilling).toBe(true);
    const trainer = new Trainer(net, {
      loss: new nn.CrossEntropyLoss(),
      optimizer: new optim.SGD(net.parameters(), { lr: 0.1 }),
      device: 'cpu',
    });
    onTestFinished(() => trainer.dispose());
    await trainer.compile({ imageShape: [1, 28, 28], batchSize: 1 });
    const weights = await trainer.stateDict();
    expect(hostValuesOf(net.fc.weight).isShared).toBe(false);
    manualSeed(9);
    const same = new Net();
    const predictor = new Predictor(same, { device: 'cpu', softmax: false });
    onTestFinished(() => predictor.dispose());
    const image = new Float32Array(784);
    image[5] = 1;
    const { probabilities } = await predictor.predict({ image, imageShape: [1, 1, 28, 28] });
    const generator = new Mt19937(9);
    const weight = new Float32Array(78400);
    generator.fillUniform(weight, -1 / 28, 1 / 28);
    const bias = new Float32Array(100);
    generator.fillUniform(bias, -1 / 28, 1 / 28);
    expect(weights['fc.weight']!.data).toEqual(weight);
    for (const [i, value] of probabilities.entries()) {
      expect(value).toBeCloseTo(weight[i * 784 + 5]! + bias[i]!, 6);
    }
    const path = `${await temporaryFolder()}/net.safetensors`;
    manualSeed(9);
    await safetensors.save(path, new Net().stateDict());
    expect((await safetensors.load(path))['fc.weight']!.data).toEqual(weight);
  });
});

describe('the generator', () => {
  test('gives the same numbers in the background and at once, whatever the pieces', async () => {
    const lengths = [1, 70000, 623, 624, 0, 3, 65536, 65535, 625];
    const [background, local] = [new BackgroundGenerator(11), new Mt19937(11)];
    const arrays = lengths.map((length) => {
      const array = new Float32Array(length);
      return { array, filling: background.fill(array, { kind: 'uniform', from: -0.3, to: 0.7 }) };
    });
    for (const { array, filling } of arrays) {
      await filling?.done;
      const wanted = new Float32Array(array.length);
      local.fillUniform(wanted, -0.3, 0.7);
      expect(array.every((value, i) => value === wanted[i])).toBe(true);
    }
  });

  test('of native code refuses what would not be safe', () => {
    const { Generator } = addon();
    const words = new Int32Array(624);
    for (const [state, next] of [
      [new Int32Array(623), 0],
      [new Float32Array(624), 0],
      [words, 625],
      [words, -1],
      [words, Number.NaN],
    ] as const) {
      expect(() => new Generator(state as Int32Array, next, Number.NaN)).toThrow(
        /624 words|finite/,
      );
    }
    const generator = new Generator(words, 0, Number.NaN);
    expect(() => generator.fillUniform([] as never, 0, 1)).toThrow('Float32Array');
    expect(() => generator.fillUniform(new Float32Array(1), 0, Infinity)).toThrow('finite');
    expect(() => generator.fillNormal(new Float32Array(1), Number.NaN, 1)).toThrow('finite');
    expect(() => generator.finish(1)).toThrow('only what was asked for');
  });
});

test('memory that was promised to values on their way is not promised twice', async () => {
  const before = addon().availableMemory();
  const layer = new nn.Linear(8192, 8192);
  const bytes = 8192 * 8192 * 4;
  // Either it is still reserved, or it is taken.
  expect(addon().availableMemory()).toBeLessThan(before - bytes / 2);
  await settled([...layer.parameters()]);
});

test('a worker thread has a generator of its own, and may end while values are drawn', async () => {
  const script = `
    const { parentPort, workerData } = require('node:worker_threads');
    import('${url}').then(({ manualSeed, nn }) => {
      manualSeed(12);
      const layer = new nn.Linear(300, 400);
      if (workerData.read) parentPort.postMessage(layer.weight.data);
      else { new nn.Linear(4096, 4096); parentPort.postMessage('made'); }
    });`;
  const answer = (read: boolean) =>
    new Promise<unknown>((resolve, reject) => {
      const worker = new Worker(script, { eval: true, workerData: { read } });
      worker.once('message', (message) => {
        worker.terminate().then(() => resolve(message), reject);
      });
      worker.once('error', reject);
    });
  const [values, made, again] = await Promise.all([answer(true), answer(false), answer(true)]);
  manualSeed(12);
  const { data } = new nn.Linear(300, 400).weight;
  expect(values).toEqual(data);
  expect(made).toBe('made');
  expect(again).toEqual(data);
});

test.each([
  ['comes to its end', ''],
  ['exits', 'process.exit(0);'],
])('a process that %s while values are drawn ends well', (_, end) => {
  const script = `import { models } from '${url}'; models.alexnet(); console.log('made'); ${end}`;
  const options = { encoding: 'utf8' } as const;
  const said = execFileSync(process.execPath, ['--input-type=module', '-e', script], options);
  expect(said).toBe('made\n');
});

test('modules work where the addon cannot be loaded, with the same values', () => {
  const script = `
    import { manualSeed, nn } from '${url}';
    import { createHash } from 'node:crypto';
    manualSeed(13);
    const layer = new nn.Linear(300, 400);
    console.log(createHash('sha256').update(layer.weight.data).update(layer.bias.data).digest('hex'));`;
  const hash = (more: Record<string, string>) =>
    execFileSync(process.execPath, ['--input-type=module', '-e', script], {
      encoding: 'utf8',
      env: { ...process.env, ...more },
    });
  expect(hash({ NEURONODE_ADDON: '/nowhere/neuronode.node' })).toBe(hash({}));
});

test('AlexNet is made without a number of its large layers', () => {
  const net = models.alexnet();
  const large = [...net.parameters()].filter(({ size }) => size >= worthHandingOver);
  expect(large.length).toBe(6);
  for (const parameter of large) expect(hostValuesOf(parameter).isFilling).toBe(true);
});
