/**
 * Owns a trainable tensor.
 *
 * Policy: host values are in plain PyTorch layout. host-values.ts knows whether they are the newest.
 */

import { types } from 'node:util';
import { ArgumentError, ShapeError } from '../errors.js';
import { checkShape, elementCount, formatShape, type Shape } from '../graph/shapes.js';
import { describePixels, isDetached } from '../pixels.js';
import type { InitialValues } from '../random/init.js';
import { HostValues } from './host-values.js';

/** The host values of a parameter, for the package alone. */
export let hostValuesOf: (parameter: Parameter) => HostValues;

/**
 * A trainable tensor: shape, values, and whether it is trained.
 *
 * There is one truth about the values. Whatever is assigned to `data`, loaded by `loadStateDict`, or
 * edited in the array that `data` gives, is what every Trainer and Predictor of the network computes
 * with from its next call on. A Trainer's step moves the newest values to its device: from then on
 * `data` throws until they are back, by `await trainer.syncParameters()`, the end of `fit`, or
 * `dispose`. They come back in a new array; one that was read before the step keeps its values and is
 * the parameter's no more.
 *
 * An array that was read may be edited at any time, so that each `predict` and `evaluate` compares it
 * with what the device has (about 1 ms per million values). `trainer.stateDict()` gives copies, which
 * cost nothing later.
 */
export class Parameter {
  /** Sizes, outermost first. */
  readonly shape: Shape;
  /** Whether training updates it. Set to false before making a Trainer to freeze it. */
  requiresGrad: boolean;
  readonly #host: HostValues;

  static {
    hostValuesOf = (parameter) => parameter.#host;
  }

  /**
   * @param data Values in row-major order.
   * @param shape Sizes, outermost first; as many elements as `data`.
   * @throws ArgumentError, ShapeError
   */
  constructor(data: Float32Array, shape: Shape, options: { requiresGrad?: boolean } = {}) {
    this.shape = Object.freeze([...checkShape('Parameter', 'shape', shape)]);
    this.requiresGrad = options.requiresGrad ?? true;
    this.#host = new HostValues(this.#checked(data));
  }

  /**
   * Values in row-major order; may be edited in place. Assign an array of the same length to replace
   * them, which is allowed at any time.
   *
   * Initial values of large layers are drawn in the background. Reading them right after the layer was
   * made waits for them: about 1.5 ms per million values, of this parameter and of those before it.
   *
   * @throws StaleParametersError while a Trainer's device has newer values.
   */
  get data(): Float32Array {
    return this.#host.share();
  }

  set data(values: Float32Array) {
    this.#host.replace(this.#checked(values));
  }

  /** Number of elements. */
  get size(): number {
    return elementCount(this.shape);
  }

  #checked(values: Float32Array): Float32Array {
    if (!types.isFloat32Array(values) || isDetached(values)) {
      throw new ArgumentError(`Parameter expects a Float32Array, got ${describePixels(values)}`);
    }
    if (values.length !== elementCount(this.shape)) {
      throw new ShapeError(
        `Parameter of shape ${formatShape(this.shape)} expects ${elementCount(this.shape)} ` +
          `values, got ${values.length}`,
      );
    }
    return values;
  }
}

/** A parameter with an array that nobody else has, so that edits need not be looked for. */
export function ownParameter({ array, filling }: InitialValues, shape: Shape): Parameter {
  const parameter = new Parameter(array, shape);
  hostValuesOf(parameter).keep(filling);
  return parameter;
}
