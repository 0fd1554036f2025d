/** Training in whole processes: no leak over many steps, clean exits, several threads. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { temporaryFolder } from './data-support.js';
import { testDevice } from './device.js';
import {
  learnableLoader,
  makeTrainer,
  packageUrl,
  seededTiny,
  startScript,
  takeBatches,
} from './trainer-support.js';

/** Makes `trainer` and `batch`, of LeNet at 28x28. */
const prelude = `
  import { manualSeed, models, nn, optim, setNumThreads, Trainer } from 'neuronode';
  setNumThreads(1);
  manualSeed(0);
  const net = models.lenet();
  const trainer = new Trainer(net, {
    loss: new nn.CrossEntropyLoss(),
    optimizer: new optim.Adam(net.parameters()),
    device: ${JSON.stringify(testDevice)},
  });
  const image = Uint8Array.from({ length: 16 * 784 }, (_, i) => (i * 7919) >> 5);
  const label = Int32Array.from({ length: 16 }, (_, i) => i % 10);
  const batch = { image, imageShape: [16, 1, 28, 28], label };
`;

test('300 steps leave memory and handles as they were', async () => {
  const child = startScript(
    `${prelude}
    const state = () => {
      gc();
      return [process.memoryUsage().rss / 2 ** 20, process.getActiveResourcesInfo().length];
    };
    for (let i = 0; i < 60; i++) await trainer.step(batch);
    const before = state();
    for (let i = 0; i < 300; i++) await trainer.step(batch);
    const after = state();
    console.log(JSON.stringify({ before, after }));
    await trainer.dispose();
  `,
    { NODE_OPTIONS: '--expose-gc' },
  );
  const { status, stdout, stderr } = await child.ended;
  expect(stderr).toBe('');
  expect(status).toBe(0);
  const { before, after } = JSON.parse(stdout);
  // 300 batches alone are 3.6 MB, the activations of one step 0.5 MB.
  expect(after[0] - before[0]).toBeLessThan(8);
  expect(after[1]).toBe(before[1]);
});

test('many trainers, made and disposed of, leave memory as it was', async () => {
  const child = startScript(
    `
    import { manualSeed, models, nn, optim, setNumThreads, Trainer } from 'neuronode';
    setNumThreads(1);
    const image = new Uint8Array(64 * 784);
    const batch = { image, imageShape: [64, 1, 28, 28], label: new Int32Array(64) };
    const round = async () => {
      const net = models.lenet();
      const trainer = new Trainer(net, {
        loss: new nn.CrossEntropyLoss(),
        optimizer: new optim.Adam(net.parameters()),
        device: ${JSON.stringify(testDevice)},
      });
      await trainer.step(batch);
      await trainer.dispose();
    };
    for (let i = 0; i < 5; i++) await round();
    gc();
    const before = process.memoryUsage().rss;
    for (let i = 0; i < 30; i++) await round();
    gc();
    console.log((process.memoryUsage().rss - before) / 2 ** 20);
  `,
    { NODE_OPTIONS: '--expose-gc' },
  );
  const { status, stdout, stderr } = await child.ended;
  expect(stderr).toBe('');
  expect(status).toBe(0);
  // One program of this batch size has about 4 MB.
  expect(Number(stdout)).toBeLessThan(30);
});

test('a trainer that nobody disposes of leaves no handle of its metrics file', async () => {
  const metricsFile = join(await temporaryFolder(), 'metrics.jsonl');
  const child = startScript(
    `
    import { readdirSync, readlinkSync } from 'node:fs';
    import { models, nn, optim, Trainer } from 'neuronode';
    await (async () => {
      const net = models.lenet();
      const trainer = new Trainer(net, {
        loss: new nn.CrossEntropyLoss(),
        optimizer: new optim.Adam(net.parameters()),
        device: ${JSON.stringify(testDevice)},
        metricsFile: ${JSON.stringify(metricsFile)},
      });
      const image = new Uint8Array(2 * 784);
      const batch = { image, imageShape: [2, 1, 28, 28], label: new Int32Array(2) };
      const train = { length: 3, batchSize: 2, async *[Symbol.asyncIterator]() {
        for (let i = 0; i < 3; i++) yield batch;
      } };
      await trainer.fit(train, { epochs: 1, log: false });
    })();
    const links = readdirSync('/proc/self/fd').map((fd) => {
      try {
        return readlinkSync('/proc/self/fd/' + fd);
      } catch {
        return '';
      }
    });
    console.log(links.filter((link) => link === ${JSON.stringify(metricsFile)}).length);
    gc();
    await new Promise((resolve) => setTimeout(resolve, 50));
    gc();
  `,
    { NODE_OPTIONS: '--expose-gc' },
  );
  expect(await child.ended).toMatchObject({ status: 0, stdout: '0\n', stderr: '' });
  expect((await readFile(metricsFile, 'utf8')).trimEnd().split('\n')).toHaveLength(3);
});

