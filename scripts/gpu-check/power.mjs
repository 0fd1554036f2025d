/** Owns what nvidia-smi says of power and clocks while something runs. */
import { spawn, spawnSync } from 'node:child_process';
import { median } from './numbers.mjs';
import { foreignEnvironment } from './python.mjs';

const fields = ['power.draw', 'clocks.sm', 'clocks.mem', 'temperature.gpu'];

const rowsOf = (text) =>
  text
    .split('\n')
    .map((line) => line.split(',').map((cell) => cell.trim()))
    .filter((row) => row.length === fields.length);

/**
 * Watches the first GPU until the returned function is called, which gives medians, or in `reason` why
 * there are none.
 *
 * @returns {() => Promise<{ watts: number | null, smMHz: number | null, memoryMHz: number | null,
 *   celsius: number | null } | { reason: string }>} null for what the GPU does not tell.
 */
export function watchPower() {
  const words = [`--query-gpu=${fields.join()}`, '--format=csv,noheader,nounits', '-i', '0'];
  const env = foreignEnvironment();
  const child = spawn('nvidia-smi', [...words, '-lms', '100'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env,
  });
  let text = '';
  let reason;
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (data) => {
      text += data;
    });
  }
  const ended = new Promise((resolve) => {
    child.on('close', resolve);
    child.on('error', (error) => {
      reason = error.message;
      resolve();
    });
  });
  return async () => {
    child.kill('SIGKILL');
    await ended;
    let whole = rowsOf(text);
    if (whole.length === 0 && reason === undefined) {
      // What it had said may have been in its buffer: the state right after is better than none.
      const once = spawnSync('nvidia-smi', words, { encoding: 'utf8', env, timeout: 5000 });
      whole = rowsOf(once.stdout ?? '');
    }
    // A field that the GPU does not tell is '[N/A]'.
    const [watts, smMHz, memoryMHz, celsius] = fields.map((_, i) => {
      const values = whole.map((row) => Number(row[i])).filter(Number.isFinite);
      return values.length > 0 ? median(values) : null;
    });
    if (watts === null && smMHz === null) {
      return { reason: reason ?? `nvidia-smi said: ${text.trim().slice(0, 200)}` };
    }
    return { watts, smMHz, memoryMHz, celsius };
  };
}
