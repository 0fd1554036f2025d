/**
 * Owns Predictor: what a network says of images, in evaluation mode: classes and probabilities, or its
 * outputs as they are.
 *
 * Policy: batches of any size are taken: small ones are padded, large ones go to the device in parts,
 * two at a time, so that neither their copies nor the device's queue grow with them. What is not a
 * number is no class.
 */

import { checkBoolean, checkInteger, checkOptions, show } from '../arguments.js';
import { ArgumentError, ShapeError } from '../errors.js';
import { elementCount, formatShape, largestSize, type Shape } from '../graph/shapes.js';
import { Module, type Outputs } from '../nn/index.js';
import { checkImages, type ImageBatch } from '../program/batch.js';
import { type DeviceChoice, type DeviceInfo, deviceNamed } from '../program/devices.js';
import { allocateFloats } from '../program/memory.js';
import {
  type CompileTarget,
  resolveTarget,
  type TargetOptions,
  targetOptionNames,
} from '../program/target.js';
import { PredictPrograms } from './programs.js';

/** Options of {@link Predictor}. */
export interface PredictorOptions extends TargetOptions {
  /**
   * Images that the device takes at a time, at most. Programs for one image, for eight, and for this
   * many are compiled when they are first needed. Default: 64.
   */
  batchSize?: number | undefined;
  /**
   * Whether `predict` turns the network's outputs [N, classes] into probabilities. Default: true.
   */
  softmax?: boolean | undefined;
}

/** What a network that returns [N, classes] says of n images. */
export interface Prediction {
  /**
   * Index of the most probable class of each image, [n]; -1 for an image of whose outputs one is NaN,
   * as those of a network are whose training diverged.
   */
  readonly classes: Int32Array;
  /**
   * Probability of each class, [n, classes] in row-major order; with `softmax: false` the network's
   * outputs (logits) as they are.
   */
  readonly probabilities: Float32Array;
  /** Shape of `probabilities`: [n, classes]. */
  readonly shape: readonly [n: number, classes: number];
}

/** What a network returns for n images. */
export interface PredictorOutputs {
  /** The outputs, in row-major order. */
  readonly data: Float32Array;
  /** Shape of `data`: [n, ...], where ... is the shape of one image's output. */
  readonly shape: readonly number[];
}

/**
 * Runs a network on images: `predict` gives classes and probabilities where the network returns
 * [N, classes], `outputs` what it returns, of any shape [N, ...]. Of a network that returns several
 * tensors, both give the first.
 *
 * A predictor computes with what the network's parameters are at the call: it follows
 * `net.loadStateDict`, assigned and edited `parameter.data`, and trainers, whose newest values it
 * fetches, while they train too. Nothing has to be refreshed. What a network is made of is
 * fixed at the first call: one whose layers were replaced since is refused.
 *
 * An image's outputs may differ in their last bits with the number of images in the call, since other
 * kernels compute other numbers of images.
 *
 * @example
 * ```ts
 * await using predictor = new Predictor(net, { batchSize: 32 });
 * const { classes, probabilities } = await predictor.predict(batch);
 * ```
 */
