/**
 * Trains LeNet on Fashion-MNIST at 28x28, a small network for a first try:
 * `node build/examples/lenet.js`. `--help` lists the options.
 */
import { cli, data, manualSeed, models, nn, optim, setNumThreads, Trainer } from 'neuronode';

const defaults = {
  epochs: 3,
  batchSize: 64,
  lr: 0.003,
  resize: 28,
  checkpointDir: 'checkpoints/lenet-fashion-mnist',
};

await cli.runTraining('lenet', defaults, async (options, fit) => {
  const { batchSize, resize, lr, device, algorithm, precision, deterministic, autotune } = options;
  manualSeed(options.seed);
  if (options.threads !== undefined) setNumThreads(options.threads);

  const net = models.lenet();
  await using trainer = new Trainer(net, {
    loss: new nn.CrossEntropyLoss(),
    optimizer: new optim.Adam(net.parameters(), { lr }),
    device,
    algorithm,
    precision,
    deterministic,
    autotune,
    metricsFile: options.metrics,
  });
  console.log(cli.describeTraining(trainer, device));
  console.log(String(net));

  const { train, test } = await data.loadFashionMnist({
    batchSize,
    resize,
    numWorkers: options.workers,
    ...(options.augment ? { augment: cli.augmentation() } : {}),
    download: true,
    signal: fit.signal,
    ...(options.dataRoot === undefined ? {} : { root: options.dataRoot }),
  });

  return await trainer.fit(train, { test, ...fit });
});
