/**
 * Owns running a chain's transforms on the samples of a dataset in memory, on any thread.
 *
 * Policy: the dataset's own bytes are never handed to a transform, which may change what it is given.
 * A chain of nothing or of one Resize works on them where they lie, and a Resize at a chain's end
 * writes where the batch is.
 */

import { show, showThrown } from '../../arguments.js';
import { NeuronodeError, ShapeError, TransformError } from '../../errors.js';
import { asBytes, describePixels, type Pixels } from '../../pixels.js';
import type { ImageShape } from '../types.js';
import { type Draw, SampleRandom } from './random.js';
import { Resampler } from './resample.js';
import { Resize } from './resize.js';
import { nameOf, type PlannedShape, type Transform, type TransformedImage } from './transform.js';

/** What is run on which images. */
export interface PipelineTask {
  /** Name of the dataset, for messages. */
  readonly dataset: string;
  /** [N, C, H, W] */
  readonly images: Pixels;
  /** [C, H, W] */
  readonly shape: ImageShape;
  /** In order. */
  readonly steps: readonly Transform[];
  /** Shapes after each of them. */
  readonly shapes: readonly PlannedShape[];
}

/** Writes samples, transformed, into batches. Not reentrant. */
export class Pipeline {
  readonly #task: PipelineTask;
  readonly #size: number;
  /** The steps but for a Resize at the end that {@link Pipeline.#last} stands for. */
  readonly #steps: readonly Transform[];
  /** Resamples what the steps leave; undefined where that is copied. */
  readonly #last: Resampler | undefined;

  constructor(task: PipelineTask) {
    const { shape, steps, shapes } = task;
    this.#task = task;
    this.#size = shape[0] * shape[1] * shape[2];
    const before = shapes.at(-2) ?? shape;
    const [, height, width] = before;
    const [, outHeight, outWidth] = shapes.at(-1) ?? shape;
    const isDirect =
      isResize(steps.at(-1)) &&
      height !== null &&
      width !== null &&
      outHeight !== null &&
      outWidth !== null;
    this.#steps = isDirect ? steps.slice(0, -1) : steps;
    this.#last = isDirect
      ? new Resampler(height, width, outHeight as number, outWidth as number)
      : undefined;
  }

  /**
   * Writes sample `index` into `target`, which is of the images' kind, from `offset` on.
   *
   * @throws {TransformError} where a transform throws, or returns what is no image of its shape.
   */
  run(index: number, draw: Draw, target: Pixels, offset: number): void {
    const { images, shape } = this.#task;
    const size = this.#size;
    if (images instanceof Float32Array || target instanceof Float32Array) {
      target.set(images.subarray(index * size, (index + 1) * size), offset);
      return;
    }
    if (this.#steps.length === 0) {
      if (this.#last === undefined) {
        target.set(images.subarray(index * size, (index + 1) * size), offset);
      } else {
        this.#last.run(images, index * size, target, offset, shape[0]);
      }
      return;
    }
    const image = this.#transformed(images, index, draw);
    if (this.#last === undefined) target.set(image.bytes, offset);
    else this.#last.run(image.bytes, 0, target, offset, image.shape[0]);
  }

  /** What the steps make of a sample. */
  #transformed(
    images: Uint8Array,
    index: number,
    draw: Draw,
  ): { bytes: Uint8Array; shape: ImageShape } {
    const size = this.#size;
    const random = new SampleRandom(draw, index);
    let bytes: Uint8Array = images.slice(index * size, (index + 1) * size);
    let shape = this.#task.shape;
    for (const [i, step] of this.#steps.entries()) {
      try {
        const result: unknown = step.apply(bytes, shape, random);
        ({ bytes, shape } = checkResult(result, this.#task.shapes[i]!));
      } catch (error) {
        throw this.#failure(error, index, i);
      }
    }
    return { bytes, shape };
  }

  #failure(error: unknown, sample: number, step: number): TransformError {
    const { dataset, steps } = this.#task;
    const transform = nameOf(steps[step]!);
    const place = steps.length > 1 ? ` (${step + 1} of ${steps.length})` : '';
    return new TransformError(
      `${dataset}: transform ${transform}${place} failed for sample ${sample}: ${reason(error)}`,
      { dataset, sample, transform, cause: error },
    );
  }
}

/** Whether a step is a Resize, and no class that extends it and maps otherwise. */
function isResize(step: Transform | undefined): boolean {
  return step instanceof Resize && step.apply === Resize.prototype.apply;
}

function reason(error: unknown): string {
  return error instanceof NeuronodeError ? error.message : showThrown(error);
}

/** What a transform returned, as bytes of the shape that was planned. */
function checkResult(
  result: unknown,
  planned: PlannedShape,
): { bytes: Uint8Array; shape: ImageShape } {
  const isObject = typeof result === 'object' && result !== null;
  const { image, shape } = (isObject ? result : {}) as Partial<TransformedImage>;
  const bytes = asBytes(image);
  if (bytes === undefined) {
    throw new ShapeError(
      `expected apply to return { image, shape } with an image of bytes, got ` +
        (isObject && image !== undefined ? describePixels(image) : show(result)),
    );
  }
  const isPlanned =
    Array.isArray(shape) &&
    shape.length === 3 &&
    shape.every((size, axis) =>
      planned[axis] === null ? Number.isSafeInteger(size) && size > 0 : size === planned[axis],
    );
  if (!isPlanned) {
    const wanted = planned.map((size) => size ?? 'any').join(', ');
    throw new ShapeError(
      `expected apply to return an image of shape [${wanted}], as outputShape says, got ${show(shape)}`,
    );
  }
  const [channels, height, width] = shape as unknown as ImageShape;
  if (bytes.length !== channels * height * width) {
    throw new ShapeError(
      `expected apply to return ${channels * height * width} bytes for shape ` +
        `[${(shape as readonly number[]).join(', ')}], got ${bytes.length}`,
    );
  }
  return { bytes, shape: [channels, height, width] };
}
