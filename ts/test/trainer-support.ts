/**
 * Owns what the tests of training share: small learnable images, a small network with dropout, and
 * trainers that are disposed of after the test.
 *
 * Policy: trainers use the device under test; one CPU thread unless a test says otherwise, so that tests stay quick on a busy machine,
 * and no choice of algorithms by timing, so that results repeat bit for bit.
 */
import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  data,
  type FitOptions,
  type LabelledBatch,
  manualSeed,
  models,
  nn,
  optim,
  type StepEvent,
  setNumThreads,
  type Tensor,
  Trainer,
  type TrainerOptions,
} from 'neuronode';
import { onTestFinished } from 'vitest';
import { testDevice } from './device.js';

setNumThreads(1);

/** Address of the built package, for child processes and worker threads. */
export const packageUrl = new URL('../../dist/index.js', import.meta.url).href;

/** Ten kinds of image, each a bright square in a place of its own on a noisy ground. */
export function learnableDataset(count: number, size = 28): data.TensorDataset {
  const images = new Uint8Array(count * size * size);
  let random = 1;
  for (let i = 0; i < images.length; i++) {
    random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
    images[i] = random >>> 26;
  }
  const labels = Int32Array.from({ length: count }, (_, index) => (index * 7) % 10);
  const edge = Math.floor(size / 5);
  for (const [index, label] of labels.entries()) {
    const top = Math.floor(label / 5) * edge * 2;
    const left = (label % 5) * edge;
    for (let y = top; y < top + edge; y++) {
      const start = (index * size + y) * size + left;
      images.fill(220, start, start + edge);
    }
  }
  return new data.TensorDataset({ images, imageShape: [1, size, size], labels, numClasses: 10 });
}

/** A loader over {@link learnableDataset}. */
export function learnableLoader(
  count: number,
  options: data.DataLoaderOptions = {},
  size = 28,
): data.DataLoader {
  const all = { batchSize: 16, shuffle: true, seed: 5, ...options };
  return new data.DataLoader(learnableDataset(count, size), all);
}

/** The first batches of a loader. */
export async function takeBatches(loader: data.DataLoader, count: number): Promise<data.Batch[]> {
  const batches: data.Batch[] = [];
  for await (const batch of loader) {
    batches.push(batch);
    if (batches.length === count) break;
  }
  return batches;
}

/** The first `rows` images of a batch. */
export function firstRows(batch: LabelledBatch, rows: number): LabelledBatch {
  const [n = 0, ...one] = batch.imageShape;
  const length = batch.image.length / n;
  return {
    image: batch.image.slice(0, rows * length),
    imageShape: [rows, ...one],
    label: batch.label.slice(0, rows),
  };
}

/** Convolution, pooling and dropout in their smallest form, for images [N, 1, 10, 10]. */
export class TinyNet extends nn.Module {
  readonly conv = new nn.Conv2d(1, 4, 3);
  readonly pool = new nn.MaxPool2d(2);
  readonly drop: nn.Dropout;
  readonly fc = new nn.Linear(4 * 4 * 4, 10);

  constructor(p = 0.5) {
    super();
    this.drop = new nn.Dropout(p);
  }

  override forward(image: Tensor): Tensor {
    const features = this.pool.forward(this.conv.forward(image).relu());
    return this.fc.forward(this.drop.forward(features.flatten(1)));
  }
}

/** A trainer with Adam, disposed of after the test. */
export function makeTrainer(net: nn.Module, options: Partial<TrainerOptions> = {}): Trainer {
  const trainer = new Trainer(net, {
    loss: new nn.CrossEntropyLoss(),
    optimizer: new optim.Adam(net.parameters(), { lr: 0.01 }),
    device: testDevice,
    algorithm: 'direct',
    ...options,
  });
  onTestFinished(() => trainer.dispose());
  return trainer;
}

/** LeNet with the weights of seed 0. */
export function seededLenet(): models.LeNet {
  manualSeed(0);
  return models.lenet();
}

/** TinyNet with the weights of seed 0. */
export function seededTiny(p = 0.5): TinyNet {
  manualSeed(0);
  return new TinyNet(p);
}

/** Every parameter of a state dict, one after the other. */
export function flat(dict: nn.StateDict): Float32Array {
  return Float32Array.from(Object.values(dict).flatMap(({ data: values }) => [...values]));
}

/** Images of {@link trainTwoEpochs}: five batches of 16. */
export const trainedImages = 80;

/** Trains a new network of the kind for two epochs and returns each step's loss, by step. */
export async function trainTwoEpochs(
  makeNet: () => nn.Module,
  size: number,
  options: Partial<FitOptions>,
  seed = 9,
): Promise<{ losses: Map<number, number>; epochs: number[]; weights: Float32Array }> {
  const losses = new Map<number, number>();
  const trainer = makeTrainer(makeNet(), { seed });
  const result = await trainer.fit(learnableLoader(trainedImages, {}, size), {
    epochs: 2,
    log: false,
    test: learnableLoader(20, { shuffle: false }, size),
    ...options,
    onStep: (event: StepEvent) => {
      losses.set(event.step, event.loss);
      return options.onStep?.(event);
    },
  });
  const epochs = result.epochs.flatMap((e) => [
    e.epoch,
    e.loss,
    e.trainAccuracy ?? -1,
    e.testLoss ?? -1,
  ]);
  return { losses, epochs, weights: flat(await trainer.stateDict()) };
}

/** Makes a checkpoint one of the format's first version, which has no checksums, with changes. */
export async function asFirstVersion(path: string, change: object = {}): Promise<void> {
  const file = join(path, 'state.json');
  const { files, sha256, ...state } = JSON.parse(await readFile(file, 'utf8'));
  await writeFile(file, JSON.stringify({ ...state, version: 1, ...change }));
}

/** How a child process ended. */
export interface ChildResult {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running child process. */
export interface Child {
  kill(signal: NodeJS.Signals): void;
  /** Closes the reading end of its standard output. */
  closeOutput(): void;
  /** Resolves when the output or the errors contain the text; rejects if the process ends first. */
  waitFor(text: string): Promise<void>;
  readonly ended: Promise<ChildResult>;
}

/** Starts Node.js with arguments; it is killed if the test ends first. */
export function startNode(args: readonly string[], env: NodeJS.ProcessEnv = {}): Child {
  const child = spawn(process.execPath, args, { env: { ...process.env, ...env } });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<ChildResult>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr }));
  });
  onTestFinished(() => {
    if (child.exitCode === null) child.kill('SIGKILL');
  });
  const waitFor = (text: string) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (stdout.includes(text) || stderr.includes(text)) resolve();
      };
      child.stdout.on('data', look);
      child.stderr.on('data', look);
      child.on('close', () => reject(new Error(`no '${text}' in:\n${stdout}\n${stderr}`)));
      look();
    });
  return {
    kill: (signal) => child.kill(signal),
    closeOutput: () => child.stdout.destroy(),
    waitFor,
    ended,
  };
}

/** Runs a module's text in a child process; `neuronode` stands for the built package. */
export function startScript(text: string, env: NodeJS.ProcessEnv = {}): Child {
  const source = text.replaceAll("'neuronode'", JSON.stringify(packageUrl));
  return startNode(['--input-type=module', '--eval', source], env);
}

/** Path of a built example. */
export function examplePath(name: string): string {
  return fileURLToPath(new URL(`../../build/examples/${name}.js`, import.meta.url));
}
