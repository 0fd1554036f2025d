/**
 * Owns the lock that lets one bootstrap at a time write to the working tree. The lock is a file that
 * names its holder; the file of a process that no longer runs counts for nothing.
 */
import {
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const pollMs = 200;

/** When a process started, so that a reused process id is not taken for the old process. */
function startOf(pid) {
  try {
    // Field 22 of stat; the name in parentheses, field 2, may hold spaces.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined; // no /proc on this system, or no such process
  }
}

function isAlive(holder) {
  if (holder.host !== hostname()) return true; // another machine's process cannot be seen from here
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
  return holder.start === undefined || startOf(holder.pid) === holder.start;
}

function tryLock(path, text) {
  const mine = `${path}.${process.pid}`;
  writeFileSync(mine, text);
  try {
    linkSync(mine, path); // appears whole or not at all
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(mine, { force: true });
  }
}

function readLock(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return undefined; // released just now
    throw error;
  }
}

/** Takes a dead holder's file away, and puts it back if another process was quicker. */
function clearStale(path, seen) {
  const aside = `${path}.stale.${process.pid}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (error.code === 'ENOENT') return;
    throw error;
  }
  if (readFileSync(aside, 'utf8') === seen) unlinkSync(aside);
  else renameSync(aside, path);
}

/**
 * Runs `body` while holding the lock; waits for another holder first.
 *
 * @param {(pid: number) => void} onWait Called once if there is someone to wait for.
 */
export async function withLock(path, onWait, body) {
  mkdirSync(dirname(path), { recursive: true });
  const text = JSON.stringify({
    pid: process.pid,
    host: hostname(),
    start: startOf(process.pid),
  });
  let waiting = false;
  while (!tryLock(path, text)) {
    const seen = readLock(path);
    if (seen === undefined) continue;
    const holder = JSON.parse(seen);
    if (!isAlive(holder)) {
      clearStale(path, seen);
      continue;
    }
    if (!waiting) onWait(holder.pid);
    waiting = true;
    await sleep(pollMs);
  }
  const release = () => rmSync(path, { force: true });
  process.on('exit', release);
  try {
    return await body();
  } finally {
    process.off('exit', release);
    release();
  }
}
