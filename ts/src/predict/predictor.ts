/**
 * Owns Predictor: classes and probabilities for images, in evaluation mode.
 *
 * Policy: the network's host parameters are copied when the program is compiled, at the first call.
 * Batches of any size are taken: small ones are padded, large ones go to the device in parts, two at
 * a time, so that neither their copies nor the device's queue grow with them.
 */

import { checkBoolean, checkInteger, checkOptions, show } from '../arguments.js';
import { type DeviceChoice, type DeviceInfo, deviceNamed } from '../devices.js';
import { ArgumentError, DisposedError, ShapeError } from '../errors.js';
import { predictGraph } from '../graph/steps.js';
import type { NativeProgram } from '../native.js';
import { Module } from '../nn/index.js';
import type { Pixels } from '../pixels.js';
import { type Algorithm, type CompileTarget, type Precision, resolveTarget } from '../target.js';
import {
  checkImages,
  describeSignature,
  type ImageBatch,
  type InputSignature,
  sameSignature,
} from '../train/batch.js';
import { CompiledGraph } from '../train/compiled.js';
import { imageSpec, outputClasses } from '../train/graph-facts.js';

/** Options of {@link Predictor}. */
export interface PredictorOptions {
  /** Where to compute; as the trainer's option. Default: `'auto'`. */
  device?: string | undefined;
  /** How convolutions compute; as the trainer's option. Default: `'auto'`. */
  algorithm?: Algorithm | undefined;
  /** How products are computed; as the trainer's option. Default: `'f32'`. */
  precision?: Precision | undefined;
  /** Whether results must not depend on a GPU's threads; as the trainer's option. Default: false. */
  deterministic?: boolean | undefined;
  /** Whether to time the plans of cuDNN; as the trainer's option. Default: false. */
  autotune?: boolean | undefined;
  /** Images that the device takes at a time. Default: 64. */
  batchSize?: number | undefined;
  /** Whether to turn the network's outputs into probabilities. Default: true. */
  softmax?: boolean | undefined;
}

/** What a network says of some images. */
export interface Prediction {
  /** Index of the most probable class of each image, [n]. */
  readonly classes: Int32Array;
  /**
   * Probability of each class, [n, classes] in row-major order; with `softmax: false` the network's
   * outputs (logits) as they are.
   */
  readonly probabilities: Float32Array;
  /** Shape of `probabilities`: [n, classes]. */
  readonly shape: readonly [n: number, classes: number];
}

/**
 * Runs a network on images.
 *
 * @example
 * ```ts
 * await using predictor = new Predictor(net, { batchSize: 32 });
 * const { classes, probabilities } = await predictor.predict(batch);
 * ```
 */
export class Predictor implements AsyncDisposable {
  /** The network. */
  readonly net: Module;
  /** Images that the device takes at a time. */
  readonly batchSize: number;
  /** The device's name and, where `'auto'` chose the CPU, why. */
  readonly deviceChoice: DeviceChoice;
  readonly #output: 'logits' | 'probabilities';
  readonly #target: CompileTarget;
  #graph: CompiledGraph | undefined;
  #program: Promise<NativeProgram> | undefined;
  #disposal: Promise<void> | undefined;

