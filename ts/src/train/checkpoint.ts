/**
 * Owns the contents of a checkpoint: model.safetensors, optimizer.safetensors and state.json.
 *
 * Policy: weights have PyTorch's state_dict names, optimizer state those of the training program
 * (`exp_avg.conv.0.weight`). Everything is read and checked before anything is given to a trainer.
 */
import { open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError } from '../errors.js';
import type { Module, StateDict, StateTensor } from '../nn/index.js';
import * as safetensors from '../safetensors.js';
import {
  checkpointName,
  deleteOldCheckpoints,
  checkpointFiles as files,
  listCheckpoints,
  writeCheckpointDirectory,
} from './checkpoint-files.js';
import { type CheckpointState, parseCheckpointState } from './checkpoint-state.js';

/** What a checkpoint holds. */
export interface CheckpointContents {
  /** Where it was read from. */
  readonly path: string;
  readonly model: StateDict;
  readonly optimizer: Record<string, StateTensor>;
  readonly state: CheckpointState;
}

/**
 * Writes a checkpoint as a whole, then deletes old ones of the same run.
 *
 * @param dir Directory of the checkpoints.
 * @param keepLast Newest checkpoints of the run to keep; all where undefined.
 * @returns Path of the checkpoint.
 * @throws CheckpointError where it cannot be written.
 */
export async function saveCheckpoint(
  dir: string,
  keepLast: number | undefined,
  contents: Omit<CheckpointContents, 'path'>,
): Promise<string> {
  const { model, optimizer, state } = contents;
  const path = await writeCheckpointDirectory(dir, state.step, async (temporary) => {
    await safetensors.save(join(temporary, files.model), model);
    await safetensors.save(join(temporary, files.optimizer), optimizer);
    await writeSynced(join(temporary, files.state), `${JSON.stringify(state, null, 2)}\n`);
  });
  if (keepLast !== undefined) await deleteOldCheckpoints(dir, state.run, keepLast, path);
  return path;
}

async function writeSynced(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * Path of the checkpoint in a directory that was written last, whichever run wrote it, or undefined
 * where it has none.
 *
 * @throws CheckpointError where the directory cannot be read.
 */
export async function latestCheckpoint(dir: string): Promise<string | undefined> {
  return (await listCheckpoints(dir)).at(-1)?.path;
}

/**
 * Reads a checkpoint.
 *
 * @param path The checkpoint, or a directory of checkpoints, of which the newest is read.
 * @throws CheckpointError where there is none, or it is damaged.
 */
export async function loadCheckpoint(path: string): Promise<CheckpointContents> {
  const found = (await isFile(join(path, files.state))) ? path : await latestCheckpoint(path);
  if (found === undefined) {
    throw new CheckpointError(
      `there is no checkpoint in ${path}: expected it to be one (with a ${files.state}), or a ` +
        `directory that has some (such as ${checkpointName(469)})`,
    );
  }
  const statePath = join(found, files.state);
  let text: string;
  try {
    text = await readFile(statePath, 'utf8');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CheckpointError(`${statePath} could not be read: ${reason}`, { cause: error });
  }
  return {
    path: found,
    state: parseCheckpointState(text, statePath),
    model: await loadTensors(join(found, files.model)),
    optimizer: await loadTensors(join(found, files.optimizer)),
  };
}

/**
 * Copies a checkpoint's parameters into a network.
 *
 * @throws CheckpointError where they are of another one; nothing is changed then.
 */
export function loadModel(net: Module, { path, model }: CheckpointContents): void {
  try {
    net.loadStateDict(model);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new CheckpointError(`${path} is not of this network: ${message}`, { cause: error });
  }
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return false;
    throw new CheckpointError(`${path} could not be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

async function loadTensors(path: string): Promise<Record<string, StateTensor>> {
  let stored: Awaited<ReturnType<typeof safetensors.load>>;
  try {
    stored = await safetensors.load(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CheckpointError(`the checkpoint is damaged: ${reason}`, { cause: error });
  }
  const tensors: [string, StateTensor][] = Object.entries(stored).map(([name, tensor]) => {
    const { data, shape } = tensor;
    if (data instanceof Float32Array) return [name, { data, shape }];
    throw new CheckpointError(
      `${path}: expected ${name} to be of f32 values, got a ${data.constructor.name}`,
    );
  });
  return Object.fromEntries(tensors);
}
