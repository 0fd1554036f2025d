/**
 * Owns the contents of a checkpoint: model.safetensors, optimizer.safetensors and state.json.
 *
 * Policy: weights have PyTorch's state_dict names, optimizer state those of the training program
 * (`exp_avg.conv.0.weight`). Everything is read and checked, each file against its checksum, before
 * anything is given to a trainer. In a directory of checkpoints a damaged one gives way to the one
 * that its run wrote before, with a warning that names both.
 */
import { createHash } from 'node:crypto';
import { lstat, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { checkPath } from '../arguments.js';
import { CheckpointError, OutOfMemoryError, reasonOf } from '../errors.js';
import { type Digest, readSmall, replaceFile, writeNew } from '../files.js';
import type { Module, Outputs, StateDict, StateTensor } from '../nn/index.js';
import { adoptStateDict } from '../nn/module.js';
import * as safetensors from '../safetensors.js';
import { fileParts } from '../safetensors-format.js';
import {
  checkpointName,
  deleteOldCheckpoints,
  type FoundCheckpoint,
  checkpointFiles as files,
  listCheckpoints,
  writeCheckpointDirectory,
} from './checkpoint-files.js';
import {
  type CheckpointState,
  checkpointVersion,
  DamagedCheckpointError,
  formatState,
  longestState,
  parseCheckpointState,
} from './checkpoint-state.js';

/** The parameters of a checkpoint. */
export interface CheckpointModel {
  /** The checkpoint that they were read from. */
  readonly path: string;
  /** Steps that it had taken. */
  readonly step: number;
  readonly model: StateDict;
}

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
  // So that a file tells what it is of, even alone.
  const origin = { run: state.run, step: String(state.step) };
  const path = await writeCheckpointDirectory(dir, state.step, async (temporary) => {
    const write = (name: string, tensors: Readonly<Record<string, StateTensor>>) =>
      writeNew(join(temporary, name), fileParts(tensors, origin));
    const digests: Record<string, Digest> = {
      [files.model]: await write(files.model, model),
      [files.optimizer]: await write(files.optimizer, optimizer),
    };
    const text = Buffer.from(formatState({ ...state, files: digests }));
    const parts = [{ name: files.state, bytes: text, length: text.length }];
    await writeNew(join(temporary, files.state), parts);
  });
  if (keepLast !== undefined) await deleteOldCheckpoints(dir, state.run, keepLast, path);
  return path;
}

/**
 * Changes where a checkpoint of a run stands, in one step: a reader sees the old or the new. One that
 * is not there any more, or that another run has replaced, is left alone.
 *
 * @throws CheckpointError where it cannot be read or written.
 */
export async function amendCheckpoint(
  path: string,
  run: string,
  position: Pick<CheckpointState, 'epoch' | 'batch' | 'sums' | 'loader'>,
): Promise<void> {
  let state: CheckpointState;
  try {
    state = await readState(path);
  } catch (error) {
    if (!(await isThere(path))) return;
    throw error;
  }
  if (state.run !== run || state.version !== checkpointVersion) return;
  const { epoch, batch, sums, loader } = position;
  const text = Buffer.from(formatState({ ...state, epoch, batch, sums, loader }));
  const file = join(path, files.state);
  try {
    await replaceFile(file, [{ name: files.state, bytes: text, length: text.length }]);
  } catch (error) {
    throw new CheckpointError(`${file} could not be written: ${reasonOf(error)}`, { cause: error });
  }
}

/**
 * Path of the checkpoint in a directory that was written last, whichever run wrote it, or undefined
 * where it has none. Its files are not read: to go on where it is damaged is for those that load it.
 *
 * @throws ArgumentError for what is no path.
 * @throws CheckpointError where the directory cannot be read.
 */
export async function latestCheckpoint(dir: string): Promise<string | undefined> {
  checkPath('latestCheckpoint', 'dir', dir);
  return (await listCheckpoints(dir)).at(-1)?.path;
}

