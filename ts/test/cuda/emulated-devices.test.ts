/**
 * Several emulated GPUs, none, too little memory, and GPUs that fail, each in a process of its own:
 * what is told, and that the other devices go on.
 */
import { describe, expect, test } from 'vitest';
import { startScript } from '../trainer-support.js';

interface Result {
  readonly error?: { readonly name: string; readonly code: string; readonly message: string };
  readonly [name: string]: unknown;
}

/** Helpers of the scripts: a small trainer on a device, and what an attempt came to. */
const prelude = `
  import * as neuronode from 'neuronode';
  const { chooseDevice, devices, manualSeed, missingDevices, models, nn, optim, ops, Predictor, Trainer } = neuronode;
  neuronode.setNumThreads(1);
  const image = Uint8Array.from({ length: 8 * 784 }, (_, i) => (i * 7919) >> 5);
  const label = Int32Array.from({ length: 8 }, (_, i) => i % 10);
  const batch = { image, imageShape: [8, 1, 28, 28], label };
  const trainerOn = (device, options = {}) => {
    manualSeed(0);
    const net = models.lenet();
    const loss = new nn.CrossEntropyLoss();
    const optimizer = new optim.Adam(net.parameters(), { lr: 0.01 });
    return new Trainer(net, { loss, optimizer, device, algorithm: 'direct', seed: 1, ...options });
  };
  const withTrainer = async (device, body) => {
    const trainer = trainerOn(device);
    try {
      return await body(trainer);
    } finally {
      await trainer.dispose();
    }
  };
  const lossesOn = (device, steps = 3) =>
    withTrainer(device, async (trainer) => {
      const losses = [];
      for (let i = 0; i < steps; i++) losses.push((await trainer.step(batch)).loss);
      return losses;
    });
  const told = ({ name, code, message }) => ({ name, code, message });
  const attempt = async (body) => {
    try {
      return { value: await body() };
    } catch (error) {
      return { error: told(error) };
    }
  };
  const result = {};
`;

async function run(body: string, env: NodeJS.ProcessEnv = {}): Promise<Record<string, Result>> {
  const child = startScript(`${prelude}\n${body}\nconsole.log(JSON.stringify(result));`, env);
  const { status, signal, stdout, stderr } = await child.ended;
  expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' });
  return JSON.parse(stdout) as Record<string, Result>;
}

function expectClose(found: unknown, wanted: unknown): void {
  const [a, b] = [found as number[], wanted as number[]];
  expect(a).toHaveLength(b.length);
  for (const [i, loss] of b.entries()) expect(Math.abs(a[i]! / loss - 1)).toBeLessThan(1e-4);
}

