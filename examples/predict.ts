/**
 * Shows what a trained network says of the first test images:
 * `node build/examples/predict.js checkpoints/lenet-fashion-mnist`. `--help` lists the options.
 */
import { parseArgs } from 'node:util';
import { cli, data, loadCheckpointModel, models, Predictor } from 'neuronode';

const usage = `Usage: predict CHECKPOINT [options]

CHECKPOINT is a checkpoint of lenet or train-alexnet, or a folder of them (the newest is taken).

Options:
  --count N        images to show (default 10)
  --data-root DIR  folder of the Fashion-MNIST files (default: found or downloaded)
  -h, --help       show this help
`;

await cli.runProgram(async ({ signal }) => {
  const { values, positionals } = parse();
  if (values.help === true) {
    console.log(usage);
    return;
  }
  const [given] = positionals;
  const count = Number(values.count ?? 10);
  if (given === undefined || positionals.length > 1 || !Number.isSafeInteger(count) || count < 1) {
    throw new cli.UsageError('expected one checkpoint, and --count to be a whole number above 0');
  }

  const { model: weights } = await loadCheckpointModel(given);
  const isAlexnet = 'conv.10.weight' in weights;
  const net = isAlexnet ? models.alexnet() : models.lenet();
  net.loadStateDict(weights);

  const { test } = await data.loadFashionMnist({
    batchSize: count,
    resize: isAlexnet ? 224 : 28,
    download: true,
    signal,
    ...(values['data-root'] === undefined ? {} : { root: values['data-root'] }),
  });
  await using predictor = new Predictor(net, { batchSize: count });
  for await (const batch of test) {
    const { classes, probabilities, shape } = await predictor.predict(batch);
    for (const [row, label] of batch.label.entries()) {
      const guess = classes[row] ?? 0;
      const percent = (100 * (probabilities[row * shape[1] + guess] ?? 0)).toFixed(1);
      const { [guess]: name, [label]: truth } = data.FashionMNIST.classes;
      console.log(`${row}: ${name} (${percent}%), ${guess === label ? 'right' : `it is ${truth}`}`);
    }
    break;
  }
});

function parse() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        count: { type: 'string' },
        'data-root': { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new cli.UsageError(error instanceof Error ? error.message : String(error));
  }
}
