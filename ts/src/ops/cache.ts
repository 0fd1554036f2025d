/**
 * Owns the compiled programs of single operations: the few used last are kept.
 *
 * Policy: a program is disposed of when it is the oldest of too many and nobody uses it. Operations
 * that update values in place run one at a time on their program; others share it.
 */

import type { GraphSpec } from '../graph/spec.js';
import { getNumThreads } from '../program/devices.js';
import { compile, type NativeProgram } from '../program/native.js';
import type { CompileTarget } from '../program/target.js';

const mostPrograms = 8;

interface Entry {
  readonly program: Promise<NativeProgram>;
  users: number;
  /** Ends when the last exclusive user so far is done. */
  queue: Promise<unknown>;
}

/** Oldest first, by the text of graph and options. */
const entries = new Map<string, Entry>();

/** Runs `body` with the program of this graph. */
export async function withProgram<T>(
  graph: GraphSpec,
  target: CompileTarget,
  exclusive: boolean,
  body: (program: NativeProgram) => Promise<T>,
): Promise<T> {
  // A program keeps the number of threads that it was compiled with.
  const key = JSON.stringify([graph, target, getNumThreads()]);
  const entry = entries.get(key) ?? {
    program: compile(graph, target),
    users: 0,
    queue: Promise.resolve(),
  };
  entries.delete(key);
  entries.set(key, entry);
  entry.users += 1;
  try {
    const program = await compiled(key, entry);
    if (!exclusive) return await body(program);
    const turn = entry.queue.then(() => body(program));
    // The next in the queue runs whether this one fails or not; the failure goes to its caller.
    entry.queue = turn.catch(() => undefined);
    return await turn;
  } finally {
    entry.users -= 1;
    await dropOldest(mostPrograms);
  }
}

/** The program; one that does not compile is forgotten, so that a later call may try again. */
async function compiled(key: string, entry: Entry): Promise<NativeProgram> {
  try {
    return await entry.program;
  } catch (error) {
    if (entries.get(key) === entry) entries.delete(key);
    throw error;
  }
}

/**
 * Frees the memory of programs that operations have compiled and that are not in use. They are
 * compiled again when needed.
 */
export async function clearCache(): Promise<void> {
  await dropOldest(0);
}

async function dropOldest(keep: number): Promise<void> {
  let excess = entries.size - keep;
  const dropped: Entry[] = [];
  for (const [key, entry] of entries) {
    if (excess <= 0) break;
    if (entry.users > 0) continue;
    entries.delete(key);
    dropped.push(entry);
    excess -= 1;
  }
  for (const { program } of dropped) {
    // A program that did not compile has told its callers so and holds nothing.
    const unused = await program.catch(() => undefined);
    await unused?.dispose();
  }
}
