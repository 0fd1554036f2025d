/** Owns the messages between a loader's main thread and its worker threads. */
import type { PipelineTask } from '../transforms/pipeline.js';
import type { Draw } from '../transforms/random.js';
import type { SentRecipe } from '../transforms/recipes.js';
import type { ImageShape } from '../types.js';

/** What a worker gets at its start: a dataset whose images are in shared memory. */
export interface WorkerSetup extends Omit<PipelineTask, 'steps'> {
  /** What it makes the transforms from, in order. */
  readonly recipes: readonly SentRecipe[];
  /** Shape of a filled image. */
  readonly imageShape: ImageShape;
}

/** Main thread to worker: fill a batch. */
export interface FillRequest {
  readonly id: number;
  /** Samples of the batch, in order. */
  readonly indices: Uint32Array;
  /** Images that the buffer has room for: a full batch, though the last one may have fewer. */
  readonly room: number;
  /** Seed and epoch. */
  readonly draw: Draw;
  /** A buffer of that size, moved to the worker; without one, the worker allocates. */
  readonly buffer: ArrayBuffer | undefined;
}

/** Worker to main thread: the filled buffer, moved, or why there is none. */
export type FillReply =
  | { readonly id: number; readonly buffer: ArrayBuffer }
  | { readonly id: number; readonly failure: Failure };

/** A TransformError, or the WorkerError of a transform that could not be made, in parts. */
export interface Failure {
  readonly message: string;
  readonly sample: { dataset: string; sample: number; transform: string } | undefined;
  readonly cause: unknown;
}