const exits: [string, string, number][] = [
  [
    'process.exit with steps in flight',
    'for (let i = 0; i < 50; i++) trainer.step(batch); await trainer.step(batch); for (let i = 0; i < 50; i++) trainer.step(batch); process.exit(0);',
    0,
  ],
  ['process.exit while compiling', 'trainer.step(batch); process.exit(3);', 3],
  ['the end of the program without dispose', 'await trainer.step(batch);', 0],
  [
    'the end of the program with steps in flight',
    'for (let i = 0; i < 20; i++) trainer.step(batch);',
    0,
  ],
  [
    'dispose with steps in flight',
    'await trainer.step(batch); const last = trainer.step(batch); await trainer.dispose(); await last;',
    0,
  ],
];
test.each(exits)('exits cleanly after %s', async (_name, body, wanted) => {
  const child = startScript(`${prelude}${body}`);
  const late = setTimeout(() => child.kill('SIGKILL'), 30_000);
  const { status, signal, stderr } = await child.ended;
  clearTimeout(late);
  expect({ status, signal, stderr }).toEqual({ status: wanted, signal: null, stderr: '' });
});

test('an uncaught error with steps in flight ends the process with its message', async () => {
  const child = startScript(`${prelude}
    await trainer.step(batch);
    for (let i = 0; i < 20; i++) trainer.step(batch);
    throw new Error('mine');
  `);
  const { status, stderr } = await child.ended;
  expect(status).toBe(1);
  expect(stderr).toContain('Error: mine');
});

const workerSource = `
  const { parentPort, workerData } = require('node:worker_threads');
  (async () => {
    const { manualSeed, models, nn, optim, setNumThreads, Trainer } = await import(
      ${JSON.stringify(packageUrl)}
    );
    setNumThreads(1);
    manualSeed(0);
    const net = models.lenet();
    const trainer = new Trainer(net, {
      loss: new nn.CrossEntropyLoss(),
      optimizer: new optim.Adam(net.parameters(), { lr: 0.01 }),
      device: ${JSON.stringify(testDevice)},
      algorithm: 'direct',
    });
    const losses = [];
    for (const batch of workerData.batches) losses.push((await trainer.step(batch)).loss);
    parentPort.postMessage(losses);
    if (workerData.dispose) return trainer.dispose();
    for (;;) {
      trainer.step(workerData.batches[0]).catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  })();
`;

/** Trains LeNet in a worker thread. */
function trainInWorker(workerData: object) {
  const worker = new Worker(workerSource, { eval: true, workerData });
  const exited = new Promise<number>((resolve) => worker.once('exit', resolve));
  const losses = new Promise<number[]>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  return { worker, exited, losses };
}

test('two worker threads train at the same time, each as if alone', async () => {
  const taken = await takeBatches(learnableLoader(64), 4);
  const batches = taken.map(({ image, imageShape, label }) => ({ image, imageShape, label }));
  const data = { batches, dispose: true };
  const alone = trainInWorker(data);
  const wanted = await alone.losses;
  const both = [trainInWorker(data), trainInWorker(data)];
  for (const { losses } of both) expect(await losses).toEqual(wanted);
  for (const { exited } of [alone, ...both]) expect(await exited).toBe(0);
});

test('a worker thread that is terminated in mid-step harms no other', async () => {
  const [batch] = await takeBatches(learnableLoader(16), 1);
  const { image, imageShape, label } = batch!;
  const batches = [{ image, imageShape, label }];
  const { worker, losses } = trainInWorker({ batches, dispose: false });
  await losses;
  await worker.terminate();
  const trainer = makeTrainer(seededTiny());
  const [small] = await takeBatches(learnableLoader(16, {}, 10), 1);
  expect((await trainer.step(small!)).step).toBe(1);
});
