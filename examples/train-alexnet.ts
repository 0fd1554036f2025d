/**
 * Trains AlexNet on Fashion-MNIST: `npm run train`, or with options, such as
 * `npm run train -- --epochs 1 --batch-size 64`. `--help` lists them.
 */
import { cli, data, manualSeed, models, nn, optim, setNumThreads, Trainer } from 'neuronode';

const defaults = {
  epochs: 5,
  batchSize: 128,
  lr: 0.001,
  resize: 224,
  checkpointDir: 'checkpoints/alexnet-fashion-mnist',
};

await cli.runTraining('train-alexnet', defaults, async (options, fit) => {
  const { batchSize, resize, lr, device, algorithm, precision, deterministic, autotune } = options;
  manualSeed(options.seed);
  if (options.threads !== undefined) setNumThreads(options.threads);

  const net = models.alexnet();
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
