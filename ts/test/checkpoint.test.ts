/** Checkpoints: exact resumption, files that PyTorch reads, damaged files. */
import { readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  CheckpointError,
  latestCheckpoint,
  loadCheckpointModel,
  models,
  type nn,
  optim,
  safetensors,
} from 'neuronode';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { temporaryFolder } from './data-support.js';
import {
  asFirstVersion,
  trainedImages as count,
  flat,
  learnableLoader,
  makeTrainer,
  seededLenet,
  seededTiny,
  TinyNet,
  trainTwoEpochs as train,
} from './trainer-support.js';

describe('resume', () => {
  test.each([
    ['LeNet in mid-epoch', () => seededLenet(), 28, 7],
    ['LeNet at the end of an epoch', () => seededLenet(), 28, 5],
    ['dropout in mid-epoch', () => seededTiny(), 10, 3],
  ] as const)('%s goes on bit for bit', async (_name, makeNet, size, stopAt) => {
    const dir = await temporaryFolder();
    const whole = await train(makeNet, size, {});
    const first = await train(makeNet, size, { maxSteps: stopAt, checkpoint: { dir } });
    // Another seed of dropout: the checkpoint's counts.
    const rest = await train(makeNet, size, { resume: dir }, 1234);
    expect([...first.losses, ...rest.losses]).toEqual([...whole.losses]);
    expect(rest.weights).toEqual(whole.weights);
    expect(rest.epochs).toEqual(whole.epochs.slice(first.epochs.length));
  });

  test('after an abort goes on bit for bit', async () => {
    const dir = await temporaryFolder();
    const controller = new AbortController();
    const whole = await train(() => seededTiny(), 10, {});
    const saved: string[] = [];
    const aborted = train(() => seededTiny(), 10, {
      signal: controller.signal,
      checkpoint: { dir, onSave: (path) => saved.push(path) },
      onStep: ({ step }) => {
        if (step === 7) controller.abort(new Error('stop'));
      },
    });
    await expect(aborted).rejects.toThrow('stop');
    expect(saved).toEqual([join(dir, 'step-00000005'), join(dir, 'step-00000008')]);
    const rest = await train(() => seededTiny(), 10, { resume: dir });
    expect([...rest.losses]).toEqual([...whole.losses].slice(8));
    expect(rest.weights).toEqual(whole.weights);
  });

  test('of a finished run does nothing again', async () => {
    const dir = await temporaryFolder();
    const whole = await train(() => seededTiny(), 10, { checkpoint: { dir } });
    const onEpoch = vi.fn();
    const again = await train(() => seededTiny(), 10, { resume: dir, onEpoch });
    expect(again.losses.size).toBe(0);
    expect(again.epochs).toEqual([]);
    expect(onEpoch).not.toHaveBeenCalled();
    expect(again.weights).toEqual(whole.weights);
  });

  test('finishes an evaluation that was cut off, once', async () => {
    const dir = await temporaryFolder();
    const whole = await train(() => seededTiny(), 10, {});
    const controller = new AbortController();
    const loader = learnableLoader(20, { shuffle: false }, 10);
    const test = {
      length: loader.length,
      batchSize: loader.batchSize,
      [Symbol.asyncIterator]: () => {
        controller.abort(new Error('in evaluation'));
        return loader[Symbol.asyncIterator]();
      },
    };
    const { signal } = controller;
    const cut = train(() => seededTiny(), 10, { checkpoint: { dir }, test, signal });
    await expect(cut).rejects.toThrow('in evaluation');
    const last = { resume: dir, checkpoint: { dir }, epochs: 1 };
    const finished = await train(() => seededTiny(), 10, last);
    expect(finished.losses.size).toBe(0);
    expect(finished.epochs).toEqual(whole.epochs.slice(0, 4));
    expect((await train(() => seededTiny(), 10, last)).epochs).toEqual([]);
    const rest = await train(() => seededTiny(), 10, { resume: dir });
    expect(rest.epochs).toEqual(whole.epochs.slice(4));
  });

  test('with single steps goes on bit for bit', async () => {
    const dir = await temporaryFolder();
    const batches = [];
    for await (const batch of learnableLoader(count, {}, 10)) batches.push(batch);
    const net = seededTiny();
    const optimizer = new optim.Adam(net.parameters(), { lr: 0.01 });
    const trainer = makeTrainer(net, { optimizer });
    for (const batch of batches.slice(0, 2)) await trainer.step(batch);
    optimizer.lr = 0.003;
    const path = await trainer.saveCheckpoint(dir);
    expect(path).toBe(join(dir, 'step-00000002'));
    const wanted = [];
    for (const batch of batches.slice(2)) wanted.push(await trainer.step(batch));

    const fresh = makeTrainer(new TinyNet());
    await fresh.loadCheckpoint(path);
    expect(fresh.stepCount).toBe(2);
    expect(fresh.optimizer.paramGroups[0]?.lr).toBe(0.003);
    const got = [];
    for (const batch of batches.slice(2)) got.push(await fresh.step(batch));
    expect(got).toEqual(wanted);

    // And back again with a program that is compiled already.
    await trainer.loadCheckpoint(path);
    const back = [];
    for (const batch of batches.slice(2)) back.push(await trainer.step(batch));
    expect(back).toEqual(wanted);
  });

  test('takes an optimizer of the same kind, whatever its class is called', async () => {
    const dir = await temporaryFolder();
    const a = class extends optim.Adam {};
    const net = seededTiny();
    const optimizer = new a(net.parameters(), { lr: 0.01 });
    const trainer = makeTrainer(net, { optimizer });
    await trainer.compile({ batchSize: 16, imageShape: [1, 10, 10] });
    const path = await trainer.saveCheckpoint(dir);
    const state = JSON.parse(await readFile(join(path, 'state.json'), 'utf8'));
    expect(state.optimizer).toBe('Adam');
    await trainer.loadCheckpoint(dir);
    await makeTrainer(seededTiny()).loadCheckpoint(dir);
    const decoupled = new optim.AdamW(net.parameters(), { lr: 0.01, weightDecay: 0 });
    const other = makeTrainer(net, { optimizer: decoupled });
    await expect(other.loadCheckpoint(dir)).rejects.toThrow(/of optimizer Adam, not of AdamW/);
  });

  test('refuses another loader, optimizer or network', async () => {
    const dir = await temporaryFolder();
    await train(() => seededTiny(), 10, { maxSteps: 2, checkpoint: { dir } });
    const attempt = (
      net: nn.Module,
      loaderOptions: object,
      optimizer: ConstructorParameters<typeof optim.Adam>[1] | 'sgd' = { lr: 0.01 },
    ) => {
      const made =
        optimizer === 'sgd'
          ? new optim.SGD(net.parameters())
          : new optim.Adam(net.parameters(), optimizer);
      const trainer = makeTrainer(net, { optimizer: made });
      const loader = learnableLoader(count, loaderOptions, 10);
      return trainer.fit(loader, { epochs: 2, log: false, resume: dir });
    };
    const cases: [() => Promise<unknown>, RegExp][] = [
      [() => attempt(seededTiny(), { seed: 6 }), /seed 5, got 6/],
      [() => attempt(seededTiny(), { batchSize: 8 }), /batchSize 16, got 8/],
      [() => attempt(seededTiny(), { dropLast: true, shuffle: false }), /seed 5, got null/],
      [() => attempt(seededTiny(), {}, { lr: 0.01, betas: [0.8, 0.9] }), /betas \[0\.9,0\.999\]/],
      [() => attempt(seededTiny(), {}, 'sgd'), /optimizer Adam, not of SGD/],
      [() => attempt(models.lenet(), {}), /not of this network.*state_dict/s],
    ];
    for (const [resume, message] of cases) {
      const error = await resume().catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(CheckpointError);
      expect((error as Error).message).toMatch(message);
    }
  });
});

