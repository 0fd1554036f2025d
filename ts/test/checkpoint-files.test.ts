/** Checkpoint directories: which is the newest, faults and kills at every point of writing. */
import fs, { mkdir, open, readdir, readlink, rename, rm } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join, relative } from 'node:path';
import { CheckpointError, latestCheckpoint, loadCheckpointModel, models } from 'neuronode';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { temporaryFolder } from './data-support.js';
import {
  flat,
  learnableLoader,
  makeTrainer,
  seededTiny,
  startScript,
  takeBatches,
  trainTwoEpochs as train,
} from './trainer-support.js';

/** Calls back, with the file's path, before each file is synced; until the test is over. */
async function onEverySync(callback: (path: string) => Promise<void>): Promise<void> {
  const file = await open('/dev/null');
  const prototype = Object.getPrototypeOf(file) as typeof file;
  await file.close();
  const original = prototype.sync;
  const sync = vi.spyOn(prototype, 'sync').mockImplementation(async function (this: typeof file) {
    await callback(await readlink(`/proc/self/fd/${this.fd}`));
    await original.call(this);
  });
  onTestFinished(() => sync.mockRestore());
}

describe('a checkpoint', () => {
  test('of a fresh run counts as the newest beside those of a longer one', async () => {
    const dir = await temporaryFolder();
    const long = await train(() => seededTiny(), 10, { checkpoint: { dir } });
    const checkpoint = { dir, everySteps: 1, keepLast: 1 };
    const fresh = await train(() => seededTiny(0.1), 10, { maxSteps: 3, checkpoint });
    // The long run's checkpoints stay.
    const all = ['step-00000003', 'step-00000005', 'step-00000010'];
    expect((await readdir(dir)).sort()).toEqual(all);
    expect(await latestCheckpoint(dir)).toBe(join(dir, 'step-00000003'));

    // A resumed run goes on with the run's name: it deletes the checkpoint that it came from.
    const options = { maxSteps: 1, resume: dir, checkpoint };
    const resumed = await train(() => seededTiny(0.1), 10, options);
    expect([...resumed.losses.keys()]).toEqual([4]);
    expect(resumed.weights).not.toEqual(fresh.weights);
    expect((await readdir(dir)).sort()).toEqual(['step-00000004', ...all.slice(1)]);

    const loaded = makeTrainer(seededTiny());
    await loaded.loadCheckpoint(join(dir, 'step-00000010'));
    expect(flat(await loaded.stateDict())).toEqual(long.weights);
  });

  test('is synced once, file by file, before it becomes visible', async () => {
    const dir = await temporaryFolder();
    const synced: string[] = [];
    const trainer = makeTrainer(seededTiny());
    await trainer.compile({ batchSize: 16, imageShape: [1, 10, 10] });
    await onEverySync(async (path) => {
      const visible = (await readdir(dir)).includes('step-00000000');
      synced.push(`${relative(dir, path).replace(/^\.temporary[^/]*/, 'new')} ${visible}`);
    });
    await trainer.saveCheckpoint(dir);
    expect(synced.map((line) => line.replace(/\.[0-9a-f]{12}\.tmp/, ''))).toEqual([
      'new/model.safetensors false',
      'new/optimizer.safetensors false',
      'new/state.json false',
      'new false',
      ' true',
    ]);
  });

  test('is written while training goes on', async () => {
    const dir = await temporaryFolder();
    let open = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    await onEverySync(() => gate);
    const batches = await takeBatches(learnableLoader(32, {}, 10), 2);
    const trainer = makeTrainer(seededTiny());
    await trainer.step(batches[0]!);
    const weights = flat(await trainer.stateDict());
    const saving = trainer.saveCheckpoint(dir);
    expect((await trainer.step(batches[1]!)).step).toBe(2);
    await trainer.loadStateDict(seededTiny(0.1).stateDict());

    // In fit too; nothing opens the gate before the third step after the checkpoint's.
    const fitted = makeTrainer(seededTiny());
    const saved: string[] = [];
    const result = await fitted.fit(learnableLoader(80, {}, 10), {
      epochs: 1,
      log: false,
      checkpoint: { dir: join(dir, 'fit'), everySteps: 2, onSave: (path) => saved.push(path) },
      onStep: ({ step }) => {
        if (step === 4) {
          expect(saved).toEqual([]);
          open();
        }
      },
    });
    const names = ['step-00000002', 'step-00000004', 'step-00000005'];
    expect(saved).toEqual(names.map((name) => join(dir, 'fit', name)));
    expect(result.checkpoint).toBe(saved[2]);

    // It holds the moment of the call.
    const loaded = makeTrainer(seededTiny());
    await loaded.loadCheckpoint(await saving);
    expect(loaded.stepCount).toBe(1);
    expect(flat(await loaded.stateDict())).toEqual(weights);
  });

  test('that cannot be written ends fit soon', async () => {
    const dir = await temporaryFolder();
    await onEverySync(() => Promise.reject(new Error('EIO: injected')));
    const steps: number[] = [];
    const fit = makeTrainer(seededTiny()).fit(learnableLoader(320, {}, 10), {
      epochs: 1,
      log: false,
      checkpoint: { dir, everySteps: 2 },
      onStep: async ({ step }) => {
        steps.push(step);
        await new Promise((resolve) => setTimeout(resolve, 5));
      },
    });
    await expect(fit).rejects.toThrow(/EIO: injected/);
    await expect(fit).rejects.toBeInstanceOf(CheckpointError);
    expect(steps.length).toBeLessThan(20);
    expect(await readdir(dir)).toEqual([]);
  });

  test('whose predecessor cannot be deleted is there; the error is typed', async () => {
    const dir = await temporaryFolder();
    const trainer = makeTrainer(seededTiny());
    await trainer.compile({ batchSize: 16, imageShape: [1, 10, 10] });
    await trainer.saveCheckpoint(dir);
    const [batch] = await takeBatches(learnableLoader(16, {}, 10), 1);
    await trainer.step(batch!);
    const { rename: original } = fs;
    const remove = vi.spyOn(fs, 'rename').mockImplementation(async (from, to) => {
      if (String(from).endsWith('step-00000000')) throw new Error('EBUSY: injected');
      return original(from, to);
    });
    syncBuiltinESMExports();
    onTestFinished(() => {
      remove.mockRestore();
      syncBuiltinESMExports();
    });
    const error = await trainer.saveCheckpoint(dir, { keepLast: 1 }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(CheckpointError);
    expect(String(error)).toMatch(/could not delete an old checkpoint from .*EBUSY: injected/);
    expect(await latestCheckpoint(dir)).toBe(join(dir, 'step-00000001'));
  });
});

describe('two writers of one step', () => {
  test('in one process both succeed, each time', async () => {
    const dir = await temporaryFolder();
    const trainers = [];
    for (let i = 0; i < 4; i++) {
      const trainer = makeTrainer(seededTiny(0.1 * i));
      await trainer.compile({ batchSize: 16, imageShape: [1, 10, 10] });
      trainers.push(trainer);
    }
    for (let round = 0; round < 10; round++) {
      const paths = await Promise.all(trainers.map((trainer) => trainer.saveCheckpoint(dir)));
      expect(new Set(paths)).toEqual(new Set([join(dir, 'step-00000000')]));
      expect(await readdir(dir)).toEqual(['step-00000000']);
      await makeTrainer(seededTiny()).loadCheckpoint(dir);
    }
  });

  test('in two processes both succeed, with one to read at any time', async () => {
    const dir = await temporaryFolder();
    const script = `
      import { models, nn, optim, Trainer } from 'neuronode';
      const net = models.lenet();
      const trainer = new Trainer(net, {
        loss: new nn.CrossEntropyLoss(),
        optimizer: new optim.Adam(net.parameters()),
        device: 'cpu',
      });
      await trainer.compile({ batchSize: 1, imageShape: [1, 28, 28] });
      await trainer.saveCheckpoint(${JSON.stringify(dir)});
      console.log('first');
      for (let i = 0; i < 40; i++) await trainer.saveCheckpoint(${JSON.stringify(dir)});
      await trainer.dispose();`;
    const children = [1, 2].map(() => startScript(script, { OMP_NUM_THREADS: '1' }));
    await Promise.all(children.map((child) => child.waitFor('first')));
    let isOver = false;
    const ended = Promise.all(children.map((child) => child.ended)).finally(() => {
      isOver = true;
    });
    while (!isOver) expect((await loadCheckpointModel(dir)).step).toBe(0);
    for (const { status, stderr } of await ended) expect([status, stderr]).toEqual([0, '']);
    expect(await readdir(dir)).toEqual(['step-00000000']);
  });

  test('leave alone what another machine is writing', async () => {
    const dir = await temporaryFolder();
    const [own] = await ownedNames(dir);
    const pid = own!.split('-')[2];
    // The process number of another machine's process may be that of a dead one here.
    const theirs = own!.replace(/-[0-9a-f]{8}-\d+-/, '-00000000-999999-');
    const gone = own!.replace(`-${pid}-`, '-999999-');
    const aside = `step-00000001.old${gone.slice('.temporary'.length)}`;
    for (const name of [theirs, gone, aside, 'step-00000001']) await mkdir(join(dir, name));
    const trainer = makeTrainer(seededTiny());
    await trainer.compile({ batchSize: 16, imageShape: [1, 10, 10] });
    await trainer.saveCheckpoint(dir);
    expect((await readdir(dir)).sort()).toEqual([theirs, 'step-00000000', 'step-00000001']);
  });

  /** Names that this process gives to what is unfinished. */
  async function ownedNames(dir: string): Promise<string[]> {
    const names: string[] = [];
    await onEverySync(async () => {
      names.push(...(await readdir(dir)).filter((name) => name.startsWith('.temporary')));
    });
    const trainer = makeTrainer(seededTiny());
    await trainer.compile({ batchSize: 16, imageShape: [1, 10, 10] });
    await rm(await trainer.saveCheckpoint(dir), { recursive: true });
    return names;
  }
});

describe('a kill', () => {
  test('at any moment of writing leaves the last whole checkpoint', async () => {
    const dir = await temporaryFolder();
    // Saves without end; 256 KB of weights, so that kills fall into every part of the writing.
    const script = `
      import { manualSeed, models, nn, optim, Trainer } from 'neuronode';
      manualSeed(0);
      const net = models.lenet();
      const trainer = new Trainer(net, {
        loss: new nn.CrossEntropyLoss(),
        optimizer: new optim.Adam(net.parameters()),
      });
      const image = new Uint8Array(2 * 784);
      const batch = { image, imageShape: [2, 1, 28, 28], label: Int32Array.of(0, 1) };
      for (;;) {
        await trainer.step(batch);
        console.log(await trainer.saveCheckpoint(${JSON.stringify(dir)}, { keepLast: 2 }));
      }`;
    for (let kill = 0; kill < 4; kill++) {
      const child = startScript(script, { OMP_NUM_THREADS: '1' });
      await child.waitFor('step-00000002');
      await new Promise((resolve) => setTimeout(resolve, 7 * kill));
      child.kill('SIGKILL');
      const { signal, stdout } = await child.ended;
      expect(signal).toBe('SIGKILL');
      const reported = stdout.trimEnd().split('\n').at(-1);
      const trainer = makeTrainer(new models.LeNet());
      await trainer.loadCheckpoint(dir);
      // The last that was reported, or one that became visible just before the kill.
      const step = Number(/(\d+)$/.exec(reported ?? '')?.[1]);
      expect(trainer.stepCount).toBeGreaterThanOrEqual(step);
    }
    // What the kills left behind goes away with the next checkpoint.
    const next = makeTrainer(seededTiny());
    await next.compile({ batchSize: 2, imageShape: [1, 10, 10] });
    await next.saveCheckpoint(dir);
    const hidden = (await readdir(dir)).filter((name) => name.startsWith('.'));
    expect(hidden).toEqual([]);
  });

  test('between the two renames of a replacement leaves the old one in use', async () => {
    const dir = await temporaryFolder();
    const { weights } = await train(() => seededTiny(), 10, { maxSteps: 2, checkpoint: { dir } });
    const path = join(dir, 'step-00000002');
    await rename(path, `${path}.old`);
    await mkdir(join(dir, '.temporary-999999-0-abcdef01'));
    expect(await latestCheckpoint(dir)).toBe(`${path}.old`);
    const trainer = makeTrainer(seededTiny());
    await trainer.loadCheckpoint(dir);
    expect(flat(await trainer.stateDict())).toEqual(weights);
    await trainer.compile({ batchSize: 16, imageShape: [1, 10, 10] });
    expect(await trainer.saveCheckpoint(dir)).toBe(path);
    expect(await readdir(dir)).toEqual(['step-00000002']);
  });
});
