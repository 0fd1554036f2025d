/**
 * Owns what a loader's worker thread does: it fills batches from shared images, one after another.
 *
 * Policy: nothing is caught here. An error ends the thread, and the pool reports it.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { fillImage, imageSize, resamplerFor } from './tensor-dataset.js';
import type { FillReply, FillRequest, WorkerSetup } from './worker-protocol.js';

const raw = workerData as WorkerSetup;
const resampler = resamplerFor(raw);
const size = imageSize(raw.plan.imageShape);

parentPort!.on('message', ({ id, indices, bytes, buffer }: FillRequest) => {
  const filled = buffer ?? new ArrayBuffer(bytes);
  const target = new Uint8Array(filled);
  indices.forEach((index, i) => {
    fillImage(raw, resampler, index, target, i * size);
  });
  const reply: FillReply = { id, buffer: filled };
  parentPort!.postMessage(reply, [filled]);
});
