/**
 * Owns the sections on data: how fast a loader's worker makes batches, and what a training loop
 * sees of it: how long it waits for batches, and how long the event loop is held up meanwhile.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { data, manualSeed, models, nn, optim, Trainer } from 'neuronode';
import type { Options } from './options.js';
import type { Measure } from './report.js';

const resolutionMs = 1;

function measure(name: string, unit: string, value: number): Measure {
  return { name, unit, value, peer_value: null, ratio: null };
}

/** Images a second of the calling thread and of one worker, resized to 224 x 224. */
export async function measureLoader({ batch, quick }: Options): Promise<Measure[]> {
  const measures: Measure[] = [];
  for (const numWorkers of [0, 1]) {
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
    const who = numWorkers === 0 ? 'on the calling thread' : 'of one worker';
    measures.push(measure(`loader ${who}, 28 to 224 pixels`, 'images/s', rate));
  }
  return measures;
}

/** A training loop of AlexNet with a loader of one worker. */
export async function measureFit({ batch, quick }: Options): Promise<Measure[]> {
  manualSeed(0);
  const net = models.alexnet();
  const { train, test } = await data.loadFashionMnist({
    batchSize: batch,
    resize: 224,
    numWorkers: 1,
  });
  await using _train = train;
  await using _test = test;
  await using trainer = new Trainer(net, {
    loss: new nn.CrossEntropyLoss(),
    optimizer: new optim.Adam(net.parameters(), { lr: 0.001 }),
    device: 'cpu',
  });
  const steps = quick ? 4 : 10;
  const delay = monitorEventLoopDelay({ resolution: resolutionMs });
  let waited = 0;
  let begun = 0;
  let done = -1; // the first step compiles the program: it is not counted
  let asked = performance.now();
  for await (const labelled of train) {
    if (done >= 0) waited += performance.now() - asked;
    await trainer.step(labelled);
    labelled.release();
    done += 1;
    if (done === 0) {
      begun = performance.now();
      delay.enable();
    }
    asked = performance.now();
    if (done === steps) break;
  }
  delay.disable();
  const total = asked - begun;
  const seconds = total / 1000;
  // The histogram holds the time between two ticks of its timer, the timer's own period included.
  const p99 = Math.max(0, delay.percentile(99) / 1e6 - resolutionMs);
  return [
    measure(
      `training of ${batch} with a loader of one worker`,
      'images/s',
      (steps * batch) / seconds,
    ),
    measure('training time spent waiting for the loader', '%', (100 * waited) / total),
    measure('event loop delay while training, p99', 'ms', p99),
  ];
}