describe('an emulated GPU', () => {
  test('is listed as such, and auto takes it', async () => {
    const { all, missing, auto } = await run(`
      result.all = devices();
      result.missing = missingDevices();
      result.auto = chooseDevice('auto');`);
    expect(all).toEqual([
      expect.objectContaining({ type: 'cpu', name: 'cpu' }),
      {
        type: 'cuda',
        name: 'cuda:0',
        model: expect.any(String),
        driver: '13.0',
        runtime: '13.0',
        cudnn: expect.any(String),
        cublas: expect.any(String),
        computeCapability: '9.0',
        totalMemory: 4 * 2 ** 30,
        availableMemory: expect.any(Number),
        emulated: true,
      },
    ]);
    expect(missing).toEqual([]);
    expect(auto).toEqual({ name: 'cuda:0' });
  });

  test('is not even opened by whoever asks for the CPU', async () => {
    const result = await run(`
      const { readFileSync } = await import('node:fs');
      const isOpen = () => readFileSync('/proc/self/maps', 'utf8').includes('neuronode_cuda');
      await lossesOn('cpu');
      result.device = await withTrainer('cpu', ({ device }) => device.name);
      await ops.relu({ data: new Float32Array(1), shape: [1] });
      result.before = isOpen();
      devices();
      result.after = isOpen();`);
    expect(result).toEqual({ device: 'cpu', before: false, after: true });
  });

  test('runs beside another one and the CPU, each with programs of its own', async () => {
    const result = await run(
      `
      result.names = devices().map(({ name }) => name);
      const places = ['cpu', 'cuda:0', 'cuda:1'];
      const all = await Promise.all(places.map((device) => lossesOn(device)));
      for (const [i, device] of places.entries()) result[device] = all[i];
      result.device = await withTrainer('cuda:1', ({ device }) => device.name);
      result.third = await attempt(() => trainerOn('cuda:2'));`,
      { NEURONODE_EMULATED_DEVICES: '2' },
    );
    expect(result.names).toEqual(['cpu', 'cuda:0', 'cuda:1']);
    expectClose(result['cuda:0'], result.cpu);
    expect(result['cuda:1']).toEqual(result['cuda:0']);
    expect(result.device).toBe('cuda:1');
    expect(result.third?.error).toMatchObject({
      name: 'DeviceError',
      code: 'ERR_NN_DEVICE_UNAVAILABLE',
      message: expect.stringMatching(/^Device 'cuda:2' .* only 'cpu', 'cuda:0', 'cuda:1'/),
    });
  });

  test('computes the same bits in whatever order its streams run', async () => {
    const losses = async (seed: number) => {
      const { all } = await run("result.all = await lossesOn('cuda', 6);", {
        NEURONODE_EMULATED_SEED: String(seed),
      });
      return all;
    };
    const first = await losses(1);
    expect(first).toHaveLength(6);
    for (const seed of [2, 3]) expect(await losses(seed)).toEqual(first);
  });

  test('shares no parameters with a program on another device', async () => {
    const result = await run(
      `
      const inside = new URL('program/native.js', ${JSON.stringify(new URL('../../../dist/', import.meta.url).href)});
      const { compile } = await import(inside.href);
      const graph = {
        values: [
          { kind: 'input', dtype: 'f32', shape: [4, 8], name: 'x' },
          { kind: 'parameter', dtype: 'f32', shape: [8, 8], name: 'w' },
          { kind: 'intermediate', dtype: 'f32', shape: [4, 8], name: '' },
        ],
        nodes: [{ op: 'linear', inputs: [0, 1], outputs: [2], attrs: {}, name: 'fc', phase: 'forward' }],
        outputs: [{ name: 'y', value: 2 }],
      };
      const share = await compile(graph, { device: 'cuda:0' });
      for (const options of [{ device: 'cpu' }, { device: 'cuda:1' }]) {
        result[options.device] = await attempt(() => compile(graph, { ...options, share }));
      }
      const rounded = await compile(graph, { device: 'cuda:0', precision: 'bf16', share });
      const same = await compile(graph, { device: 'cuda:0', share });
      await share.write('w', new Float32Array(64).fill(0.5));
      const x = new Float32Array(32).fill(1);
      result.y = [(await same.run({ x })).y[0], (await rounded.run({ x })).y[0]];`,
      { NEURONODE_EMULATED_DEVICES: '2' },
    );
    for (const other of ['cpu', 'cuda:1']) {
      expect(result[other]?.error, other).toMatchObject({
        name: 'ArgumentError',
        message: expect.stringContaining('share'),
      });
    }
    expect(result.y).toEqual([4, 4]);
  });
});

describe('a machine', () => {
  test.each([
    ['without a driver', { NEURONODE_EMULATED_DRIVER: '0' }, /driver/],
    ['with a driver that is too old', { NEURONODE_EMULATED_DRIVER: '12040' }, /12\.4.*13/],
    ['without a GPU', { NEURONODE_EMULATED_DEVICES: '0' }, /no .*(GPU|device)/i],
    ['with a GPU that is too old', { NEURONODE_EMULATED_COMPUTE: '7.5' }, /7\.5.*8\.0/],
  ])('%s says so, and trains on the CPU', async (_name, env, reason) => {
    const { names, missing, auto, cuda, losses } = await run(
      `
      result.names = devices().map(({ name }) => name);
      result.missing = missingDevices();
      result.auto = chooseDevice('auto');
      result.cuda = await attempt(() => trainerOn('cuda'));
      result.losses = await lossesOn('auto');`,
      env,
    );
    expect(names).toEqual(['cpu']);
    expect(missing).toEqual([
      {
        name: expect.stringMatching(/^cuda/),
        code: 'ERR_NN_DEVICE_UNAVAILABLE',
        reason: expect.stringMatching(reason),
      },
    ]);
    expect(auto).toEqual({ name: 'cpu', reason: expect.stringMatching(reason) });
    expect(cuda?.error).toMatchObject({
      name: 'DeviceError',
      code: 'ERR_NN_DEVICE_UNAVAILABLE',
      message: expect.stringMatching(reason),
    });
    expect(losses).toHaveLength(3);
  });

  test('with too little memory says how much there is and what would fit', async () => {
    const { small, large, after } = await run(
      `
      await withTrainer('cuda', async (trainer) => {
        result.small = await attempt(async () => (await trainer.step(batch)).step);
        const large = { batchSize: 4096, imageShape: [1, 28, 28] };
        result.large = await attempt(() => trainer.compile(large));
        result.after = await attempt(async () => (await trainer.step(batch)).step);
      });`,
      { NEURONODE_EMULATED_MEMORY: '48M' },
    );
    expect(small?.value).toBe(1);
    expect(large?.error).toMatchObject({
      name: 'OutOfMemoryError',
      code: 'ERR_NN_OUT_OF_MEMORY',
      message: expect.stringMatching(/MB|MiB|bytes/),
    });
    expect(after?.value).toBe(2);
  });
});