export class Predictor implements AsyncDisposable {
  /** The network. */
  readonly net: Module<Outputs>;
  /** Images that the device takes at a time, at most. */
  readonly batchSize: number;
  /** The device's name and, where `'auto'` chose the CPU, why. */
  readonly deviceChoice: DeviceChoice;
  readonly #softmax: boolean;
  readonly #target: CompileTarget;
  readonly #programs: PredictPrograms;
  /**
   * @throws ArgumentError for an option that is not what it should be.
   * @throws DeviceError where the device cannot be used; its code says why.
   */
  constructor(net: Module<Outputs>, options: PredictorOptions = {}) {
    if (!(net instanceof Module)) {
      throw new ArgumentError(`Predictor expects net to be a nn.Module, got ${show(net)}`);
    }
    checkOptions('Predictor', options, [...targetOptionNames, 'batchSize', 'softmax']);
    const { batchSize = 64, softmax = true } = options;
    checkBoolean('Predictor', 'softmax', softmax);
    this.net = net;
    this.batchSize = checkInteger('Predictor', 'batchSize', batchSize, 1, largestSize);
    this.#softmax = softmax;
    const { target, choice } = resolveTarget('Predictor', options, 'auto');
    this.#target = target;
    this.deviceChoice = choice;
    this.#programs = new PredictPrograms({
      net,
      target,
      softmax,
      batchSize: this.batchSize,
    });
  }

  /**
   * The device that computes.
   *
   * @throws DeviceError where it is not there any more, since it failed.
   */
  get device(): DeviceInfo {
    return deviceNamed(this.#target.device);
  }

  /**
   * Classes and probabilities of images, by a network that returns [N, classes]. Calls may overlap.
   * The images must stay as they are until the promise is settled: they are read in parts, and never
   * copied as a whole.
   *
   * @param images A batch of a `DataLoader`, or `{ image, imageShape: [n, C, H, W] }`.
   * @throws ShapeError for images of another shape, mean or std than those of the first call, an array
   *   of another length than its shape says, a network that does not take them, or one that does not
   *   return [N, classes].
   * @throws DTypeError for images that are neither bytes nor floats.
   * @throws ArgumentError for what is no batch, an empty one, a network whose layers were replaced, and
   *   one that mixes the rows of a batch. Whatever of these is thrown, it is before any work.
   * @throws ArgumentError where the images are transferred to another thread meanwhile.
   * @throws OutOfMemoryError where what the call gives does not fit into memory.
   * @throws QueueFullError where calls are not awaited, and the images of more than 512 MiB wait.
   * @throws DisposedError after `dispose`.
   */
  async predict(images: ImageBatch): Promise<Prediction> {
    const caller = 'Predictor.predict';
    const { shape, run } = this.#begin(caller, images);
    const [n, columns] = shape;
    if (shape.length !== 2 || n === undefined || columns === undefined) {
      throw new ShapeError(
        `${caller} expects the network to return [N, classes], got ${formatShape(shape)}: ` +
          'Predictor.outputs gives what is of another shape',
      );
    }
    const classes = new Int32Array(n);
    const output = this.#softmax ? 'probabilities' : 'logits';
    const probabilities = await run(output, (values, begin, rows) => {
      classes.set(largestOfRows(values, rows, columns), begin);
    });
    return { classes, probabilities, shape: [n, columns] };
  }

  /**
   * What the network returns for images, as it is: any shape [N, ...], such as the [N, C, H, W] of a
   * convolution. With calls and images it is as with {@link predict}; the option `softmax` makes no
   * difference.
   *
   * @param images A batch of a `DataLoader`, or `{ image, imageShape: [n, C, H, W] }`.
   * @throws ShapeError as {@link predict}, but for a network whose output has not one row for each image,
   *   such as a single number.
   * @throws DTypeError, ArgumentError, OutOfMemoryError, QueueFullError, DisposedError as {@link predict}.
   */
  async outputs(images: ImageBatch): Promise<PredictorOutputs> {
    const { shape, run } = this.#begin('Predictor.outputs', images);
    return { data: await run('logits'), shape };
  }

  /** Checks a call; `run` gives one output of the network, and each part of it as it comes. */
  #begin(caller: string, images: ImageBatch): BegunCall {
    this.#programs.assertUsable(caller);
    const { image, signature, size } = checkImages(caller, images);
    const call = this.#programs.begin(caller, signature, size);
    const length = image.length / size;
    const each = elementCount(call.shape);
    const shape = [size, ...call.shape];
    const run: BegunCall['run'] = async (output, onPart) => {
      const what = `${caller}: an output of shape ${formatShape(shape)}`;
      const result = allocateFloats(what, size * each);
      await call.run(async ({ begin, rows, run }) => {
        if (image.length !== size * length) {
          throw new ArgumentError(
            `${caller}: image was transferred or resized while it was read: expected ` +
              `${size * length} elements, got ${image.length}. Keep it until the promise is settled.`,
          );
        }
        const part = image.subarray(begin * length, (begin + rows) * length);
        // [batchSize, ...], with padding below the rows.
        const values = (await run(part))[output] as Float32Array;
        result.set(values.subarray(0, rows * each), begin * each);
        onPart?.(values, begin, rows);
      });
      return result;
    };
    return { shape, run };
  }

  /** Waits for calls on the device, then frees its memory. Idempotent. */
  dispose(): Promise<void> {
    return this.#programs.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}

/** A call whose images are checked. */
interface BegunCall {
  /** [n, ...] */
  readonly shape: Shape;
  run(
    output: 'logits' | 'probabilities',
    onPart?: (values: Float32Array, begin: number, rows: number) => void,
  ): Promise<Float32Array>;
}

/** Index of the largest value of each row of [rows, columns]; -1 for a row with a NaN. */
function largestOfRows(values: Float32Array, rows: number, columns: number): Int32Array {
  const largest = new Int32Array(rows);
  for (let row = 0; row < rows; row++) {
    const start = row * columns;
    let index = 0;
    for (let c = 0; c < columns; c++) {
      const value = values[start + c]!;
      if (Number.isNaN(value)) {
        index = -1;
        break;
      }
      if (value > values[start + index]!) index = c;
    }
    largest[row] = index;
  }
  return largest;
}
