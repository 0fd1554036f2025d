/**
 * Owns what the data tests share: synthetic images, IDX files, temporary folders, and faults that
 * are injected into worker threads from outside (the package has no hook for them).
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Worker, WorkerOptions } from 'node:worker_threads';
import { data } from 'neuronode';
import { onTestFinished, vi } from 'vitest';

/** `count` images of one shape, each unlike the others, with labels index % 10. */
export function syntheticDataset(
  count: number,
  options: { imageShape?: data.ImageShape; transform?: data.TransformStep } = {},
): data.TensorDataset {
  const { imageShape = [1, 4, 4], ...rest } = options;
  const pixels = imageShape[0] * imageShape[1] * imageShape[2];
  const images = Uint8Array.from({ length: count * pixels }, (_, i) => {
    const image = Math.floor(i / pixels);
    return (image * 31 + (i % pixels) * 7 + (image >> 8)) & 255;
  });
  const labels = Array.from({ length: count }, (_, i) => i % 10);
  return new data.TensorDataset({ images, imageShape, labels, ...rest });
}

/** The bytes of an IDX file of u8 elements. */
export function idxBytes(shape: readonly number[], elements: Uint8Array): Uint8Array {
  const header = Buffer.alloc(4 + 4 * shape.length);
  header[2] = 8;
  header[3] = shape.length;
  shape.forEach((size, i) => {
    header.writeUInt32BE(size, 4 + 4 * i);
  });
  return Buffer.concat([header, elements]);
}

/** A folder that is removed after the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'neuronode-data-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Sets an environment variable (undefined: removes it) until the test's end. */
export function setEnvironment(name: string, value: string | undefined): void {
  const before = process.env[name];
  const set = (to: string | undefined) => {
    if (to === undefined) delete process.env[name];
    else process.env[name] = to;
  };
  set(value);
  onTestFinished(() => set(before));
}

/** Until the test's end, every look at the clock finds it one millisecond later than the last. */
export function countLooksAtClock(): void {
  let looks = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => {
    looks += 1;
    return looks;
  });
  onTestFinished(() => {
    vi.restoreAllMocks();
  });
}

/** Copies of a loader's batches, in order; each batch is released. */
export async function collect(
  batches: AsyncIterable<data.Batch>,
): Promise<{ index: number; image: number[]; label: number[] }[]> {
  const copies = [];
  for await (const batch of batches) {
    copies.push({ index: batch.index, image: [...batch.image], label: [...batch.label] });
    batch.release();
  }
  return copies;
}

/** What a worker does, beside its work, once it has received its `afterMessages`-th message. */
export interface WorkerFault {
  /** Number of the worker, from 1. */
  worker: number;
  afterMessages: number;
  /** JavaScript that the worker runs then, after it has handled the message. */
  run: string;
}

/**
 * Replaces worker_threads.Worker until the test's end: records every worker that is started, and
 * injects a fault into one.
 */
export function watchWorkers(fault?: WorkerFault): Worker[] {
  const threads = createRequire(import.meta.url)('node:worker_threads') as {
    Worker: typeof Worker;
  };
  const Original = threads.Worker;
  const started: Worker[] = [];
  threads.Worker = class extends Original {
    constructor(file: string | URL, options: WorkerOptions = {}) {
      const isFaulty = options.name === `neuronode data ${fault?.worker}`;
      super(
        isFaulty ? faultyScript(String(file), fault!) : file,
        isFaulty ? { ...options, eval: true } : options,
      );
      started.push(this);
    }
  };
  syncBuiltinESMExports();
  onTestFinished(() => {
    threads.Worker = Original;
    syncBuiltinESMExports();
  });
  return started;
}

/** Loads the real worker, then listens beside it. */
function faultyScript(file: string, { afterMessages, run }: WorkerFault): string {
  return `
    const { parentPort } = require('node:worker_threads');
    import(${JSON.stringify(file)}).then(() => {
      let messages = 0;
      parentPort.on('message', () => {
        messages += 1;
        if (messages === ${afterMessages}) { ${run} }
      });
    });`;
}

/** Whether a worker's thread has ended: Node then gives it the id -1. */
export function hasEnded(worker: Worker): boolean {
  return worker.threadId === -1;
}
