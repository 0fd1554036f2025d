/**
 * Owns the sections on data: how fast a loader's workers make batches, and what a whole `fit` sees
 * of it: how long it waits for batches, and how long the event loop is held up meanwhile.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import { type BatchLoader, data, manualSeed, models, nn, optim, Trainer } from 'neuronode';
import { networks } from './networks.js';
import { batchOf, type Options } from './options.js';
import type { Measure } from './report.js';

const resolutionMs = 1;

function measure(name: string, unit: string, value: number): Measure {
  return { name, unit, value, peer_value: null, ratio: null };
}

/** Images a second of the calling thread and of each worker, resized to 224 x 224. */
export async function measureLoader(options: Options): Promise<Measure[]> {
  const { quick } = options;
  const batch = batchOf(networks.alexnet, options);
  const measures: Measure[] = [];
  for (const numWorkers of [0, 1, 2]) {
    if (numWorkers > availableParallelism()) continue;
    const { train, test } = await data.loadFashionMnist({
      batchSize: batch,
      resize: 224,
      numWorkers,
      seed: 0,
    });
    await using _train = train;
    await using _test = test;
    const wanted = quick ? 1000 : 10000;
    let images = 0;
    let start = 0;
    for await (const labelled of train) {
      // The first batch comes with the workers' start.
      if (start > 0) images += labelled.size;
      else start = performance.now();
      labelled.release();
      if (images >= wanted) break;
    }
    const rate = images / ((performance.now() - start) / 1000);
    const who =
      numWorkers === 0 ? 'on the calling thread' : `of ${numWorkers}, images a worker makes`;
    const name = `loader ${who}, 28 to 224 pixels`;
    measures.push(measure(name, 'images/s', rate / Math.max(1, numWorkers)));
  }
  return measures;
}

/** A loader that adds up how long its reader waits for batches after the first step. */
class WatchedLoader implements BatchLoader {
  readonly length: number;
  readonly batchSize: number;
  readonly dataset: data.Dataset;
  isWatching = false;
  waitedMs = 0;
  readonly #loader: data.DataLoader;

  constructor(loader: data.DataLoader) {
    this.#loader = loader;
    this.length = loader.length;
    this.batchSize = loader.batchSize;
    this.dataset = loader.dataset;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<data.Batch> {
    const batches = this.#loader[Symbol.asyncIterator]();
    try {
      for (;;) {
        const asked = performance.now();
        const { value, done } = await batches.next();
        if (this.isWatching) this.waitedMs += performance.now() - asked;
        if (done === true) return;
        yield value;
      }
    } finally {
      await batches.return();
    }
  }
}

/** Loaders with one worker of the first images, enough for `steps` steps and one of evaluation. */
async function loaders(batchSize: number, steps: number): Promise<data.DataLoader[]> {
  const transform = new data.Compose([new data.Resize(224), new data.ToTensor()]);
  const all = await data.FashionMNIST.load({ train: true });
  return [steps, 1].map((batches) => {
    const length = batches * batchSize;
    const images = new Uint8Array(length * 28 * 28);
    for (let index = 0; index < length; index++) images.set(all.get(index).image, index * 28 * 28);
    const labels = all.labels.subarray(0, length);
    const part = new data.TensorDataset({ images, imageShape: [1, 28, 28], labels, transform });
    return new data.DataLoader(part, { batchSize, numWorkers: 1 });
  });
}

/**
 * One epoch of AlexNet by `fit`, as a user calls it: steps with a loader of one worker, a
 * checkpoint, and an evaluation. Watched from the end of the first step, which compiles the
 * program, to the end of `fit`.
 */
export async function measureFit(options: Options): Promise<Measure[]> {
  const { quick } = options;
  const batch = batchOf(networks.alexnet, options);
  const steps = quick ? 4 : 12;
  manualSeed(0);
  const net = models.alexnet();
  const [train, test] = (await loaders(batch, steps)) as [data.DataLoader, data.DataLoader];
  await using _train = train;
  await using _test = test;
  await using trainer = new Trainer(net, {
    loss: new nn.CrossEntropyLoss(),
    optimizer: new optim.Adam(net.parameters(), { lr: 0.001 }),
    device: 'cpu',
  });
  const watched = new WatchedLoader(train);
  const delay = monitorEventLoopDelay({ resolution: resolutionMs });
  const stepMs: number[] = [];
  const dir = await mkdtemp(join(tmpdir(), 'neuronode-bench-'));
  try {
    await trainer.fit(watched, {
      epochs: 1,
      test,
      checkpoint: { dir },
      log: false,
      onStep: ({ step, ms }) => {
        if (step > 1) stepMs.push(ms);
        else {
          watched.isWatching = true;
          delay.enable();
        }
      },
    });
  } finally {
    delay.disable();
    await rm(dir, { recursive: true, force: true });
  }
  const total = stepMs.reduce((sum, ms) => sum + ms, 0);
  const rate = (stepMs.length * batch) / (total / 1000);
  const [p99, max] = delaysOf(delay);
  return [
    measure(`fit of ${batch} with a loader of one worker`, 'images/s', rate),
    measure(
      'time of those steps spent waiting for the loader',
      '%',
      (100 * watched.waitedMs) / total,
    ),
    measure('event loop delay in fit with checkpoint and evaluation, p99', 'ms', p99),
    measure('event loop delay in fit with checkpoint and evaluation, maximum', 'ms', max),
  ];
}

/** The histogram holds the time between two ticks of its timer, its own period included. */
function delaysOf(delay: IntervalHistogram): [p99: number, max: number] {
  const delayOf = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - resolutionMs);
  return [delayOf(delay.percentile(99)), delayOf(delay.max)];
}
