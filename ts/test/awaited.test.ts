/**
 * Whatever is awaited holds the process: each script awaits promises of the package at its top level
 * with nothing else that would keep it alive. Where one let go, the process would end with status 13
 * and without the script's last line.
 */

import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from './data-support.js';
import { testDevice } from './device.js';
import { startScript } from './trainer-support.js';

/** Makes datasets, loaders with worker threads, networks and trainers. */
const prelude = `
  import { data, manualSeed, models, nn, ops, optim, Predictor, safetensors, setNumThreads, Trainer } from 'neuronode';
  setNumThreads(1);
  manualSeed(0);
  const device = ${JSON.stringify(testDevice)};
  const rounds = Array.from({ length: 8 }, (_, i) => i);
  const dataset = new data.TensorDataset({
    images: Uint8Array.from({ length: 40 * 784 }, (_, i) => (i * 7919) >> 5),
    imageShape: [1, 28, 28],
    labels: Array.from({ length: 40 }, (_, i) => i % 10),
  });
  const makeLoader = (options) =>
    new data.DataLoader(dataset, { batchSize: 8, numWorkers: 2, ...options });
  const makeNet = () => new nn.Sequential(new nn.Flatten(), new nn.Linear(784, 10));
  const makeTrainer = (net = makeNet()) =>
    new Trainer(net, {
      loss: new nn.CrossEntropyLoss(),
      optimizer: new optim.Adam(net.parameters()),
      device,
    });
  const batch = {
    image: new Uint8Array(8 * 784),
    imageShape: [8, 1, 28, 28],
    label: new Int32Array(8),
  };
`;

const scripts: [string, string][] = [
  [
    'steps, states and the trainer’s end',
    `for (const i of rounds) {
      const trainer = makeTrainer();
      await trainer.compile({ batchSize: 8, imageShape: [1, 28, 28] });
      for (let k = 0; k < i; k++) trainer.step(batch);
      await trainer.step(batch);
      await trainer.loadStateDict(await trainer.stateDict());
      await trainer.syncParameters();
      const last = trainer.step(batch);
      await trainer.dispose();
      await last;
    }`,
  ],
  [
    'fit and evaluate over worker threads',
    `for (const i of rounds) {
      const loader = makeLoader();
      const trainer = makeTrainer();
      await trainer.fit(loader, { epochs: 1, test: loader, log: false });
      await trainer.evaluate(loader);
      await loader.close();
      await trainer.dispose();
    }`,
  ],
  [
    'a fit that is aborted',
    `for (const i of rounds) {
      const control = new AbortController();
      const loader = makeLoader({ signal: control.signal });
      const trainer = makeTrainer();
      const onStep = ({ step }) => { if (step === 1 + (i % 4)) control.abort(new Error('enough')); };
      await trainer.fit(loader, { epochs: 3, log: false, onStep, signal: control.signal })
        .catch((error) => { if (error.message !== 'enough') throw error; });
      await loader.close();
      await trainer.dispose();
    }`,
  ],
  [
    'checkpoints and files',
    `for (const i of rounds) {
      const trainer = makeTrainer();
      await trainer.step(batch);
      const path = await trainer.saveCheckpoint(folder);
      await trainer.loadCheckpoint(path);
      await trainer.dispose();
      const file = folder + '/model.safetensors';
      await safetensors.save(file, makeNet().stateDict());
      await safetensors.load(file);
    }`,
  ],
  [
    'predictions and the predictor’s end',
    `for (const i of rounds) {
      const predictor = new Predictor(makeNet(), { device });
      await predictor.predict(batch);
      const last = predictor.predict(batch).catch(() => {});
      await predictor.dispose();
      await last;
    }`,
  ],
  [
    'single operations',
    `for (const i of rounds) {
      await ops.relu({ data: new Float32Array(4), shape: [4] });
    }
    await ops.clearCache();`,
  ],
  [
    'data sets on disk',
    `for (const i of rounds) {
      await data.FashionMNIST.load({ train: false });
      const signal = AbortSignal.abort(new Error('enough'));
      await data.FashionMNIST.load({ train: false, signal }).catch(() => {});
    }`,
  ],
  [
    'a download that stalls, and one that is aborted',
    `const options = { root: folder, download: true, mirrors: [mirror] };
    await data.loadMnist({ ...options, stallTimeout: 300 }).catch(() => {});
    const control = new AbortController();
    setTimeout(() => control.abort(), 300).unref();
    await data.loadMnist({ ...options, stallTimeout: 600, signal: control.signal }).catch(() => {});`,
  ],
];

test.each(scripts)('%s', async (_, body) => {
  const folder = await temporaryFolder();
  // Takes connections, and never answers.
  const silent = createServer(() => {}).listen(0, '127.0.0.1');
  await new Promise((resolve) => silent.once('listening', resolve));
  onTestFinished(() => {
    silent.close();
  });
  const mirror = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/`;
  const child = startScript(`${prelude}
    const folder = ${JSON.stringify(folder)};
    const mirror = ${JSON.stringify(mirror)};
    ${body}
    console.log('the last line');
  `);
  const { status, stdout, stderr } = await child.ended;
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: 'the last line\n', stderr: '' });
});
