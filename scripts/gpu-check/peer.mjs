/** Owns PyTorch's process: peer.py in the Python that was found, asked one JSON line at a time. */
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { foreignEnvironment } from './python.mjs';

const script = fileURLToPath(new URL('peer.py', import.meta.url));

/**
 * Starts PyTorch.
 *
 * @param {string} python
 * @param {string} log A file for what it prints beside its replies, which it writes itself: what it
 *   said is there even where this process is killed.
 * @returns `ask(request, ms)`, one at a time, which gives the reply, and fails where PyTorch does or
 *   none comes in time, whereupon the process is ended; `isAlive()`; `end()`.
 */
export function startPeer(python, log) {
  const file = openSync(log, 'a');
  const child = spawn(python, [script], {
    stdio: ['pipe', 'pipe', file],
    env: foreignEnvironment(),
  });
  closeSync(file);
  let alive = true;
  /** Ends the request that waits, with a line or an Error. */
  let answer = () => {};
  // Whatever libraries print is not ours. Their own processes may hold the pipe open behind PyTorch's
  // end, which is therefore not waited for.
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line.startsWith('{"')) answer(line);
  });
  const stop = (error) => {
    alive = false;
    child.kill('SIGKILL');
    answer(error);
  };
  const exited = new Promise((resolve) => {
    child.once('error', resolve);
    child.once('close', resolve);
    // Its last line may still be on its way.
    child.once('exit', () => setTimeout(resolve, 1000));
  });
  exited.then(() => stop(new Error(`the process ended; its output is in ${log}`)));
  // A process that has ended is reported by the request that gets no reply.
  child.stdin.on('error', () => {});
  const ask = async (request, ms) => {
    let timer;
    const line = await new Promise((resolve) => {
      answer = resolve;
      if (!alive) stop(new Error(`the process ended; its output is in ${log}`));
      const late = new Error(`no reply in ${(ms / 1000).toFixed(0)} s`);
      timer = setTimeout(stop, Math.max(ms, 0), late);
      child.stdin.write(`${JSON.stringify(request)}\n`);
    });
    answer = () => {};
    clearTimeout(timer);
    if (line instanceof Error) throw line;
    const reply = JSON.parse(line);
    if (reply.error !== undefined) throw new Error(reply.error);
    return reply;
  };
  const end = async () => {
    child.stdin.end();
    child.kill('SIGKILL');
    await exited;
  };
  return { ask, end, isAlive: () => alive };
}
