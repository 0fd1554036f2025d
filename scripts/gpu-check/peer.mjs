/** Owns PyTorch's process: peer.py in the Python that was found, asked one JSON line at a time. */
import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { foreignEnvironment } from './python.mjs';

const script = fileURLToPath(new URL('peer.py', import.meta.url));

/**
 * Starts PyTorch.
 *
 * @param {string} python
 * @param {string} log A file for what it prints beside its replies.
 * @returns `ask(request, ms)`, which gives the reply, and fails where PyTorch does or none comes in
 *   time, whereupon the process is ended; `isAlive()`; `end()`.
 */
export function startPeer(python, log) {
  const child = spawn(python, [script], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: foreignEnvironment(),
  });
  child.stderr.pipe(createWriteStream(log, { flags: 'a' }));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let alive = true;
  const exited = new Promise((resolve) => {
    for (const event of ['exit', 'error']) {
      child.once(event, () => {
        alive = false;
        resolve();
      });
    }
  });
  // A process that has ended is reported by the request that gets no reply.
  child.stdin.on('error', () => {});
  const ask = async (request, ms) => {
    child.stdin.write(`${JSON.stringify(request)}\n`);
    let isLate = false;
    const timer = setTimeout(
      () => {
        isLate = true;
        child.kill('SIGKILL');
      },
      Math.max(ms, 0),
    );
    let line = await lines.next();
    // Whatever libraries print is not ours.
    while (!line.done && !line.value.startsWith('{"')) line = await lines.next();
    clearTimeout(timer);
    if (isLate) throw new Error(`no reply in ${(ms / 1000).toFixed(0)} s`);
    if (line.done) throw new Error(`the process ended; its output is in ${log}`);
    const reply = JSON.parse(line.value);
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
