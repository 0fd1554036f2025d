/** Damaged checkpoints: every changed byte is noticed, and the one before is used instead. */
import { cp, mkdir, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError, loadCheckpointModel, OutOfMemoryError, safetensors } from 'neuronode';
import { describe, expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from './data-support.js';
import {
  asFirstVersion,
  flat,
  makeTrainer,
  seededTiny,
  trainTwoEpochs as train,
} from './trainer-support.js';

const names = ['model.safetensors', 'optimizer.safetensors', 'state.json'];

/** A directory with the checkpoints of one run, by everySteps 1, and the weights of its end. */
async function checkpoints(maxSteps: number): Promise<{ dir: string; weights: Float32Array }> {
  const dir = await temporaryFolder();
  const checkpoint = { dir, everySteps: 1 };
  const { weights } = await train(() => seededTiny(), 10, { maxSteps, checkpoint });
  return { dir, weights };
}

const stepPath = (dir: string, step: number) => join(dir, `step-0000000${step}`);

/** Changes bits of one byte of a file. */
async function flip(path: string, at: number, bits: number): Promise<void> {
  const bytes = await readFile(path);
  bytes[at % bytes.length]! ^= bits;
  await writeFile(path, bytes);
}

/** The process's warnings of damaged checkpoints, as they come. */
function warnings(): string[] {
  const found: string[] = [];
  const listen = (warning: Error & { code?: string }) => {
    if (warning.code === 'WARN_NN_CHECKPOINT_DAMAGED') found.push(warning.message);
  };
  process.on('warning', listen);
  onTestFinished(() => {
    process.off('warning', listen);
  });
  return found;
}

describe('a changed byte is noticed', () => {
  test.each(names)('in %s, wherever it is', async (name) => {
    const { dir } = await checkpoints(1);
    const file = join(stepPath(dir, 1), name);
    const whole = await readFile(file);
    const trainer = makeTrainer(seededTiny());
    await trainer.loadCheckpoint(dir);
    const before = flat(await trainer.stateDict());
    // Every byte of state.json; of the others 400, spread over header and data.
    const stride = name === 'state.json' ? 1 : Math.max(1, Math.floor(whole.length / 400));
    for (let at = 0; at < whole.length; at += stride) {
      const changed = Buffer.from(whole);
      changed[at]! ^= 1 << (at % 8);
      await writeFile(file, changed);
      const error = await trainer.loadCheckpoint(dir).catch((reason: unknown) => reason);
      expect(error, `byte ${at}`).toBeInstanceOf(CheckpointError);
      expect(String(error), `byte ${at}`).toContain(name);
    }
    expect(flat(await trainer.stateDict())).toEqual(before);
    await writeFile(file, whole);
    await trainer.loadCheckpoint(dir);
  });

  test.each([
    ['zeros', 0],
    ['NaN', Number.NaN],
  ])('where all weights became %s', async (_name, value) => {
    const { dir } = await checkpoints(1);
    const file = join(stepPath(dir, 1), 'model.safetensors');
    const tensors = await safetensors.load(file);
    for (const { data } of Object.values(tensors)) data.fill(value as never);
    await safetensors.save(file, tensors, await safetensors.metadata(file));
    await expect(loadCheckpointModel(dir)).rejects.toThrow(/model\.safetensors: expected sha256/);
  });

  test('where a file is of another step, which is named', async () => {
    const { dir } = await checkpoints(2);
    const [one, two] = [stepPath(dir, 1), stepPath(dir, 2)];
    await cp(join(one, 'optimizer.safetensors'), join(two, 'optimizer.safetensors'));
    const trainer = makeTrainer(seededTiny());
    await expect(trainer.loadCheckpoint(two)).rejects.toThrow(
      /optimizer\.safetensors: it is of step 1, not 2/,
    );
  });

  test.each([
    ['deep nesting', `{"version":1,"groups":${'['.repeat(1e6)}`],
    ['deep nesting of lists', '['.repeat(4e6)],
    ['too much', `{"run":"${'a'.repeat(5e6)}"}`],
    ['a first version with fields of the second', '{"version":1,"files":{}}'],
  ])('where state.json has %s: a typed error', async (_name, text) => {
    const { dir } = await checkpoints(1);
    await writeFile(join(stepPath(dir, 1), 'state.json'), text);
    const error = await loadCheckpointModel(dir).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(CheckpointError);
    expect(String(error).length).toBeLessThan(1000);
  });
});

describe('a damaged checkpoint gives way to the one before', () => {
  test.each(names)('where %s is changed, with a warning that names both', async (name) => {
    const { dir, weights } = await checkpoints(3);
    const told = warnings();
    const two = flat((await loadCheckpointModel(stepPath(dir, 2))).model);
    expect(two).not.toEqual(weights);
    await flip(join(stepPath(dir, 3), name), 300, 4);
    const trainer = makeTrainer(seededTiny());
    await trainer.loadCheckpoint(dir);
    expect(trainer.stepCount).toBe(2);
    expect(flat(await trainer.stateDict())).toEqual(two);
    await new Promise(setImmediate);
    expect(told).toHaveLength(1);
    expect(told[0]).toContain(join(stepPath(dir, 3), name));
    expect(told[0]).toContain(`Using the one before instead: ${stepPath(dir, 2)}`);

    // It goes on from there as it did then.
    const resumed = await train(() => seededTiny(), 10, { maxSteps: 1, resume: dir });
    expect([...resumed.losses.keys()]).toEqual([3]);
    expect(resumed.weights).toEqual(weights);
  });

  test('and to the one before that', async () => {
    const { dir } = await checkpoints(3);
    const told = warnings();
    await flip(join(stepPath(dir, 3), 'state.json'), 0, 1);
    await rm(join(stepPath(dir, 2), 'model.safetensors'));
    expect((await loadCheckpointModel(dir)).path).toBe(stepPath(dir, 1));
    await new Promise(setImmediate);
    expect(told[0]).toMatch(/step-00000003.*\n.*step-00000002.*\nUsing .*step-00000001$/);
  });

  test.each<[string, (path: string) => Promise<unknown>]>([
    ['a link that leads nowhere', (path) => symlink('nowhere', path)],
    ['a link that leads to itself', (path) => symlink(path, path)],
    ['a file', (path) => writeFile(path, '')],
    ['a directory without files', (path) => mkdir(path)],
  ])('where %s has its name', async (_, make) => {
    const { dir } = await checkpoints(2);
    const told = warnings();
    await make(stepPath(dir, 3));
    expect((await loadCheckpointModel(dir)).path).toBe(stepPath(dir, 2));
    await new Promise(setImmediate);
    expect(told).toEqual([expect.stringContaining(stepPath(dir, 3))]);
  });

  test('but not where it is asked for by name, nor to one of another run', async () => {
    const { dir } = await checkpoints(2);
    await train(() => seededTiny(0.1), 10, { maxSteps: 3, checkpoint: { dir } });
    const three = join(stepPath(dir, 3), 'model.safetensors');
    await flip(three, 1000, 1);
    await expect(loadCheckpointModel(stepPath(dir, 3))).rejects.toThrow(three);
    await expect(loadCheckpointModel(dir)).rejects.toThrow(
      /its run has no other there\. There are 2 of other runs; name one/,
    );
  });

  test('unless all are damaged', async () => {
    const { dir } = await checkpoints(2);
    for (const name of await readdir(dir)) await flip(join(dir, name, 'model.safetensors'), 900, 1);
    const error = await loadCheckpointModel(dir).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(CheckpointError);
    expect(String(error)).toMatch(/step-00000002.*the 1 that its run wrote before are damaged too/);
  });

  test('and neither does one for which there is no memory', async () => {
    const { dir } = await checkpoints(2);
    const path = join(stepPath(dir, 2), 'model.safetensors');
    const size = 2 ** 40;
    const header = { x: { dtype: 'F32', shape: [size / 4], data_offsets: [0, size] } };
    const text = Buffer.from(JSON.stringify(header));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    await writeFile(path, Buffer.concat([length, text]));
    await truncate(path, 8 + text.length + size);
    await expect(loadCheckpointModel(dir)).rejects.toBeInstanceOf(OutOfMemoryError);
  });

  test('and neither does one that this process may not read, or of a later version', async () => {
    const { dir } = await checkpoints(2);
    await asFirstVersion(stepPath(dir, 2), { version: 3 });
    await expect(loadCheckpointModel(dir)).rejects.toThrow(/or earlier, got 3/);
  });
});

test('a checkpoint of the first version, without checksums, is read', async () => {
  const { dir, weights } = await checkpoints(2);
  for (const name of await readdir(dir)) await asFirstVersion(join(dir, name));
  const trainer = makeTrainer(seededTiny());
  await trainer.loadCheckpoint(dir);
  expect(trainer.stepCount).toBe(2);
  expect(flat(await trainer.stateDict())).toEqual(weights);
});

test('a directory that cannot be made is an error at once, and later saves go on', async () => {
  const dir = await temporaryFolder();
  const trainer = makeTrainer(seededTiny());
  await trainer.compile({ batchSize: 16, imageShape: [1, 10, 10] });
  const failing = trainer.saveCheckpoint('/proc/neuronode/checkpoints');
  const saving = trainer.saveCheckpoint(join(dir, 'a', 'b'));
  await expect(failing).rejects.toThrow(CheckpointError);
  await expect(failing).rejects.toThrow(/could not write to .*\/proc\/neuronode\/checkpoints/);
  expect(await saving).toBe(join(dir, 'a', 'b', 'step-00000000'));
});
