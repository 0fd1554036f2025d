/**
 * Owns the comparison of trainings: from the same weights, with the same batches and the same dropout
 * masks, a device takes the steps that the CPU takes.
 */

export const mostSteps = 20;

/** The largest relative difference of a loss that a comparison in f32 allows. */
export const limit = 1e-3;

/**
 * What is trained. AlexNet's step is 5.5 GFLOP an image: few images and a small rate, since larger
 * ones leave f32 alone too little to compare after 20 steps.
 *
 * `mostApart` is the largest difference of a parameter. Adam makes whole steps of rounding errors, so
 * that on the CPU alone Winograd's algorithm moves AlexNet's by 6e-4; another mask of its dropout
 * moves them by 7e-3. A learning rate that is off by a thirtieth moves LeNet's by 2e-2.
 */
export const runs = [
  {
    name: 'LeNet',
    batch: 16,
    resize: 28,
    lr: 0.003,
    mostApart: 1e-3,
    make: ({ models }) => models.lenet(),
  },
  {
    name: 'AlexNet',
    batch: 2,
    resize: 224,
    lr: 1e-5,
    mostApart: 3e-3,
    make: ({ models }) => models.alexnet(),
  },
];

/** Other ways to compute LeNet, with the largest difference of a loss; timing plans takes longest. */
export const variants = [
  [{ precision: 'tf32' }, 2e-2],
  [{ precision: 'bf16', deterministic: true }, 5e-2],
  [{ deterministic: true }, limit],
  [{ autotune: true }, limit],
];

/**
 * Trains on a device.
 *
 * @param neuronode The package.
 * @param {{ images: Uint8Array, labels: Int32Array }} samples 28x28 pixels each.
 */
export async function train(neuronode, run, samples, { device, steps = mostSteps, ...options }) {
  const { data, manualSeed, nn, optim, Trainer } = neuronode;
  manualSeed(0);
  const net = run.make(neuronode);
  const dataset = new data.TensorDataset({
    ...samples,
    imageShape: [1, 28, 28],
    transform: new data.Compose([new data.Resize(run.resize), new data.ToTensor()]),
  });
  const loader = new data.DataLoader(dataset, { batchSize: run.batch });
  const trainer = new Trainer(net, {
    loss: new nn.CrossEntropyLoss(),
    optimizer: new optim.Adam(net.parameters(), { lr: run.lr }),
    device,
    algorithm: 'direct',
    seed: 7,
    ...options,
  });
  try {
    const losses = [];
    for await (const batch of loader) {
      losses.push((await trainer.step(batch)).loss);
      if (losses.length === steps) break;
    }
    await trainer.syncParameters();
    return { losses, weights: net.stateDict() };
  } finally {
    await trainer.dispose();
    await loader.close();
  }
}

/** The square root of the mean of squares. */
function size(values, of) {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += of(values[i], i) ** 2;
  return Math.sqrt(sum / values.length);
}

/** The largest magnitude; Infinity where there is a NaN. */
function largest(values) {
  return values.some(Number.isNaN) ? Infinity : Math.max(...values.map(Math.abs));
}

/**
 * How far two trainings are apart: the largest relative difference of a loss, and of a parameter as
 * the root of its mean square. Adam moves a weight whose gradient is a rounding error as far as any
 * other, so that single ones differ.
 */
export function compare(found, wanted) {
  return {
    losses: largest(found.losses.map((loss, i) => loss / wanted.losses[i] - 1)),
    weights: largest(
      Object.entries(wanted.weights).map(([name, { data: values }]) => {
        const other = found.weights[name].data;
        return size(values, (value, i) => value - other[i]) / size(values, (value) => value);
      }),
    ),
  };
}