  /**
   * @throws ArgumentError for an option that is not what it should be.
   * @throws DeviceError where the device cannot be used; its code says why.
   */
  constructor(net: Module, options: PredictorOptions = {}) {
    if (!(net instanceof Module)) {
      throw new ArgumentError(`Predictor expects net to be a nn.Module, got ${show(net)}`);
    }
    checkOptions('Predictor', options, [
      'device',
      'algorithm',
      'precision',
      'deterministic',
      'autotune',
      'batchSize',
      'softmax',
    ]);
    const { batchSize = 64, softmax = true, ...wanted } = options;
    checkBoolean('Predictor', 'softmax', softmax);
    this.net = net;
    this.batchSize = checkInteger('Predictor', 'batchSize', batchSize, 1);
    this.#output = softmax ? 'probabilities' : 'logits';
    const { target, choice } = resolveTarget('Predictor', wanted, 'auto');
    this.#target = target;
    this.deviceChoice = choice;
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
   * Classes and probabilities of images. Calls may overlap. The images must stay as they are until
   * the promise is settled: they are read in parts, and never copied as a whole.
   *
   * @param images A batch of a `DataLoader`, or `{ image, imageShape: [n, C, H, W] }`.
   * @throws ShapeError, DTypeError, ArgumentError for images that do not fit, before any work.
   * @throws DisposedError after `dispose`.
   */
  async predict(images: ImageBatch): Promise<Prediction> {
    const caller = 'Predictor.predict';
    this.#assertUsable(caller);
    const { image, signature, size } = checkImages(caller, images);
    const graph = this.#graphFor(caller, signature);
    this.#program ??= this.#compile(graph);
    const program = await this.#program;

    const length = image.length / size;
    const result = emptyPrediction(size, outputClasses(graph.traced));
    let previous = Promise.resolve();
    for (let begin = 0; begin < size; begin += this.batchSize) {
      const rows = Math.min(this.batchSize, size - begin);
      const part = image.subarray(begin * length, (begin + rows) * length);
      const done = this.#run(graph, program, part, rows).then((outputs) => {
        fill(result, begin, rows, outputs);
      });
      // Where the part before it fails, this one's failure is of no interest any more.
      done.catch(() => {});
      await previous;
      previous = done;
    }
    await previous;
    return result;
  }

  /** Waits for calls on the device, then frees its memory. Idempotent. */
  dispose(): Promise<void> {
    this.#disposal ??= (async () => {
      // A failed compilation has told its callers; there is nothing to free then.
      await this.#program?.catch(() => undefined);
      await this.#graph?.dispose();
    })();
    return this.#disposal;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }

  async #run(graph: CompiledGraph, program: NativeProgram, image: Pixels, size: number) {
    this.#assertUsable('Predictor.predict');
    const outputs = await graph.run(program, { image, size });
    return outputs[this.#output] as Float32Array;
  }

  #assertUsable(caller: string): void {
    if (this.#disposal === undefined) return;
    throw new DisposedError(`${caller}: the predictor was disposed of; make a new Predictor`);
  }

  #graphFor(caller: string, signature: InputSignature): CompiledGraph {
    const graph = this.#graph;
    if (graph === undefined) {
      const traced = predictGraph(this.net, imageSpec(signature, this.batchSize), this.#output);
      const made = new CompiledGraph(traced, signature, this.#target);
      outputClasses(traced);
      this.#graph = made;
      return made;
    }
    if (sameSignature(graph.signature, signature)) return graph;
    throw new ShapeError(
      `${caller} expects images ${describeSignature(graph.signature)}, as in its first call, ` +
        `got ${describeSignature(signature)}. Make a Predictor for each kind of image.`,
    );
  }

  async #compile(graph: CompiledGraph): Promise<NativeProgram> {
    try {
      return await graph.compile(undefined);
    } catch (error) {
      this.#graph = undefined;
      this.#program = undefined;
      throw error;
    }
  }
}

/** A prediction of n images that is yet to be filled in. */
function emptyPrediction(n: number, classes: number): Prediction {
  const probabilities = new Float32Array(n * classes);
  return { classes: new Int32Array(n), probabilities, shape: [n, classes] };
}

/** Fills in the rows of one part, and finds each row's largest value. */
function fill(result: Prediction, begin: number, rows: number, values: Float32Array): void {
  const { classes, probabilities, shape } = result;
  const [, columns] = shape;
  // values: [batchSize, classes], with padding below the rows.
  probabilities.set(values.subarray(0, rows * columns), begin * columns);
  for (let row = 0; row < rows; row++) {
    const start = row * columns;
    let index = 0;
    for (let c = 1; c < columns; c++) {
      if (values[start + c]! > values[start + index]!) index = c;
    }
    classes[begin + row] = index;
  }
}
