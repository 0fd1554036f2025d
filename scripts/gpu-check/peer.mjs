/**
 * Owns PyTorch's process: scripts/gpu-check/peer.py in the virtual environment that scripts/peers
 * makes, asked one JSON line at a time.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { createInterface } from 'node:readline';
import { inRoot } from '../lib/paths.mjs';
import { StepError } from '../lib/report.mjs';

const cache = process.env.XDG_CACHE_HOME ?? `${homedir()}/.cache`;
const python = `${cache}/neuronode/peers/bin/python`;

/** Why there is nothing to compare with; undefined where PyTorch is installed. */
export function missingPeer() {
  return existsSync(python)
    ? undefined
    : `PyTorch is not installed at ${python}; run scripts/peers`;
}

/** Starts PyTorch. `ask` sends a request and gives the reply; `end` stops the process. */
export function startPeer() {
  const script = inRoot('scripts', 'gpu-check', 'peer.py');
  const child = spawn(python, [script], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const exited = new Promise((resolve) => {
    child.once('exit', resolve);
    child.once('error', resolve);
  });
  // A process that has ended is reported by the request that gets no reply.
  child.stdin.on('error', () => {});
  const ask = async (request) => {
    const text = JSON.stringify(request);
    child.stdin.write(`${text}\n`);
    const line = await lines.next();
    if (line.done) throw new StepError(`PyTorch's process ended at ${text}; its output is above.`);
    const reply = JSON.parse(line.value);
    if (reply.error !== undefined) throw new StepError(`PyTorch failed at ${text}: ${reply.error}`);
    return reply;
  };
  const end = async () => {
    child.stdin.end();
    await exited;
  };
  return { ask, end };
}
