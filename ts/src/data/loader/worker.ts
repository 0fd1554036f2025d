/**
 * Owns what a loader's worker thread does: it fills batches from shared images, one after another.
 *
 * Policy: what a transform throws, or its recipe, is the answer to a request, and the thread goes on.
 * Nothing else is caught here: it ends the thread, and the pool reports it.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { TransformError, WorkerError } from '../../errors.js';
import { pixelBytes, pixelType, viewPixels } from '../../pixels.js';
import { Pipeline } from '../transforms/pipeline.js';
import { makeSteps } from '../transforms/recipes.js';
import type { Failure, FillReply, FillRequest, WorkerSetup } from './worker-protocol.js';

const setup = workerData as WorkerSetup;
const size = setup.imageShape.reduce((a, b) => a * b);
const type = pixelType(setup.images);
const made = await make();

parentPort!.on('message', (request: FillRequest) => {
  try {
    reply(fill(request));
  } catch (error) {
    const { id } = request;
    const failure = failureOf(error);
    try {
      reply({ id, failure });
    } catch {
      // The cause is one that no thread can send.
      reply({ id, failure: { ...failure, cause: new Error(String(failure.cause)) } });
    }
  }
});

/** The pipeline, or why there is none. */
async function make(): Promise<Pipeline | WorkerError> {
  try {
    return new Pipeline({ ...setup, steps: await makeSteps(setup.recipes) });
  } catch (error) {
    if (error instanceof WorkerError) return error;
    throw error;
  }
}

function fill({ id, indices, room, draw, buffer }: FillRequest): FillReply {
  if (made instanceof WorkerError) throw made;
  const filled = buffer ?? new ArrayBuffer(room * size * pixelBytes(type));
  const target = viewPixels(type, filled, room * size);
  for (const [i, index] of indices.entries()) made.run(index, draw, target, i * size);
  return { id, buffer: filled };
}

function reply(message: FillReply): void {
  parentPort!.postMessage(message, 'buffer' in message ? [message.buffer] : []);
}

function failureOf(error: unknown): Failure {
  if (error instanceof TransformError) {
    const { message, cause, dataset = '', sample = 0, transform = '' } = error;
    return { message, cause, sample: { dataset, sample, transform } };
  }
  if (error instanceof WorkerError) {
    return { message: error.message, cause: error.cause, sample: undefined };
  }
  throw error;
}