/**
 * Reads a checkpoint.
 *
 * @param path The checkpoint, or a directory of checkpoints, of which the newest is read that is not
 *   damaged.
 * @throws CheckpointError where there is none, or it is damaged.
 */
export async function loadCheckpoint(path: string): Promise<CheckpointContents> {
  return readFrom(path, async (found) => {
    const state = await readState(found);
    const model = await loadTensors(found, files.model, state, true);
    return {
      path: found,
      state,
      model,
      optimizer: await loadTensors(found, files.optimizer, state, false),
    };
  });
}

/**
 * Reads the parameters of a checkpoint, for use without a trainer:
 * `net.loadStateDict((await loadCheckpointModel('checkpoints')).model)`.
 *
 * @param path The checkpoint, or a directory of checkpoints, of which the newest is read that is not
 *   damaged; a warning of the process tells of one that was left out.
 * @throws ArgumentError for what is no path.
 * @throws CheckpointError where there is none, or it is damaged.
 * @throws OutOfMemoryError where there is no memory for its tensors.
 */
export async function loadCheckpointModel(path: string): Promise<CheckpointModel> {
  checkPath('loadCheckpointModel', 'path', path);
  return readFrom(path, async (found) => {
    const state = await readState(found);
    return {
      path: found,
      step: state.step,
      model: await loadTensors(found, files.model, state, true),
    };
  });
}

/** Reads the checkpoint at a path, or the newest of a directory that can be read. */
async function readFrom<T extends object>(
  path: string,
  read: (path: string) => Promise<T>,
): Promise<T> {
  const named = (await isThere(join(path, files.state)))
    ? await readSettled(path, read)
    : undefined;
  if (named !== undefined) return named;
  const newest = (await listCheckpoints(path)).reverse();
  const [first] = newest;
  if (first === undefined) {
    throw new CheckpointError(
      `there is no checkpoint in ${path}: expected it to be one (with a ${files.state}), or a ` +
        `directory that has some (such as ${checkpointName(469)})`,
    );
  }
  const damage: DamagedCheckpointError[] = [];
  for (const found of newest.filter((each) => isOfRun(each, first.run))) {
    try {
      const contents = await readSettled(found.path, read);
      // It went meanwhile, so there is a newer one.
      if (contents === undefined) return readFrom(path, read);
      if (damage.length > 0) tellOfDamage(damage, found);
      return contents;
    } catch (error) {
      if (!(error instanceof DamagedCheckpointError)) throw error;
      damage.push(error);
    }
  }
  const [newestDamage] = damage;
  if (damage.length === 1 && newest.length === 1) throw newestDamage;
  const others = newest.length - damage.length;
  throw new CheckpointError(
    `${newestDamage?.message} It is the newest in ${path}; ` +
      (damage.length === 1
        ? 'its run has no other there'
        : `the ${damage.length - 1} that its run wrote before are damaged too`) +
      (others === 0 ? '.' : `. There are ${others} of other runs; name one to go on from it.`),
    { cause: damage.length === 1 ? newestDamage : new AggregateError(damage) },
  );
}

/**
 * Reads a checkpoint; again, where another process has replaced it in the midst of it. undefined
 * where there is none any more.
 */
async function readSettled<T extends object>(
  path: string,
  read: (path: string) => Promise<T>,
): Promise<T | undefined> {
  for (;;) {
    const before = await directoryAt(path);
    if (before === undefined) return undefined;
    try {
      return await read(path);
    } catch (error) {
      const isSame = (await directoryAt(path)) === before;
      if (isSame || !(error instanceof DamagedCheckpointError)) throw error;
    }
  }
}

/** What tells a directory from another that takes its name; undefined where there is none. */
async function directoryAt(path: string): Promise<string | undefined> {
  for (const look of [stat, lstat]) {
    try {
      const { ino, ctimeNs } = await look(path, { bigint: true });
      return `${ino} ${ctimeNs}`;
    } catch {
      // A link that leads nowhere is there all the same. What is wrong with it, the reader is told.
    }
  }
  return undefined;
}

