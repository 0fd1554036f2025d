/** Devices: their names, what is told of them, why they are missing, and what the CPU refuses. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  ArgumentError,
  chooseDevice,
  devices,
  getNumThreads,
  nn,
  ops,
  optim,
  Predictor,
  Trainer,
} from 'neuronode';
import { describe, expect, test } from 'vitest';
import type { GraphSpec } from '../../dist/graph/spec.js';
import { type CompileOptions, compile } from '../../dist/program/native.js';
import { temporaryFolder } from './data-support.js';
import { seededTiny, startScript } from './trainer-support.js';

/** What a process says of devices whose NVIDIA backend is this file. */
async function told(library: string, script: string): Promise<unknown> {
  const child = startScript(script, { NEURONODE_CUDA_LIBRARY: library });
  const { status, stdout, stderr } = await child.ended;
  expect([status, stderr]).toEqual([0, '']);
  return JSON.parse(stdout);
}

const tellAll = `
  import { chooseDevice, devices, missingDevices } from 'neuronode';
  const attempt = (device) => {
    try {
      return chooseDevice(device);
    } catch ({ name, code, message }) {
      return { error: name, code, message };
    }
  };
  console.log(JSON.stringify({
    names: devices().map(({ name }) => name),
    missing: missingDevices(),
    auto: attempt('auto'),
    cpu: attempt('cpu'),
    cuda: attempt('cuda'),
    third: attempt('cuda:2'),
  }));`;

describe('the CPU', () => {
  test('is a device with a name of its own', () => {
    const [cpu] = devices();
    expect(cpu).toMatchObject({ type: 'cpu', name: 'cpu', threads: getNumThreads() });
    expect(cpu).toMatchObject({ isa: expect.stringMatching(/^(baseline|avx2|avx512)$/) });
    expect(cpu?.model).not.toBe('');
    expect(cpu?.availableMemory).toBeGreaterThan(2 ** 20);
    expect(cpu).not.toHaveProperty('emulated');
    expect(chooseDevice('cpu')).toEqual({ name: 'cpu' });
  });

  const net = seededTiny();
  const graph = {} as GraphSpec;
  const loss = new nn.CrossEntropyLoss();
  const x = { data: new Float32Array(2), shape: [2] };
  const callers: [string, (options: object) => unknown][] = [
    [
      'Trainer',
      (o) => new Trainer(net, { loss, optimizer: new optim.Adam(net.parameters()), ...o }),
    ],
    ['Predictor', (o) => new Predictor(net, o)],
    ['relu', (o) => ops.relu(x, o)],
    ['compile', (o) => compile(graph, o as CompileOptions)],
  ];
  const settings: [object, RegExp][] = [
    [{ device: 'cpu', precision: 'bf16' }, /precision to be 'f32' on the CPU, got 'bf16'/],
    [{ device: 'cpu', precision: 'tf32' }, /precision to be 'f32' on the CPU, got 'tf32'/],
    [{ device: 'cpu', precision: 'f16' }, /one of 'f32', 'tf32', 'bf16', got 'f16'/],
    [{ device: 'cpu', deterministic: 1 }, /deterministic to be true or false, got 1/],
    [{ device: 'cpu', algorithm: 'fft' }, /algorithm to be one of .* got 'fft'/],
    [{ device: 'cpu', pooling: 'cudnn' }, /pooling to be one of 'own', 'library', got 'cudnn'/],
    [{ device: 'cpu', autotune: 'yes' }, /autotune to be true or false, got 'yes'/],
    [{ device: 'gpu' }, /'cuda' or 'cuda:N', got 'gpu'/],
    [{ device: 'cuda:-1' }, /'cuda' or 'cuda:N', got 'cuda:-1'/],
    [{ device: 'cuda:' }, /'cuda' or 'cuda:N', got 'cuda:'/],
    [{ device: 0 }, /'cuda' or 'cuda:N', got 0\.$/],
  ];
  const cases = callers.flatMap(([who, call]) =>
    settings.map(([options, message]) => [who, options, message, call] as const),
  );
  test.each(cases)('%s refuses %o before any work', async (_who, options, message, call) => {
    const error = await new Promise((resolve) => resolve(call(options))).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ArgumentError);
    expect((error as Error).message).toMatch(message);
  });
});

test('every caller takes the options of targets', async () => {
  const all = {
    device: 'cpu',
    algorithm: 'direct',
    precision: 'f32',
    deterministic: true,
    autotune: false,
    pooling: 'library',
  } as const;
  const net = seededTiny();
  const optimizer = new optim.Adam(net.parameters());
  const image = { image: new Uint8Array(100), imageShape: [1, 1, 10, 10] };
  await using predictor = new Predictor(net, all);
  const { classes } = await predictor.predict(image);
  await using trainer = new Trainer(net, { loss: new nn.CrossEntropyLoss(), optimizer, ...all });
  await trainer.step({ ...image, label: classes });
  const { data } = await ops.relu({ data: Float32Array.of(-1, 2), shape: [2] }, all);
  expect([...data]).toEqual([0, 2]);
});

describe('without the NVIDIA backend', () => {
  test('auto is the CPU and says why; cuda is an error with the same reason', async () => {
    const library = join(await temporaryFolder(), 'none.so');
    const missing = { name: 'cuda', code: 'ERR_NN_DEVICE_UNAVAILABLE' };
    const result = await told(library, tellAll);
    expect(result).toMatchObject({
      names: ['cpu'],
      missing: [missing],
      cpu: { name: 'cpu' },
      auto: { name: 'cpu', reason: expect.stringContaining(library) },
      cuda: {
        error: 'DeviceError',
        code: 'ERR_NN_DEVICE_UNAVAILABLE',
        message: expect.stringMatching(/^Device 'cuda:0' is not available: .*none\.so.*'auto'/),
      },
      third: { code: 'ERR_NN_DEVICE_UNAVAILABLE', message: expect.stringContaining("'cuda:2'") },
    });
  });

  test('a file that is no library is told as such', async () => {
    const library = join(await temporaryFolder(), 'text.so');
    await writeFile(library, 'no library');
    expect(await told(library, tellAll)).toMatchObject({
      names: ['cpu'],
      auto: { name: 'cpu', reason: expect.stringContaining('text.so') },
      cuda: { error: 'DeviceError', code: 'ERR_NN_LIBRARY_MISSING' },
    });
  });

  test('auto with a precision of GPUs is an error, not a training in f32', async () => {
    const library = join(await temporaryFolder(), 'none.so');
    const { code, message } = (await told(
      library,
      `
      import { models, Predictor } from 'neuronode';
      try {
        new Predictor(models.lenet(), { precision: 'bf16' });
      } catch ({ code, message }) {
        console.log(JSON.stringify({ code, message }));
      }`,
    )) as Record<string, string>;
    expect(code).toBe('ERR_NN_ARGUMENT');
    expect(message).toMatch(/'f32' on the CPU, got 'bf16'.*'auto' chose since .*none\.so/);
  });
});
