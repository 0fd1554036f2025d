/**
 * One call that a service may make, in a process of its own: `node held-child.js NAME` prints the
 * longest time in milliseconds for which it held the event loop, between two ticks of a timer of 1 ms.
 * Everything is cold: a process makes most of these calls once. Where it may, it gives its main thread
 * real-time priority, so that what else the machine does counts little.
 */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { models, nn, optim, Predictor, safetensors, Trainer } from 'neuronode';

const target = { device: 'cpu', algorithm: 'direct' } as const;

const batchOf = (n: number) => ({
  image: new Uint8Array(n * 224 * 224),
  label: new Int32Array(n),
  imageShape: [n, 1, 224, 224],
});

function trainerOf(net: nn.Module): Trainer {
  const optimizer = new optim.Adam(net.parameters());
  return new Trainer(net, { loss: new nn.CrossEntropyLoss(), optimizer, ...target });
}

async function compiled(): Promise<Trainer> {
  const trainer = trainerOf(models.alexnet());
  await trainer.compile({ imageShape: [1, 224, 224], batchSize: 8 });
  return trainer;
}

async function stepped(): Promise<Trainer> {
  const trainer = await compiled();
  await trainer.step(batchOf(8));
  return trainer;
}

async function predicted(): Promise<Predictor> {
  const predictor = new Predictor(models.alexnet(), target);
  await predictor.predict(batchOf(1));
  return predictor;
}

const loaderOf = (batch: ReturnType<typeof batchOf>) => ({
  batchSize: 8,
  length: 1,
  async *[Symbol.asyncIterator]() {
    yield batch;
  },
});

const folder = await mkdtemp(join(tmpdir(), 'neuronode-held-'));
const file = join(folder, 'alexnet.safetensors');

/** Each gives the call, once what comes before it is done. */
const calls: Record<string, () => Promise<() => unknown>> = {
  'nothing, for 300 ms': async () => () => sleep(300),
  'models.lenet()': async () => () => models.lenet(),
  'models.alexnet()': async () => () => models.alexnet(),
  'new nn.Linear(9216, 4096)': async () => () => new nn.Linear(9216, 4096),
  'models.alexnet().stateDict()': async () => () => models.alexnet().stateDict(),
  'trainer.compile': async () => {
    const trainer = trainerOf(models.alexnet());
    return () => trainer.compile({ imageShape: [1, 224, 224], batchSize: 8 });
  },
  'trainer.step, the first': async () => {
    const trainer = await compiled();
    return () => trainer.step(batchOf(8));
  },
  'trainer.step, the second': async () => {
    const trainer = await stepped();
    return () => trainer.step(batchOf(8));
  },
  'trainer.evaluate': async () => {
    const trainer = await stepped();
    return () => trainer.evaluate(loaderOf(batchOf(8)));
  },
  'trainer.fit': async () => {
    const trainer = await stepped();
    return () => trainer.fit(loaderOf(batchOf(8)), { epochs: 1, log: false });
  },
  'trainer.stateDict': async () => {
    const trainer = await stepped();
    return () => trainer.stateDict();
  },
  'trainer.syncParameters': async () => {
    const trainer = await stepped();
    return () => trainer.syncParameters();
  },
  'trainer.loadStateDict': async () => {
    const trainer = await stepped();
    const dict = models.alexnet().stateDict();
    return () => trainer.loadStateDict(dict);
  },
  'trainer.saveCheckpoint': async () => {
    const trainer = await stepped();
    return () => trainer.saveCheckpoint(folder);
  },
  'trainer.loadCheckpoint': async () => {
    const trainer = await stepped();
    await trainer.saveCheckpoint(folder);
    return () => trainer.loadCheckpoint(folder);
  },
  'trainer.dispose': async () => {
    const trainer = await stepped();
    return () => trainer.dispose();
  },
  'predictor.predict, the first': async () => {
    const predictor = new Predictor(models.alexnet(), target);
    return () => predictor.predict(batchOf(1));
  },
  'predictor.predict, the first of 8': async () => {
    const predictor = await predicted();
    return () => predictor.predict(batchOf(8));
  },
  'predictor.predict, the first of 64': async () => {
    const predictor = await predicted();
    return () => predictor.predict(batchOf(64));
  },
  'predictor.dispose': async () => {
    const predictor = await predicted();
    return () => predictor.dispose();
  },
  'net.loadStateDict': async () => {
    const [net, dict] = [models.alexnet(), models.alexnet().stateDict()];
    return () => net.loadStateDict(dict);
  },
  'net.loadStateDictAsync': async () => {
    const [net, dict] = [models.alexnet(), models.alexnet().stateDict()];
    return () => net.loadStateDictAsync(dict);
  },
  'safetensors.save': async () => {
    const dict = models.alexnet().stateDict();
    return () => safetensors.save(file, dict);
  },
  'safetensors.load': async () => {
    await safetensors.save(file, models.alexnet().stateDict());
    return () => safetensors.load(file);
  },
};

/** The longest time between two ticks while the call is under way, and up to the tick after it. */
async function longestHold(call: () => unknown): Promise<number> {
  let longest = 0;
  let last = performance.now();
  const tick = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  };
  // The thread that has the process's number is the main one.
  spawnSync('chrt', ['--fifo', '--pid', '1', String(process.pid)]);
  const timer = setInterval(tick, 1);
  await sleep(20);
  longest = 0;
  last = performance.now();
  await call();
  await sleep(5);
  clearInterval(timer);
  return longest;
}

const [name] = process.argv.slice(2);
if (name === undefined) {
  console.log(JSON.stringify(Object.keys(calls)));
} else {
  const call = await calls[name]?.();
  if (call === undefined) throw new Error(`there is no call '${name}'`);
  await sleep(300);
  console.log(await longestHold(call));
}
await rm(folder, { recursive: true, force: true });
process.exit();
