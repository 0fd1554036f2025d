/**
 * Owns the checkpoint directories on disk: their names, how one comes into being whole, which one
 * is the latest, and which are deleted.
 *
 * Policy: a checkpoint is written into a hidden directory beside its place, every file is synced
 * once, then the directory, and one rename makes it visible; a kill at any moment leaves the earlier
 * ones untouched. A directory that takes the place of one of the same step sets that one aside as
 * `step-N.old-...` first, which counts as the checkpoint of its step until the new one is there. One
 * that is deleted is renamed to a hidden name first, so that it too goes as a whole.
 *
 * Several runs may write into one directory, in one process or many, and save the same step: each
 * has names of its own for what it sets aside, and the last one to be renamed stays. The latest
 * checkpoint is the one that was written last, whatever its step and run; a run deletes old
 * checkpoints of its own only. Names say which process they are of, and where it runs, so that what
 * a dead process left behind is removed, and what another machine is writing is not.
 */
import { createHash, randomBytes } from 'node:crypto';
import { readlinkSync } from 'node:fs';
import { lstat, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { threadId } from 'node:worker_threads';
import { CheckpointError, reasonOf } from '../errors.js';
import { isMissing, makeDirectories, readSmall } from '../files.js';
import { longestState, parseOrigin } from './checkpoint-state.js';

const stepPattern = /^step-(\d{8,})(\.old(?:-[0-9a-f-]+)?)?$/;
/** What is unfinished or set aside, and its owner: a place, which old names lack, and a process. */
const ownedPattern = /^(?:\.temporary|step-\d{8,}\.old)-(?:([0-9a-f]{8})-)?(\d+)-\d+-[0-9a-f]+$/;
/** Names without an owner, of an earlier version of this package. */
const unownedPattern = /^step-\d{8,}\.old$/;

/** Age from which what another machine left unfinished is taken for abandoned. */
const abandonedMs = 24 * 3600 * 1000;

/** Where process numbers are these: the machine, and the container on it. */
const place = createHash('sha256').update(`${hostname()} ${processNamespace()}`).digest('hex');

function processNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    // Not Linux: the machine has one.
    return '';
  }
}

/** A name of this thread's own behind a prefix. */
function ownedName(prefix: string): string {
  const random = randomBytes(4).toString('hex');
  return `${prefix}-${place.slice(0, 8)}-${process.pid}-${threadId}-${random}`;
}

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
 * @throws CheckpointError where the directory cannot be read.
 */
export async function listCheckpoints(dir: string): Promise<FoundCheckpoint[]> {
  for (;;) {
    const found = await checkpointsAmong(dir, await entries(dir));
    if (found !== undefined) return found.sort((a, b) => a.savedAt - b.savedAt || a.step - b.step);
  }
}

/** The checkpoints of these names; undefined where one went meanwhile, and others may have come. */
async function checkpointsAmong(
  dir: string,
  names: readonly string[],
): Promise<FoundCheckpoint[] | undefined> {
  const found: FoundCheckpoint[] = [];
  for (const name of names) {
    const match = stepPattern.exec(name);
    if (match === null) continue;
    const step = Number(match[1]);
    // Set aside: it counts where nothing has its place.
    if (match[2] !== undefined && names.includes(checkpointName(step))) continue;
    const path = join(dir, name);
    const origin = await originOf(path);
    if (origin === undefined) return undefined;
    found.push({ path, step, ...origin });
  }
  return found;
}

/** By how much a file system's times may lag behind the clock: a tick of the kernel, 100 a second. */
const tickMs = 10;

/**
 * The run and time of a checkpoint. One that is damaged has its directory's time, so that whoever
 * loads it is told what is wrong with it, the latest that it may be; one that another process moves
 * meanwhile has none.
 */
async function originOf(
  path: string,
): Promise<Pick<FoundCheckpoint, 'run' | 'savedAt'> | undefined> {
  try {
    const origin = parseOrigin(await readSmall(join(path, checkpointFiles.state), longestState));
    if (origin !== undefined) return origin;
  } catch {
    // Whoever loads it is told.
  }
  try {
    return { run: undefined, savedAt: (await lstat(path)).mtimeMs + tickMs };
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw unusable(path, 'read', error);
  }
}

async function entries(dir: string): Promise<string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    if (isMissing(error)) return [];
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') {
      throw new CheckpointError(
        `expected a checkpoint, which is a directory, or a directory of some, got the file ${dir}`,
        { cause: error },
      );
    }
    throw unusable(dir, 'read', error);
  }
}

function unusable(dir: string, doing: string, error: unknown): CheckpointError {
  const what = `could not ${doing} the checkpoint directory ${dir}: ${reasonOf(error)}`;
  return new CheckpointError(what, { cause: error });
}

/**
 * Writes one checkpoint as a whole.
 *
 * @param dir Directory of the checkpoints; created if need be.
 * @param step Number of the step, which names the checkpoint.
 * @param write Fills the directory that it is given, and syncs each file.
 * @returns Path of the finished checkpoint.
 * @throws CheckpointError where a file cannot be written; nothing visible has changed then.
 */
export async function writeCheckpointDirectory(
  dir: string,
  step: number,
  write: (temporary: string) => Promise<void>,
): Promise<string> {
  const temporary = join(dir, ownedName('.temporary'));
  const final = join(dir, checkpointName(step));
  try {
    await makeDirectories(dir);
    await removeLeftovers(dir);
    await mkdir(temporary);
    try {
      await write(temporary);
      await sync(temporary);
      await replace(temporary, final);
      await removeLeftovers(dir);
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

/**
 * Renames a directory to a name that may be taken by an earlier one. Another writer of the same step
 * may take the name again in between; each time that happens, that one has got through.
 */
async function replace(temporary: string, final: string): Promise<void> {
  const asides: string[] = [];
  while (!(await renamed(temporary, final, ['ENOTEMPTY', 'EEXIST']))) {
    const aside = ownedName(`${final}.old`);
    if (await renamed(final, aside, ['ENOENT'])) asides.push(aside);
  }
  for (const aside of asides) await removeWhole(aside);
}

/** Whether a rename succeeded; false where it failed with one of the codes. */
async function renamed(from: string, to: string, codes: readonly string[]): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if (codes.includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}

/** Deletes a checkpoint, if it is there, so that a kill never leaves half of one visible. */
async function removeWhole(path: string): Promise<void> {
  const hidden = join(dirname(path), ownedName('.temporary'));
  if (await renamed(path, hidden, ['ENOENT'])) await rm(hidden, { recursive: true, force: true });
}

async function sync(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Removes what processes that are gone left unfinished, or set aside and replaced. */
async function removeLeftovers(dir: string): Promise<void> {
  const names = await readdir(dir);
  for (const name of names) {
    const path = join(dir, name);
    if (!(await isAbandoned(path, name))) continue;
    const step = stepPattern.exec(name)?.[1];
    if (step === undefined) await rm(path, { recursive: true, force: true });
    else if (names.includes(checkpointName(Number(step)))) await removeWhole(path);
  }
}

async function isAbandoned(path: string, name: string): Promise<boolean> {
  if (unownedPattern.test(name)) return true;
  const match = ownedPattern.exec(name);
  if (match === null) return false;
  const [, itsPlace = place.slice(0, 8), pid] = match;
  if (place.startsWith(itsPlace)) return !isAlive(Number(pid));
  try {
    return Date.now() - (await stat(path)).mtimeMs > abandonedMs;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
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
 * @throws CheckpointError where one cannot be deleted.
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