describe('a checkpoint', () => {
  test('has the weights by their PyTorch names, optimizer state and position', async () => {
    const dir = await temporaryFolder();
    const { weights } = await train(() => seededTiny(), 10, { maxSteps: 7, checkpoint: { dir } });
    expect((await readdir(dir)).sort()).toEqual(['step-00000005', 'step-00000007']);
    const path = await latestCheckpoint(dir);
    expect(path).toBe(join(dir, 'step-00000007'));
    expect((await readdir(path!)).sort()).toEqual([
      'model.safetensors',
      'optimizer.safetensors',
      'state.json',
    ]);
    const model = await safetensors.load(join(path!, 'model.safetensors'));
    expect(Object.keys(model)).toEqual(['conv.weight', 'conv.bias', 'fc.weight', 'fc.bias']);
    expect(Object.values(model).flatMap(({ data }) => [...data].map(Number))).toEqual([...weights]);
    const optimizer = await safetensors.load(join(path!, 'optimizer.safetensors'));
    expect(Object.keys(optimizer).sort()).toEqual(
      ['exp_avg', 'exp_avg_sq'].flatMap((state) =>
        ['conv.bias', 'conv.weight', 'fc.bias', 'fc.weight'].map((name) => `${state}.${name}`),
      ),
    );
    const state = JSON.parse(await readFile(join(path!, 'state.json'), 'utf8'));
    expect(state).toMatchObject({
      version: 2,
      step: 7,
      epoch: 1,
      batch: 2,
      seed: 9,
      optimizer: 'Adam',
      groups: [{ lr: 0.01, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0 }],
      sums: { steps: 2, examples: 32 },
      loader: { batchSize: 16, batches: 5, seed: 5 },
    });
  });

  test('is written every few steps, and the oldest are deleted', async () => {
    const dir = await temporaryFolder();
    const saved: string[] = [];
    const checkpoint = {
      dir,
      everySteps: 2,
      keepLast: 2,
      onSave: (path: string) => saved.push(path.slice(-2)),
    };
    await train(() => seededTiny(), 10, { checkpoint });
    expect(saved).toEqual(['02', '04', '05', '06', '08', '10']);
    expect((await readdir(dir)).sort()).toEqual(['step-00000008', 'step-00000010']);
  });

  test('is written every few minutes', async () => {
    const dir = await temporaryFolder();
    let now = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => now);
    onTestFinished(() => {
      vi.restoreAllMocks();
    });
    const saved: string[] = [];
    await train(() => seededTiny(), 10, {
      checkpoint: { dir, everyMinutes: 1.5, onSave: (path) => saved.push(path.slice(-2)) },
      // A minute a step.
      onStep: () => {
        now += 60_000;
      },
    });
    // At the end of an epoch too; what is due is counted from the last one.
    expect(saved).toEqual(['03', '05', '08', '10']);
  });

  test('of the same step replaces the one that is there', async () => {
    const dir = await temporaryFolder();
    await train(() => seededTiny(), 10, { maxSteps: 2, checkpoint: { dir } });
    const other = await train(() => seededTiny(0.1), 10, { maxSteps: 2, checkpoint: { dir } });
    expect(await readdir(dir)).toEqual(['step-00000002']);
    const loaded = makeTrainer(seededTiny(0.1));
    await loaded.loadCheckpoint(dir);
    expect(flat(await loaded.stateDict())).toEqual(other.weights);
  });

  test('cannot be made before there is something to save', async () => {
    const dir = await temporaryFolder();
    const trainer = makeTrainer(seededTiny());
    await expect(trainer.saveCheckpoint(dir)).rejects.toThrow(/nothing to save/);
    expect(await readdir(dir)).toEqual([]);
  });

  test('that cannot be written is an error, and leaves the earlier ones', async () => {
    const dir = await temporaryFolder();
    await writeFile(join(dir, 'file'), '');
    const options = { maxSteps: 2, checkpoint: { dir: join(dir, 'file') } };
    await expect(train(() => seededTiny(), 10, options)).rejects.toBeInstanceOf(CheckpointError);
  });
});

