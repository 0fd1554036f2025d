/** Sizes that cannot be: refused with a typed error, and never by the end of the process. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  ArgumentError,
  data,
  nn,
  OutOfMemoryError,
  ops,
  Predictor,
  ShapeError,
  safetensors,
} from 'neuronode';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
// Inside views: what is left.
import { addon } from '../../dist/program/addon.js';
import { checkMemory } from '../../dist/program/memory.js';
import { temporaryFolder } from './data-support.js';
import { testDevice } from './device.js';
import { makeTrainer, packageUrl } from './trainer-support.js';

const run = promisify(execFile);

/** What code throws in a process of its own, which has to live on. */
async function thrown(code: string): Promise<{ name: string; code: string; message: string }> {
  const script = `
    import { nn, models, optim, Trainer, Predictor, ops } from ${JSON.stringify(packageUrl)};
    const compile = (net, options) => new Trainer(net, {
      loss: new nn.CrossEntropyLoss(),
      optimizer: new optim.Adam(net.parameters()),
      device: 'cpu',
    }).compile(options);
    try {
      ${code};
      console.log('{"name":"nothing"}');
    } catch ({ name, code, message }) {
      console.log(JSON.stringify({ name, code, message }));
    }`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script]);
  return JSON.parse(stdout);
}

describe('modules', () => {
  it.each<[string, () => nn.Module]>([
    ['Linear(2147483647, 2147483647)', () => new nn.Linear(2 ** 31 - 1, 2 ** 31 - 1)],
    ['Linear(67108864, 1048576)', () => new nn.Linear(2 ** 26, 2 ** 20)],
    ['Conv2d(1, 1, [1048576, 1048576])', () => new nn.Conv2d(1, 1, 2 ** 20)],
    ['Conv2d(1048576, 1048576, [3, 3])', () => new nn.Conv2d(2 ** 20, 2 ** 20, 3)],
  ])('%s does not fit into memory', (name, make) => {
    expect(make).toThrow(OutOfMemoryError);
    expect(make).toThrow(`${name}, whose weight has the shape [`);
    expect(make).toThrow(/needs \d+ MiB of memory, but \d+ MiB are available/);
  });

  it.each<[string, () => nn.Module]>([
    ['inFeatures', () => new nn.Linear(2 ** 31, 1)],
    ['outFeatures', () => new nn.Linear(1, 2 ** 53)],
    ['inChannels', () => new nn.Conv2d(2 ** 31, 1, 1)],
    ['outChannels', () => new nn.Conv2d(1, 2 ** 31, 1)],
    ['kernelSize', () => new nn.Conv2d(1, 1, 2 ** 30)],
    ['stride', () => new nn.Conv2d(1, 1, 1, { stride: 2 ** 30 })],
    ['kernelSize', () => new nn.MaxPool2d(2 ** 30)],
  ])('%s has an upper bound', (name, make) => {
    expect(make).toThrow(ArgumentError);
    expect(make).toThrow(new RegExp(`expects ${name} to be an integer from 1 to \\d+, got`));
  });

  it('a size is checked against what is left', () => {
    expect(() => checkMemory('it', 2 ** 60)).toThrow('it needs 1099511627776 MiB of memory, but');
    checkMemory('it', 2 ** 25);
  });
});

describe('where little memory is left', () => {
  const few = 2 ** 20;
  const tight = { code: 'ERR_NN_OUT_OF_MEMORY', message: expect.stringContaining('1 MiB are') };

  it('copies of parameters and images are refused', async () => {
    const net = new nn.Sequential(new nn.Flatten(), new nn.Linear(2 ** 21, 2));
    const dict = net.stateDict();
    const trainer = makeTrainer(net);
    const available = vi.spyOn(addon(), 'availableMemory').mockReturnValue(few);
    onTestFinished(() => available.mockRestore());
    await expect(trainer.stateDict()).rejects.toMatchObject(tight);
    await expect(net.loadStateDictAsync(dict)).rejects.toMatchObject(tight);
    const images = new Uint8Array(2 ** 25);
    const options = {
      images,
      imageShape: [1, 2 ** 10, 2 ** 10],
      labels: new Uint8Array(32),
    } as const;
    expect(() => new data.TensorDataset(options)).toThrowError(expect.objectContaining(tight));
    const path = join(await temporaryFolder(), 'x.safetensors');
    await safetensors.save(path, { x: { data: images, shape: [2 ** 25] } });
    await expect(safetensors.load(path)).rejects.toMatchObject(tight);
  });

  it("outputs of a prediction's images are refused as a whole", async () => {
    const predictor = new Predictor(new nn.Upsample({ size: 512 }), { device: testDevice });
    onTestFinished(() => predictor.dispose());
    const images = (n: number) => ({ image: new Uint8Array(n * 4), imageShape: [n, 1, 2, 2] });
    expect((await predictor.outputs(images(1))).shape).toEqual([1, 1, 512, 512]);
    const available = vi.spyOn(addon(), 'availableMemory').mockReturnValue(few);
    onTestFinished(() => available.mockRestore());
    const call = predictor.outputs(images(20));
    await expect(call).rejects.toMatchObject(tight);
    await expect(call).rejects.toThrow('Predictor.outputs: an output of shape [20, 1, 512, 512]');
  });
});

