/**
 * Owns the checkpoint directories on disk: their names, how one comes into being whole, which one
 * is the latest, and which are deleted.
 *
 * Policy: a checkpoint is written into a hidden directory beside its place, every file is synced
 * once, then the directory, and one rename makes it visible; a kill at any moment leaves the earlier
 * ones untouched. A directory that takes the place of one of the same step sets that one aside as
 * `step-N.old` first, which counts as the checkpoint of its step until the new one is there. One that
 * is deleted is renamed to a hidden name first, so that it too goes as a whole.
 *
 * Several runs may write into one directory. The latest checkpoint is the one that was written last,
 * whatever its step and run; a run deletes old checkpoints of its own only.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { threadId } from 'node:worker_threads';
import { CheckpointError } from '../errors.js';
import { parseOrigin } from './checkpoint-state.js';

const stepPattern = /^step-(\d{8,})(\.old)?$/;
const temporaryPattern = /^\.temporary-(\d+)-\d+-[0-9a-f]+$/;

/** Names of a checkpoint's files. */
export const checkpointFiles = {
  model: 'model.safetensors',
  optimizer: 'optimizer.safetensors',
  state: 'state.json',
} as const;

/** A checkpoint found in a directory. */
export interface FoundCheckpoint {
  readonly path: string;
  readonly step: number;
  /** The run that wrote it; undefined where its state is damaged. */
  readonly run: string | undefined;
  /** When it was written, in milliseconds since 1970. */
  readonly savedAt: number;
}

/** `step-00000469` */
export function checkpointName(step: number): string {
  return `step-${String(step).padStart(8, '0')}`;
}

/**
 * The checkpoints in a directory, in the order in which they were written. A directory that does not
 * exist has none.
 *
 * @throws {@link CheckpointError} where the directory cannot be read.
 */
export async function listCheckpoints(dir: string): Promise<FoundCheckpoint[]> {
  const paths = new Map<number, string>();
  for (const name of await entries(dir)) {
    const match = stepPattern.exec(name);
    if (match === null) continue;
    const step = Number(match[1]);
    const isOld = match[2] !== undefined;
    if (!isOld || !paths.has(step)) paths.set(step, join(dir, name));
  }
  const found: FoundCheckpoint[] = [];
  for (const [step, path] of paths) {
    const origin = await originOf(path);
    if (origin !== undefined) found.push({ path, step, ...origin });
  }
  return found.sort((a, b) => a.savedAt - b.savedAt || a.step - b.step);
}

/**
 * The run and time of a checkpoint. One that is damaged has its directory's time, so that whoever
 * loads it is told what is wrong with it; one that another process deletes meanwhile has none.
 */
async function originOf(
  path: string,
): Promise<Pick<FoundCheckpoint, 'run' | 'savedAt'> | undefined> {
  try {
    const origin = parseOrigin(await readFile(join(path, checkpointFiles.state), 'utf8'));
    if (origin !== undefined) return origin;
  } catch (error) {
    if (!isMissing(error)) throw unusable(path, 'read', error);
  }
  try {
    return { run: undefined, savedAt: (await stat(path)).mtimeMs };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw unusable(path, 'read', error);
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}

async function entries(dir: string): Promise<string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    if (isMissing(error)) return [];
    throw unusable(dir, 'read', error);
  }
}

function unusable(dir: string, doing: string, error: unknown): CheckpointError {
  const message = error instanceof Error ? error.message : String(error);
  return new CheckpointError(`could not ${doing} the checkpoint directory ${dir}: ${message}`, {
    cause: error,
  });
}

/**
 * Writes one checkpoint as a whole.
 *
 * @param dir Directory of the checkpoints; created if need be.
 * @param step Number of the step, which names the checkpoint.
 * @param write Fills the directory that it is given, and syncs each file.
 * @returns Path of the finished checkpoint.
 * @throws {@link CheckpointError} where a file cannot be written; nothing visible has changed then.
 */
export async function writeCheckpointDirectory(
  dir: string,
  step: number,
  write: (temporary: string) => Promise<void>,
): Promise<string> {
  const temporary = join(dir, temporaryName());
  const final = join(dir, checkpointName(step));
  try {
    await mkdir(dir, { recursive: true });
    await removeLeftovers(dir);
    await mkdir(temporary);
    try {
      await write(temporary);
      await sync(temporary);
      await replace(temporary, final);
      await sync(dir);
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
  } catch (error) {
    if (error instanceof CheckpointError) throw error;
    throw unusable(dir, 'write to', error);
  }
  return final;
}

/** Renames a directory to a name that may be taken by an earlier one. */
async function replace(temporary: string, final: string): Promise<void> {
  const old = `${final}.old`;
  try {
    await rename(temporary, final);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw error;
    await removeWhole(old);
    await rename(final, old);
    await rename(temporary, final);
  }
  await removeWhole(old);
}

function temporaryName(): string {
  return `.temporary-${process.pid}-${threadId}-${randomBytes(4).toString('hex')}`;
}

/** Deletes a checkpoint, if it is there, so that a kill never leaves half of one visible. */
async function removeWhole(path: string): Promise<void> {
  const hidden = join(dirname(path), temporaryName());
  try {
    await rename(path, hidden);
  } catch (error) {
    if (isMissing(error)) return;
    throw error;
  }
  await rm(hidden, { recursive: true, force: true });
}

async function sync(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Removes what processes that are gone left unfinished. */
async function removeLeftovers(dir: string): Promise<void> {
  for (const name of await readdir(dir)) {
    const match = temporaryPattern.exec(name);
    if (match === null || isAlive(Number(match[1]))) continue;
    await rm(join(dir, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: the process is there and is someone else's.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * Deletes all but the `keep` newest checkpoints of a run; `current` always stays.
 *
 * @throws {@link CheckpointError} where one cannot be deleted.
 */
export async function deleteOldCheckpoints(
  dir: string,
  run: string,
  keep: number,
  current: string,
): Promise<void> {
  const own = (await listCheckpoints(dir)).filter((checkpoint) => checkpoint.run === run);
  for (const { path } of own.slice(0, Math.max(0, own.length - keep))) {
    if (path === current) continue;
    try {
      await removeWhole(path);
    } catch (error) {
      throw unusable(dir, 'delete an old checkpoint from', error);
    }
  }
}
