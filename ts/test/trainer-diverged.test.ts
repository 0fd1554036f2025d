/** A training that diverges: how fit ends, what checkpoints stay, and what NaN counts for. */
import { readdir } from 'node:fs/promises';
import { type FitOptions, NotFiniteError, nn, optim, Predictor, type Trainer } from 'neuronode';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { temporaryFolder } from './data-support.js';
import { testDevice } from './device.js';
import {
  flat,
  learnableLoader,
  makeTrainer,
  seededTiny,
  type TinyNet,
  takeBatches,
} from './trainer-support.js';

const steps = 5;

/** A trainer of which the step with this number makes all parameters NaN or infinite. */
function diverging(at: number, net: TinyNet = seededTiny(0)) {
  const optimizer = new optim.SGD(net.parameters(), { lr: 0.01, weightDecay: 10 });
  const trainer = makeTrainer(net, { optimizer });
  const run = (options: Partial<FitOptions> = {}) =>
    trainer.fit(learnableLoader(16 * steps, {}, 10), {
      epochs: 1,
      log: false,
      ...options,
      onStep: (event) => {
        // Two steps are in flight: this one's rate is that of the step after the next.
        if (event.step === at - 2) optimizer.lr = 3e38;
        return options.onStep?.(event);
      },
    });
  return { trainer, run };
}

async function weightsOf(trainer: Trainer): Promise<Float32Array> {
  return flat(await trainer.stateDict());
}

describe('fit', () => {
  test('stops, and names the step and the last good checkpoint', async () => {
    const dir = await temporaryFolder();
    const { run } = diverging(3);
    const losses: number[] = [];
    const checkpoint = { dir, everySteps: 2, keepLast: 1 };
    const onStep: FitOptions['onStep'] = ({ loss }) => {
      losses.push(loss);
    };
    const ended = run({ checkpoint, onStep });
    const error = await ended.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(NotFiniteError);
    expect(error).toMatchObject({ code: 'ERR_NN_NOT_FINITE' });
    expect((error as Error).message).toMatch(/^Trainer\.fit: .* the loss of step 4 is NaN/);
    expect((error as Error).message).toContain(`${dir}/step-00000002;`);
    expect(losses.map(Number.isFinite)).toEqual([true, true, true, false]);
    expect(await readdir(dir)).toEqual(['step-00000002']);
  });

  test('stops where the last step spoils the parameters, with checkpoints and without', async () => {
    const dir = await temporaryFolder();
    await expect(diverging(5).run()).rejects.toThrow(
      /^Trainer\.fit: .* after step 5.*wrote no checkpoint/,
    );
    await expect(diverging(5).run({ checkpoint: { dir } })).rejects.toThrow(
      /^Trainer\.fit: .* not finite after step 5, .*wrote no checkpoint before/,
    );
    expect((await readdir(dir)).filter((name) => name.startsWith('step-'))).toEqual([]);
  });

  test("goes on with 'continue', and replaces no good checkpoint", async () => {
    const dir = await temporaryFolder();
    const warning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    onTestFinished(() => warning.mockRestore());
    const { trainer, run } = diverging(3);
    const seen: number[] = [];
    const result = await run({
      checkpoint: { dir, everySteps: 2, keepLast: 1 },
      onNaN: 'continue',
      onStep: ({ step, loss }) => {
        if (Number.isNaN(loss)) seen.push(step);
      },
    });
    expect(seen).toEqual([4, 5]);
    expect(result).toMatchObject({ step: 5, checkpoint: `${dir}/step-00000002` });
    expect(await readdir(dir)).toEqual(['step-00000002']);
    expect(warning).toHaveBeenCalled();
    await expect(trainer.saveCheckpoint(dir, { keepLast: 1 })).rejects.toBeInstanceOf(
      NotFiniteError,
    );
    expect(await readdir(dir)).toEqual(['step-00000002']);
    await trainer.loadCheckpoint(dir);
    // It is of the midst of the first epoch, whose end had no checkpoint of its own.
    expect([trainer.stepCount, trainer.epochCount]).toEqual([2, 0]);
    expect((await weightsOf(trainer)).every(Number.isFinite)).toBe(true);
  });

  test('counts no row as correct whose outputs are NaN', async () => {
    const { run } = diverging(3);
    const correct: number[] = [];
    const onStep: FitOptions['onStep'] = (event) => {
      correct.push(event.correct!);
    };
    await run({ onNaN: 'continue', onStep });
    expect(correct.slice(3)).toEqual([0, 0]);
  });
});

test('a prediction of NaN is not a class', async () => {
  class Two extends nn.Module {
    readonly fc = new nn.Linear(1, 2);
    override forward(image: nn.Tensor): nn.Tensor {
      return this.fc.forward(image.flatten(1));
    }
  }
  const net = new Two();
  net.loadStateDict({
    'fc.weight': { data: Float32Array.of(0, 1), shape: [2, 1] },
    'fc.bias': { data: new Float32Array(2), shape: [2] },
  });
  const image = Float32Array.of(5, Number.NaN, -5);
  for (const softmax of [true, false]) {
    const predictor = new Predictor(net, { device: testDevice, softmax });
    onTestFinished(() => predictor.dispose());
    const { classes, probabilities } = await predictor.predict({
      image,
      imageShape: [3, 1, 1, 1],
    });
    expect([...classes]).toEqual([1, -1, 0]);
    expect(probabilities[3]).toBeNaN();
  }
  const [batch] = await takeBatches(learnableLoader(16, {}, 10), 1);
  const spoilt = seededTiny();
  spoilt.fc.bias!.data.fill(Number.NaN);
  const predictor = new Predictor(spoilt, { device: testDevice });
  onTestFinished(() => predictor.dispose());
  expect([...(await predictor.predict(batch!)).classes]).toEqual(new Array(16).fill(-1));
});
