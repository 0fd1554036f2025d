/** Owns the download's progress bar: one line on a terminal, nothing elsewhere. */
import type { WriteStream } from 'node:tty';
import type { DownloadProgress } from './download.js';

const BAR_CELLS = 30;
const INTERVAL_MS = 100;

/** A function that draws progress on `stream` at most ten times a second, and each file's end. */
export function progressBar(
  stream: WriteStream = process.stderr,
): (progress: DownloadProgress) => void {
  let nextDraw = 0;
  return ({ file, received, total }) => {
    if (!stream.isTTY) return;
    const isDone = received === total;
    const now = performance.now();
    if (now < nextDraw && !isDone) return;
    nextDraw = now + INTERVAL_MS;
    const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
    let line = `${file} ${megabytes(received)} MB`;
    if (total !== undefined && total > 0) {
      const cells = Math.round((BAR_CELLS * received) / total);
      const bar = '#'.repeat(cells).padEnd(BAR_CELLS, '.');
      line = `${file} [${bar}] ${megabytes(received)} of ${megabytes(total)} MB`;
    }
    stream.write(`\r${line}\u001b[K${isDone ? '\n' : ''}`);
  };
}