describe('loading', () => {
  async function damaged(harm: (path: string) => Promise<void>): Promise<unknown> {
    const dir = await temporaryFolder();
    await train(() => seededTiny(), 10, { maxSteps: 2, checkpoint: { dir } });
    await harm(join(dir, 'step-00000002'));
    const trainer = makeTrainer(seededTiny());
    const before = flat(await trainer.stateDict());
    const error = await trainer.loadCheckpoint(dir).catch((reason: unknown) => reason);
    expect(flat(await trainer.stateDict())).toEqual(before);
    expect(trainer.stepCount).toBe(0);
    return error;
  }

  const cases: [string, (path: string) => Promise<void>, RegExp][] = [
    ['no model', (path) => rm(join(path, 'model.safetensors')), /model\.safetensors/],
    ['no optimizer state', (path) => rm(join(path, 'optimizer.safetensors')), /optimizer\.safe/],
    ['no state', (path) => rm(join(path, 'state.json')), /state\.json could not be read/],
    ['a cut model', (path) => truncate(join(path, 'model.safetensors'), 500), /damaged.*model/],
    ['a cut state', (path) => truncate(join(path, 'state.json'), 50), /state\.json: expected JSON/],
    ['a list for a state', (path) => writeFile(join(path, 'state.json'), '[]'), /an object/],
    ['a step that is none', (path) => asFirstVersion(path, { step: -1 }), /step to be .* got -1/],
    ['no run', (path) => asFirstVersion(path, { run: '' }), /run to be a name/],
    ['no time', (path) => asFirstVersion(path, { savedAt: 'now' }), /savedAt to be a date/],
    ['no learning rate', (path) => asFirstVersion(path, { groups: [{}] }), /groups\[0\]\.lr/],
    [
      'sums that are none',
      (path) => asFirstVersion(path, { sums: { steps: 1 } }),
      /sums\.examples/,
    ],
    [
      'a later version',
      (path) => asFirstVersion(path, { version: 3 }),
      /version 2 or earlier, got 3/,
    ],
    [
      'a batch beyond the epoch',
      (path) => asFirstVersion(path, { batch: 6 }),
      /at most loader\.batches 5, got 6/,
    ],
  ];
  test.each(cases)('refuses %s and changes nothing', async (_name, harm, message) => {
    const error = await damaged(harm);
    expect(error).toBeInstanceOf(CheckpointError);
    expect((error as Error).message).toMatch(message);
  });

  test('refuses optimizer state that does not fit', async () => {
    const dir = await temporaryFolder();
    await train(() => seededTiny(), 10, { maxSteps: 2, checkpoint: { dir } });
    await asFirstVersion(join(dir, 'step-00000002'));
    const file = join(dir, 'step-00000002', 'optimizer.safetensors');
    const tensors = await safetensors.load(file);
    delete tensors['exp_avg.fc.bias'];
    await safetensors.save(file, tensors);
    // Without a program the state is checked when the first step is traced.
    const resumed = train(() => seededTiny(), 10, { resume: dir });
    await expect(resumed).rejects.toThrow(/exp_avg\.fc\.bias is missing/);

    const trainer = makeTrainer(seededTiny());
    await trainer.compile({ batchSize: 16, imageShape: [1, 10, 10] });
    const before = flat(await trainer.stateDict());
    await expect(trainer.loadCheckpoint(dir)).rejects.toThrow(/exp_avg\.fc\.bias is missing/);
    expect(flat(await trainer.stateDict())).toEqual(before);
  });

  test('takes the read arrays over: those that a user was given keep their values', async () => {
    const dir = await temporaryFolder();
    const { weights } = await train(() => seededTiny(), 10, { maxSteps: 2, checkpoint: { dir } });
    const net = seededTiny(0.1);
    const given = net.stateDict();
    const values = flat(given);
    const trainer = makeTrainer(net);
    await trainer.loadCheckpoint(dir);
    // A copy of 100 MB in one go would hold the event loop up.
    expect(flat(given)).toEqual(values);
    expect(flat(net.stateDict())).toEqual(weights);
    expect(flat(await trainer.stateDict())).toEqual(weights);
  });

  test('says so where there is no checkpoint', async () => {
    const dir = await temporaryFolder();
    const trainer = makeTrainer(seededTiny());
    for (const path of [dir, join(dir, 'none')]) {
      await expect(trainer.loadCheckpoint(path)).rejects.toThrow(/there is no checkpoint in/);
    }
    expect(await latestCheckpoint(dir)).toBeUndefined();
    const file = join(dir, 'model.safetensors');
    await writeFile(file, '');
    await expect(trainer.loadCheckpoint(file)).rejects.toThrow(
      `expected a checkpoint, which is a directory, or a directory of some, got the file ${file}`,
    );
    for (const call of [latestCheckpoint, loadCheckpointModel]) {
      await expect(call(undefined as never)).rejects.toThrow(
        `${call.name} expects ${call === latestCheckpoint ? 'dir' : 'path'} to be a path`,
      );
    }
  });
});
