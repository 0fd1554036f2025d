/** Owns the messages between a loader's main thread and its worker threads. */
import type { RawImages } from '../datasets/tensor-dataset.js';

/** What a worker gets at its start: a dataset whose images are in shared memory. */
export type WorkerSetup = RawImages;

/** Main thread to worker: fill a batch. */
export interface FillRequest {
  readonly id: number;
  /** Samples of the batch, in order. */
  readonly indices: Uint32Array;
  /** Images that the buffer has room for: a full batch, though the last one may have fewer. */
  readonly room: number;
  /** A buffer of that size, moved to the worker; without one, the worker allocates. */
  readonly buffer: ArrayBuffer | undefined;
}

/** Worker to main thread: the filled buffer, moved. */
export interface FillReply {
  readonly id: number;
  readonly buffer: ArrayBuffer;
}
