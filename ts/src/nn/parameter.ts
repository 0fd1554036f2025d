/**
 * Owns a trainable tensor on the host.
 *
 * Policy: `data` is in plain PyTorch layout. While a Trainer runs, the device has the live values;
 * it writes them back into `data` when it is asked for them and when it is disposed of.
 */

import { show } from '../arguments.js';
import { ArgumentError, ShapeError } from '../errors.js';
import { checkShape, elementCount, formatShape, type Shape } from '../graph/shapes.js';

/** A trainable tensor: shape, host values, and whether it is trained. */
export class Parameter {
  /** Sizes, outermost first. */
  readonly shape: Shape;
  /** Whether training updates it. Set to false before making a Trainer to freeze it. */
  requiresGrad: boolean;
  #data: Float32Array;

  /**
   * @param data Values in row-major order.
   * @param shape Sizes, outermost first; as many elements as `data`.
   * @throws ArgumentError, ShapeError
   */
  constructor(data: Float32Array, shape: Shape, options: { requiresGrad?: boolean } = {}) {
    this.shape = Object.freeze([...checkShape('Parameter', 'shape', shape)]);
    this.requiresGrad = options.requiresGrad ?? true;
    this.#data = this.#checked(data);
  }

  /** Host values in row-major order. Assign an array of the same length to replace them. */
  get data(): Float32Array {
    return this.#data;
  }

  set data(values: Float32Array) {
    this.#data = this.#checked(values);
  }

  /** Number of elements. */
  get size(): number {
    return this.#data.length;
  }

  #checked(values: Float32Array): Float32Array {
    if (!(values instanceof Float32Array)) {
      throw new ArgumentError(`Parameter expects a Float32Array, got ${show(values)}`);
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