/** Whether a checkpoint may stand in for one of a run; of one whose run is unknown, any may. */
function isOfRun(found: FoundCheckpoint, run: string | undefined): boolean {
  return run === undefined || found.run === undefined || found.run === run;
}

function tellOfDamage(damage: readonly DamagedCheckpointError[], used: FoundCheckpoint): void {
  const reasons = damage.map(({ message }) => message).join('\n');
  process.emitWarning(`${reasons}\nUsing the one before instead: ${used.path}`, {
    type: 'CheckpointWarning',
    code: 'WARN_NN_CHECKPOINT_DAMAGED',
  });
}

async function readState(path: string): Promise<CheckpointState> {
  const file = join(path, files.state);
  let bytes: Buffer;
  try {
    bytes = await readSmall(file, longestState);
  } catch (error) {
    throw unreadable(error, `${file} could not be read: ${reasonOf(error)}`);
  }
  return parseCheckpointState(bytes, file);
}

/**
 * Gives a checkpoint's parameters to a network, which takes their arrays over.
 *
 * @throws CheckpointError where they are of another one; nothing is changed then.
 */
export function loadModel(net: Module<Outputs>, { path, model }: CheckpointContents): void {
  try {
    adoptStateDict(net, model);
  } catch (error) {
    throw new CheckpointError(`${path} is not of this network: ${reasonOf(error)}`, {
      cause: error,
    });
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return false;
    throw new CheckpointError(`${path} could not be read: ${reasonOf(error)}`, { cause: error });
  }
}

/** Failures to read that tell of the process or its rights, and nothing of the files. */
const notOfTheFile = new Set(['EACCES', 'EPERM', 'EMFILE', 'ENFILE', 'ENOMEM']);

/** The error for a file that could not be read: damage, unless the file is not to blame. */
function unreadable(error: unknown, message: string): CheckpointError {
  const { code, cause } = error as NodeJS.ErrnoException & { cause?: NodeJS.ErrnoException };
  return [code, cause?.code].some((each) => each !== undefined && notOfTheFile.has(each))
    ? new CheckpointError(message, { cause: error })
    : new DamagedCheckpointError(message, { cause: error });
}

/** @param hasIntegers Whether tensors may be of i32: a model's buffers are. */
async function loadTensors(
  dir: string,
  name: string,
  state: CheckpointState,
  hasIntegers: boolean,
): Promise<Record<string, StateTensor>> {
  const path = join(dir, name);
  const hash = createHash('sha256');
  let stored: Awaited<ReturnType<typeof safetensors.readFile>>;
  try {
    stored = await safetensors.readFile(path, hash);
  } catch (error) {
    // The file is not to blame.
    if (error instanceof OutOfMemoryError) throw error;
    throw unreadable(error, `the checkpoint is damaged: ${reasonOf(error)}`);
  }
  if (state.files !== undefined) {
    const wanted = state.files[name]?.sha256;
    const got = hash.digest('hex');
    if (got !== wanted) {
      const { step } = stored.metadata;
      const isOther = step !== undefined && step !== String(state.step);
      const what = isOther ? `it is of step ${step}, not ${state.step}; ` : '';
      throw new DamagedCheckpointError(
        `the checkpoint is damaged: ${path}: ${what}expected sha256 ${wanted}, got ${got}.`,
      );
    }
  }
  const tensors: [string, StateTensor][] = Object.entries(stored.tensors).map(([each, tensor]) => {
    const { data, shape } = tensor;
    if (data instanceof Float32Array) return [each, { data, shape }];
    if (hasIntegers && data instanceof Int32Array) return [each, { data, shape }];
    throw new DamagedCheckpointError(
      `${path}: expected ${each} to be of f32 values, got a ${data.constructor.name}`,
    );
  });
  return Object.fromEntries(tensors);
}