describe('images and batches', () => {
  const net = () => new nn.Sequential(new nn.Flatten(), new nn.Linear(4, 2));

  it.each([2 ** 31, 2 ** 53])('batchSize %d', async (batchSize) => {
    const trainer = makeTrainer(net());
    const text = /batchSize to be an integer from 1 to 2147483647, got/;
    await expect(trainer.compile({ batchSize, imageShape: [1, 2, 2] })).rejects.toThrow(text);
    expect(() => new Predictor(net(), { batchSize })).toThrow(text);
    const dataset = new data.TensorDataset({
      images: new Uint8Array(4),
      imageShape: [1, 2, 2],
      labels: [0],
    });
    expect(() => new data.DataLoader(dataset, { batchSize })).toThrow(text);
    const loader = {
      length: 1,
      batchSize,
      async *[Symbol.asyncIterator]() {
        yield { image: new Uint8Array(4), imageShape: [1, 2, 2], label: new Int32Array(1) };
      },
    };
    const ofLoader =
      /^Trainer\.\w+ expects batchSize of (the training )?loader to be an integer from 1 to/;
    await expect(trainer.fit(loader, { epochs: 1, log: false })).rejects.toThrow(ofLoader);
    await expect(trainer.evaluate(loader)).rejects.toThrow(ofLoader);
  });

  it.each([
    [[2 ** 31, 28, 28]],
    [[1, 2 ** 31, 28]],
    [[1, 28, 2 ** 31]],
    [[2 ** 53 - 1, 1, 1]],
    [[1, 1, 2 ** 53 - 1]],
  ])('images of %j', async (imageShape) => {
    const options = `{ batchSize: 1, imageShape: ${JSON.stringify(imageShape)} }`;
    const error = await thrown(`await compile(models.lenet(), ${options})`);
    expect(error).toMatchObject({ name: 'ShapeError', code: 'ERR_NN_SHAPE' });
    expect(error.message).toContain('Trainer.compile expects images of at most 65536 channels');
  });

  it('images whose layers fit into no memory, by the name of the operation', async () => {
    const code = (side: number) =>
      `await compile(new nn.Sequential(new nn.Conv2d(1, 8, 1), new nn.AdaptiveAvgPool2d(1),
        new nn.Flatten(), new nn.Linear(8, 2)), { batchSize: 1, imageShape: [1, ${side}, ${side}] })`;
    const beyond = await thrown(code(2 ** 20));
    expect(beyond).toMatchObject({ name: 'OutOfMemoryError', code: 'ERR_NN_OUT_OF_MEMORY' });
    expect(beyond.message).toContain('of shape [1, 8, 1048576, 1048576] is larger than any memory');
    const large = await thrown(code(2 ** 18));
    expect(large).toMatchObject({ name: 'OutOfMemoryError', code: 'ERR_NN_OUT_OF_MEMORY' });
    expect(large.message).toMatch(
      /^(input 'image'|toFloat: output|0: conv2d: output) \[1, \d, 262144, 262144\] needs \d+ MiB/,
    );
  });

  it('windows', async () => {
    const x = { data: new Float32Array(4), shape: [1, 1, 2, 2] };
    await expect(ops.adaptiveAvgPool2d(x, 2 ** 31)).rejects.toThrow(ShapeError);
    await expect(ops.adaptiveAvgPool2d(x, 2 ** 30)).rejects.toThrow(OutOfMemoryError);
  });
});
