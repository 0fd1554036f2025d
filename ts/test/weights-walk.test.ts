/**
 * One owner of the weights, whatever happens in which order: a walk of random calls on a network, two
 * trainers and two predictors, beside the same training computed here.
 */
import { manualSeed, nn, optim, Predictor, type Tensor, type Trainer } from 'neuronode';
import { expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from './data-support.js';
import { testDevice } from './device.js';
import { makeTrainer } from './trainer-support.js';

class Small extends nn.Module {
  readonly fc = new nn.Linear(4, 2);

  override forward(image: Tensor): Tensor {
    return this.fc.forward(image.flatten(1));
  }
}

const pixels = [1, 2, 3, 4];
const batch = {
  image: Float32Array.from(pixels),
  imageShape: [1, 1, 2, 2],
  label: Int32Array.of(1),
};
const loader = {
  length: 2,
  batchSize: 1,
  async *[Symbol.asyncIterator]() {
    yield batch;
    yield batch;
  },
};

/** The network's weights as they should be: of each class four of the pixels and its bias. */
class Expected {
  rows: number[][];

  constructor(rows: number[][]) {
    this.rows = rows.map((row) => [...row]);
  }

  get probabilities(): number[] {
    const logits = this.rows.map((row) => pixels.reduce((sum, x, i) => sum + x * row[i]!, row[4]!));
    const exps = logits.map((logit) => Math.exp(logit - Math.max(...logits)));
    return exps.map((exp) => exp / (exps[0]! + exps[1]!));
  }

  step(lr: number): void {
    const p = this.probabilities;
    for (const [c, row] of this.rows.entries()) {
      const gradient = p[c]! - (c === batch.label[0] ? 1 : 0);
      for (const [i, x] of [...pixels, 1].entries()) row[i]! -= lr * gradient * x;
    }
  }
}

const rates = [0.05, 0.02] as const;

test.each([1, 2, 3])('a walk of random calls, seed %i', async (seed) => {
  let state = seed;
  const random = (below: number) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return Math.floor((state / 0x80000000) * below);
  };
  const randomRows = () => [0, 1].map(() => Array.from({ length: 5 }, () => random(200) / 100 - 1));
  const dictOf = (rows: number[][]): nn.StateDict => ({
    'fc.weight': { data: Float32Array.from(rows.flatMap((row) => row.slice(0, 4))), shape: [2, 4] },
    'fc.bias': { data: Float32Array.from(rows.map((row) => row[4]!)), shape: [2] },
  });
  const near = (got: ArrayLike<number>, wanted: readonly number[]) => {
    expect(got).toHaveLength(wanted.length);
    wanted.forEach((value, i) => {
      expect(Math.abs(got[i]! - value)).toBeLessThan(2e-3 * (1 + Math.abs(value)));
    });
  };

  manualSeed(seed);
  const net = new Small();
  const dir = await temporaryFolder();
  const trainers = rates.map((lr) =>
    makeTrainer(net, { optimizer: new optim.SGD(net.parameters(), { lr }) }),
  );
  const predictors = [1, 64].map((batchSize) => {
    const predictor = new Predictor(net, { device: testDevice, batchSize });
    onTestFinished(() => predictor.dispose());
    return predictor;
  });
  const expected = new Expected(randomRows());
  net.loadStateDict(dictOf(expected.rows));
  let saved: { path: string; rows: number[][]; by: Trainer } | undefined;

  type Call = (trainer: Trainer, lr: number) => Promise<void>;
  const calls: Record<string, Call> = {
    steps: async (trainer, lr) => {
      const count = 1 + random(3);
      await Promise.all(Array.from({ length: count }, () => trainer.step(batch)));
      for (let i = 0; i < count; i++) expected.step(lr);
    },
    fit: async (trainer, lr) => {
      await trainer.fit(loader, { epochs: 1, test: loader, log: false });
      for (let i = 0; i < 2; i++) expected.step(lr);
    },
    load: async () => {
      expected.rows = randomRows();
      net.loadStateDict(dictOf(expected.rows));
    },
    loadByTrainer: async (trainer) => {
      expected.rows = randomRows();
      await trainer.loadStateDict(dictOf(expected.rows));
    },
    assign: async () => {
      for (const row of expected.rows) row[4] = random(100) / 100;
      net.fc.bias!.data = Float32Array.from(expected.rows, (row) => row[4]!);
    },
    edit: async (trainer) => {
      await trainer.syncParameters();
      expected.rows[1]![2] = random(100) / 100;
      net.fc.weight.data[4 + 2] = expected.rows[1]![2]!;
    },
    sync: (trainer) => trainer.syncParameters(),
    compile: (trainer) =>
      trainer.compile({ batchSize: 1 + random(4), imageShape: [1, 2, 2], dtype: 'f32' }),
    stateDict: async (trainer) => {
      const wanted = dictOf(expected.rows);
      for (const [name, { data }] of Object.entries(await trainer.stateDict())) {
        near(data, [...wanted[name]!.data]);
      }
    },
    evaluate: async (trainer) => {
      near([(await trainer.evaluate(loader)).loss], [-Math.log(expected.probabilities[1]!)]);
    },
    predict: async () => {
      const { probabilities } = await predictors[random(2)]!.predict(batch);
      near(probabilities, expected.probabilities);
    },
    save: async (trainer) => {
      if (trainer.plan() === undefined) return;
      const path = await trainer.saveCheckpoint(dir, { keepLast: 1 });
      saved = { path, rows: new Expected(expected.rows).rows, by: trainer };
    },
    goBack: async () => {
      if (saved === undefined) return;
      await saved.by.loadCheckpoint(saved.path);
      expected.rows = new Expected(saved.rows).rows;
    },
  };
  const names = Object.keys(calls);
  for (let i = 0; i < 250; i++) {
    const which = random(2);
    await calls[names[random(names.length)]!]!(trainers[which]!, rates[which]!);
  }
  for (const trainer of trainers) await calls.stateDict!(trainer, 0);
  await calls.predict!(trainers[0]!, 0);
});
