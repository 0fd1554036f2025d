/**
 * Owns Predictor: classes and probabilities for images, in evaluation mode.
 *
 * Policy: the network's host parameters are copied when the program is compiled, at the first call.
 * Batches of any size are taken: large ones are split, small ones are padded.
 */
import { ArgumentError, DeviceError, DisposedError, ShapeError } from '../errors.js';
import { checkBoolean, checkInteger, checkOneOf, checkOptions, show } from '../graph/arguments.js';
import { predictGraph } from '../graph/steps.js';
import {
  type Algorithm,
  algorithms,
  type DeviceInfo,
  devices,
  type NativeProgram,
  resolveDevice,
} from '../native.js';
import { Module } from '../nn/index.js';
import {
  checkImages,
  describeSignature,
  type ImageBatch,
  type InputSignature,
  sameSignature,
} from '../train/batch.js';
import { CompiledGraph, type CompileTarget } from '../train/compiled.js';
import { imageSpec } from '../train/graph-facts.js';

/** Options of {@link Predictor}. */
export interface PredictorOptions {
  /** Where to compute; as the trainer's option. Default: `'auto'`. */
  device?: string | undefined;
  /** How convolutions compute; as the trainer's option. Default: `'auto'`. */
  algorithm?: Algorithm | undefined;
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
  readonly #output: 'logits' | 'probabilities';
  readonly #target: CompileTarget;
  #graph: CompiledGraph | undefined;
  #program: Promise<NativeProgram> | undefined;
  #disposal: Promise<void> | undefined;

  /**
   * @throws ArgumentError for an option that is not what it should be.
   * @throws DeviceError ERR_NN_DEVICE_UNAVAILABLE where the device does not exist here.
   */
  constructor(net: Module, options: PredictorOptions = {}) {
    if (!(net instanceof Module)) {
      throw new ArgumentError(`Predictor expects net to be a nn.Module, got ${show(net)}`);
    }
    checkOptions('Predictor', options, ['device', 'algorithm', 'batchSize', 'softmax']);
    const { device = 'auto', algorithm = 'auto', batchSize = 64, softmax = true } = options;
    checkOneOf('Predictor', 'algorithm', algorithm, algorithms);
    checkBoolean('Predictor', 'softmax', softmax);
    this.net = net;
    this.batchSize = checkInteger('Predictor', 'batchSize', batchSize, 1);
    this.#output = softmax ? 'probabilities' : 'logits';
    this.#target = { device: resolveDevice(device), algorithm };
  }

  /** The device that computes. */
  get device(): DeviceInfo {
    const device = devices().find(({ name }) => name === this.#target.device);
    if (device !== undefined) return device;
    const message = `the device ${this.#target.device} is gone`;
    throw new DeviceError('ERR_NN_DEVICE_UNAVAILABLE', message);
  }

  /**
   * Classes and probabilities of images. Calls may overlap; the images may be changed once the call
   * returned its promise.
   *
   * @param images A batch of a `DataLoader`, or `{ image, imageShape: [n, C, H, W] }`.
   * @throws ShapeError, DTypeError, ArgumentError for images that do not fit, before any work.
   * @throws DisposedError after `dispose`.
   */
  async predict(images: ImageBatch): Promise<Prediction> {
    const caller = 'Predictor.predict';
    this.#assertUsable(caller);
    const { signature, size } = checkImages(caller, images);
    const graph = this.#graphFor(caller, signature);
    const image = graph.program === undefined ? images.image.slice() : images.image;
    this.#program ??= this.#compile(graph);
    const program = graph.program ?? (await this.#program);
    this.#assertUsable(caller);

    const length = image.length / size;
    const runs: Promise<Float32Array>[] = [];
    for (let begin = 0; begin < size; begin += this.batchSize) {
      const rows = Math.min(this.batchSize, size - begin);
      const part = image.subarray(begin * length, (begin + rows) * length);
      const run = graph.run(program, { image: part, size: rows });
      runs.push(run.then((outputs) => outputs[this.#output] as Float32Array));
    }
    const parts = await Promise.all(runs);
    return collect(parts, size, classesOf(graph));
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

  #assertUsable(caller: string): void {
    if (this.#disposal === undefined) return;
    throw new DisposedError(`${caller}: the predictor was disposed of; make a new Predictor`);
  }

  #graphFor(caller: string, signature: InputSignature): CompiledGraph {
    const graph = this.#graph;
    if (graph === undefined) {
      const traced = predictGraph(this.net, imageSpec(signature, this.batchSize), this.#output);
      const made = new CompiledGraph(traced, signature, this.#target);
      classesOf(made);
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

/** Number of classes: columns of the output [N, C]. */
function classesOf({ traced }: CompiledGraph): number {
  const shape = traced.spec.values[traced.spec.outputs[0]?.value ?? -1]?.shape ?? [];
  const [, classes] = shape;
  if (shape.length !== 2 || classes === undefined) {
    throw new ShapeError(
      `Predictor expects the network to return [N, classes], got ${show([...shape])}`,
    );
  }
  return classes;
}

/** Puts the parts together without the padding rows, and finds each row's largest value. */
function collect(parts: readonly Float32Array[], size: number, classes: number): Prediction {
  const probabilities = new Float32Array(size * classes);
  let filled = 0;
  for (const part of parts) {
    const wanted = Math.min(part.length, probabilities.length - filled);
    probabilities.set(part.subarray(0, wanted), filled);
    filled += wanted;
  }
  const best = new Int32Array(size);
  for (let row = 0; row < size; row++) {
    const start = row * classes;
    let index = 0;
    for (let c = 1; c < classes; c++) {
      if (probabilities[start + c]! > probabilities[start + index]!) index = c;
    }
    best[row] = index;
  }
  return { classes: best, probabilities, shape: [size, classes] };
}
