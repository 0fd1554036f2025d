/**
 * Training with RMSprop against PyTorch in float64 (scripts/fixtures/rmsprop.py): losses, parameters
 * and the optimizer's state, and that a checkpoint keeps that state.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type LabelledBatch, manualSeed, nn, optim, safetensors, type Trainer } from 'neuronode';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from './data-support.js';
import { hashAt } from './op-cases.js';
import { flat, makeTrainer } from './trainer-support.js';

interface Reference {
  losses: number[];
  parameters: Record<string, number[]>;
  /** By its name in checkpoints. */
  state: Record<string, number[]>;
}

const file = new URL('fixtures/rmsprop.json', import.meta.url);
const references = JSON.parse(readFileSync(file, 'utf8')) as Record<string, Reference>;
const kinds: [string, optim.RMSpropOptions][] = [
  ['plain', { lr: 0.002 }],
  ['momentum', { lr: 0.001, momentum: 0.9, alpha: 0.9 }],
  ['centered', { lr: 0.002, centered: true, eps: 1e-4 }],
  ['both, with decay', { lr: 0.001, momentum: 0.5, centered: true, weightDecay: 0.1 }],
];

function makeRun(options: optim.RMSpropOptions, seed = 0): Trainer {
  manualSeed(seed);
  const layers = [new nn.Conv2d(2, 3, 3), new nn.Tanh(), new nn.Flatten(), new nn.Linear(27, 4)];
  const net = new nn.Sequential(...layers);
  return makeTrainer(net, { optimizer: new optim.RMSprop(net.parameters(), options) });
}

const batches = Array.from({ length: 12 }, (_, index): LabelledBatch => {
  const uniform = (i: number) => ((hashAt(`rmsprop/image.${index + 1}`, i) >>> 21) - 1024) / 1024;
  const label = (i: number) => hashAt(`rmsprop/label.${index + 1}`, i) % 4;
  return {
    image: Float32Array.from({ length: 300 }, (_, i) => uniform(i)),
    imageShape: [6, 2, 5, 5],
    label: Int32Array.from({ length: 6 }, (_, i) => label(i)),
  };
});

async function steps(trainer: Trainer, part: readonly LabelledBatch[]): Promise<number[]> {
  const losses: number[] = [];
  for (const batch of part) losses.push((await trainer.step(batch)).loss);
  return losses;
}

/** Of what is saved of the optimizer: numbers by name. */
async function savedState(trainer: Trainer, dir: string): Promise<Record<string, number[]>> {
  const path = join(await trainer.saveCheckpoint(dir), 'optimizer.safetensors');
  const entries = Object.entries(await safetensors.load(path));
  return Object.fromEntries(entries.map(([name, { data }]) => [name, Array.from(data, Number)]));
}

/** Compares tensors by name, each to 1e-5 of its largest number. */
function expectNear(ours: Record<string, ArrayLike<number>>, wanted: Record<string, number[]>) {
  expect(Object.keys(ours).sort()).toEqual(Object.keys(wanted).sort());
  for (const [name, values] of Object.entries(wanted)) {
    expect(ours[name]!.length, name).toBe(values.length);
    const largest = Math.max(...values.map(Math.abs));
    const apart = Math.max(...values.map((value, i) => Math.abs(value - ours[name]![i]!)));
    expect(apart / largest, name).toBeLessThan(1e-5);
  }
}

describe.each(kinds)('RMSprop, %s', (kind, options) => {
  test('trains as in PyTorch, and saves its state by the same names', async () => {
    const reference = references[kind]!;
    const trainer = makeRun(options);
    const losses = await steps(trainer, batches);
    expectNear({ losses }, { losses: reference.losses });
    const parameters = Object.entries(await trainer.stateDict());
    expectNear(
      Object.fromEntries(parameters.map(([name, { data }]) => [name, Array.from(data, Number)])),
      reference.parameters,
    );
    expectNear(await savedState(trainer, await temporaryFolder()), reference.state);
  });

  test('goes on from a checkpoint to the same bits', async () => {
    const [dir, end] = [await temporaryFolder(), await temporaryFolder()];
    const whole = makeRun(options);
    await steps(whole, batches.slice(0, 5));
    await whole.saveCheckpoint(dir);
    const wanted = await steps(whole, batches.slice(5));

    const resumed = makeRun(options, 1);
    await resumed.loadCheckpoint(dir);
    expect(await steps(resumed, batches.slice(5))).toEqual(wanted);
    expect(flat(await resumed.stateDict())).toEqual(flat(await whole.stateDict()));
    expect(await savedState(resumed, dir)).toEqual(await savedState(whole, end));
  });
});
