/**
 * Owns what a loader's worker thread does: it fills batches from shared images, one after another.
 *
 * Policy: nothing is caught here. An error ends the thread, and the pool reports it.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { pixelBytes, pixelType, viewPixels } from '../../pixels.js';
import { fillImage, imageSize, resamplerFor } from '../datasets/tensor-dataset.js';
import type { FillReply, FillRequest, WorkerSetup } from './worker-protocol.js';

const raw = workerData as WorkerSetup;
const resampler = resamplerFor(raw);
const size = imageSize(raw.plan.imageShape);
const type = pixelType(raw.images);

parentPort!.on('message', ({ id, indices, room, buffer }: FillRequest) => {
  const filled = buffer ?? new ArrayBuffer(room * size * pixelBytes(type));
  const target = viewPixels(type, filled, room * size);
  indices.forEach((index, i) => {
    fillImage(raw, resampler, index, target, i * size);
  });
  const reply: FillReply = { id, buffer: filled };
  parentPort!.postMessage(reply, [filled]);
});