describe('a GPU that fails in mid-training', () => {
  const lost = { NEURONODE_EMULATED_DEVICES: '2', NEURONODE_EMULATED_FAULT: 'work:200' };

  test('is told once; the CPU and the other GPU go on', async () => {
    const result = await run(
      `
      const cpu = trainerOn('cpu');
      await cpu.step(batch);
      const trainer = trainerOn('cuda:0');
      let steps = 0;
      result.lost = await attempt(async () => {
        for (;;) {
          await trainer.step(batch);
          steps += 1;
        }
      });
      result.steps = steps;
      result.again = await attempt(() => trainer.step(batch));
      result.sync = await attempt(() => trainer.syncParameters());
      result.dispose = await attempt(async () => void (await trainer.dispose()));
      result.names = devices().map(({ name }) => name);
      result.missing = missingDevices().map(({ name, code }) => ({ name, code }));
      result.anew = await attempt(() => trainerOn('cuda:0'));
      result.auto = chooseDevice('auto').name;
      result.cpu = await attempt(async () => (await cpu.step(batch)).step);
      result.second = await lossesOn('cuda:1');
      result.wanted = await lossesOn('cpu');
      await cpu.dispose();`,
      lost,
    );
    const failed = { name: 'DeviceError', code: 'ERR_NN_DEVICE_FAILED' };
    expect(result.steps).toBeGreaterThan(1);
    for (const name of ['lost', 'again', 'sync', 'anew']) {
      expect(result[name]?.error, name).toMatchObject(failed);
    }
    expect(result.dispose).toEqual({});
    expect(result.names).toEqual(['cpu', 'cuda:1']);
    expect(result.missing).toEqual([{ name: 'cuda:0', code: 'ERR_NN_DEVICE_FAILED' }]);
    expect(result.auto).toBe('cuda:1');
    expect(result.cpu?.value).toBe(2);
    expectClose(result.second, result.wanted);
  });

  test('loses no more than the steps since the last checkpoint', async () => {
    const result = await run(
      `
      const { mkdtemp, rm } = await import('node:fs/promises');
      const { join } = await import('node:path');
      const { tmpdir } = await import('node:os');
      const dir = await mkdtemp(join(tmpdir(), 'neuronode-lost-'));
      const images = new Uint8Array(160 * 784).map((_, i) => (i * 7919) >> 5);
      const labels = new Int32Array(160).map((_, i) => i % 10);
      const dataset = new neuronode.data.TensorDataset({ images, imageShape: [1, 28, 28], labels });
      const loader = () => new neuronode.data.DataLoader(dataset, { batchSize: 8 });
      const checkpoint = { dir, everySteps: 1 };
      try {
        const trainer = trainerOn('cuda:0');
        result.lost = await attempt(() => trainer.fit(loader(), { epochs: 1, log: false, checkpoint }));
        result.reached = trainer.stepCount;
        await trainer.dispose();
        await withTrainer('cpu', async (onCpu) => {
          await onCpu.loadCheckpoint(dir);
          result.from = onCpu.stepCount;
          await onCpu.fit(loader(), { epochs: 1, log: false });
          result.step = onCpu.stepCount;
        });
      } finally {
        await rm(dir, { recursive: true });
      }`,
      lost,
    );
    expect(result.lost?.error).toMatchObject({ code: 'ERR_NN_DEVICE_FAILED' });
    expect(result.from).toBeGreaterThan(0);
    expect(Number(result.reached) - Number(result.from)).toBeLessThanOrEqual(3);
    expect(result.step).toBe(20);
  });

  test('or refuses a call, leaves an error and a process that lives', async () => {
    for (const fault of ['cudaGraphLaunch:1', 'cudaMemcpyAsync:3', 'cudaMalloc:2:memory']) {
      const { first, cpu } = await run(
        `
        result.first = await attempt(() => lossesOn('cuda:0', 6));
        result.cpu = await lossesOn('cpu');`,
        { NEURONODE_EMULATED_FAULT: fault },
      );
      expect(first?.error?.code, fault).toMatch(/^ERR_NN_(DEVICE_FAILED|NATIVE|OUT_OF_MEMORY)$/);
      expect(cpu).toHaveLength(3);
    }
  });
});
