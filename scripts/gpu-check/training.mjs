/**
 * Owns our side of every measurement: one network's training step as one program on one device, with
 * synthetic images that are the same in every run.
 */

const learningRate = 0.001;
const classes = 10;

/** One layer of every kind, with strides, groups, dilation and odd sizes. */
function medley({ nn }) {
  return new nn.Sequential(
    new nn.Conv2d(3, 12, 7, { stride: 2, padding: 3 }),
    new nn.ReLU(),
    new nn.MaxPool2d(3, { stride: 2, padding: 1 }),
    new nn.Conv2d(12, 18, 3, { padding: 1, groups: 3 }),
    new nn.Sigmoid(),
    new nn.AvgPool2d(2),
    new nn.Conv2d(18, 9, 3, { padding: 2, dilation: 2, bias: false }),
    new nn.AdaptiveAvgPool2d(3),
    new nn.Flatten(),
    new nn.Linear(81, 30),
    new nn.ReLU(),
    new nn.Dropout(0.3),
    new nn.Linear(30, 10),
  );
}

/** Networks that can be measured, with the shape of their images. */
export const networks = {
  alexnet: { image: [1, 224, 224], make: ({ models }) => models.alexnet() },
  lenet: { image: [1, 28, 28], make: ({ models }) => models.lenet() },
  medley: { image: [3, 33, 31], make: medley },
};

const optimizers = {
  adam: ({ optim }, net) => new optim.Adam(net.parameters(), { lr: learningRate }),
  sgd: ({ optim }, net) =>
    new optim.SGD(net.parameters(), { lr: learningRate, momentum: 0.9, nesterov: true }),
};

/**
 * Compiles for a target; `recorded: false` for a program that calls its kernels one by one in every
 * step.
 */
async function compile(native, graph, { recorded = true, ...target }) {
  const before = process.env.NEURONODE_CUDA_GRAPHS;
  // Read when a program is compiled.
  if (!recorded) process.env.NEURONODE_CUDA_GRAPHS = 'off';
  try {
    return await native.compile(graph, target);
  } finally {
    if (before === undefined) delete process.env.NEURONODE_CUDA_GRAPHS;
    else process.env.NEURONODE_CUDA_GRAPHS = before;
  }
}

/** Pixels that are no constant: the same at every run. */
function pixels(count) {
  const values = new Uint8Array(count);
  for (let i = 0; i < count; i++) values[i] = Math.imul(i, 0x9e3779b1) >>> 24;
  return values;
}

/**
 * A compiled training step.
 *
 * @param {Awaited<ReturnType<typeof import('./inside.mjs').loadPackage>>} inside
 * @param {{ device: string, network: keyof typeof networks, batch: number, precision: string,
 *   optimizer?: keyof typeof optimizers, deterministic?: boolean, autotune?: boolean,
 *   pooling?: string, recorded?: boolean }} options
 */
export async function openTraining(inside, { network, batch, optimizer = 'adam', ...target }) {
  const { package: neuronode, graphs, native } = inside;
  neuronode.manualSeed(0);
  const { image: shape, make } = networks[network];
  const net = make(neuronode);
  const rule = optimizers[optimizer](neuronode, net);
  const image = { batchSize: batch, shape };
  const traced = graphs.trainGraph(net, new neuronode.nn.CrossEntropyLoss(), rule, image);
  const program = await compile(native, traced.spec, target);
  const write = async (values) => {
    for (const [name, data] of values) await program.write(name, data);
  };
  const names = [...traced.parameters.keys(), ...traced.states.keys()];
  try {
    await write([...traced.parameters].map(([name, { data }]) => [name, data]));
  } catch (error) {
    await program.dispose();
    throw error;
  }
  const fixed = {
    image: pixels(batch * shape.reduce((product, extent) => product * extent, 1)),
    label: Int32Array.from({ length: batch }, (_, row) => row % classes),
    count: batch,
    lr: learningRate,
  };
  let step = 0;
  const inputsOf = (number) => {
    const all = { ...fixed, step: number };
    return Object.fromEntries([...traced.inputs.keys()].map((name) => [name, all[name]]));
  };
  return {
    graph: traced.spec,
    /** What the program is made of. */
    plan: () => program.plan(),
    /** Starts the next step; the promise gives its outputs. */
    run() {
      step += 1;
      return program.run(inputsOf(step));
    },
    /** The kernels of a step with their median milliseconds. */
    profile: (iterations) => program.profile(inputsOf(step + 1), iterations),
    /** Parameters and optimizer state, by name. */
    async read() {
      const values = new Map();
      for (const name of names) values.set(name, await program.read(name));
      return values;
    },
    dispose: () => program.dispose(),
  };
}

/**
 * Milliseconds of one step where `steps` run one behind the other with two under way, as `fit` does:
 * the time from the first call to the last loss, divided.
 */
export async function timeSteps(training, steps) {
  const started = performance.now();
  let before = training.run();
  for (let i = 1; i < steps; i++) {
    const next = training.run();
    await before;
    before = next;
  }
  await before;
  return (performance.now() - started) / steps;
}
