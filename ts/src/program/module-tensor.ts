/**
 * Owns what parameters and buffers have in common: a shape, and values that the host or a device has.
 *
 * Policy: host values are in plain PyTorch layout. host-values.ts knows whether they are the newest.
 */
import { types } from 'node:util';
import { ArgumentError, ShapeError } from '../errors.js';
import { checkShape, elementCount, formatShape, type Shape } from '../graph/shapes.js';
import { describePixels, isDetached } from '../pixels.js';
import { type HostArray, HostValues } from './host-values.js';

/** The host values of a parameter or buffer, for the package alone. */
export let hostValuesOf: <A extends HostArray>(tensor: ModuleTensor<A>) => HostValues<A>;

/** Element type of a module's tensor. */
export type ModuleDType = 'f32' | 'i32';

/** A tensor that a module has: a parameter or a buffer. */
export abstract class ModuleTensor<A extends HostArray = HostArray> {
  /** Sizes, outermost first; a scalar has none. */
  readonly shape: Shape;
  /** Element type. */
  readonly dtype: ModuleDType;
  readonly #kind: string;
  readonly #host: HostValues<A>;

  static {
    hostValuesOf = (tensor) => tensor.#host;
  }

  /** @internal */
  protected constructor(kind: 'Parameter' | 'Buffer', dtype: ModuleDType, data: A, shape: Shape) {
    this.#kind = kind;
    this.dtype = dtype;
    this.shape = Object.freeze([...checkShape(kind, 'shape', shape)]);
    this.#host = new HostValues(this.#checked(data));
  }

  /**
   * Values in row-major order; may be edited in place. Assign an array of the same type and length to
   * replace them, which is allowed at any time.
   *
   * Initial values of large layers are drawn in the background. Reading them right after the layer was
   * made waits for them: about 1.5 ms per million values, of this tensor and of those before it.
   *
   * @throws StaleParametersError while a Trainer's device has newer values.
   */
  get data(): A {
    return this.#host.share(`the ${this.#kind.toLowerCase()}`);
  }

  set data(values: A) {
    this.#host.replace(this.#checked(values));
  }

  /** Number of elements. */
  get size(): number {
    return elementCount(this.shape);
  }

  #checked(values: A): A {
    const isOfType = this.dtype === 'f32' ? types.isFloat32Array : types.isInt32Array;
    if (!isOfType(values) || isDetached(values)) {
      const array = this.dtype === 'f32' ? 'a Float32Array' : 'an Int32Array';
      throw new ArgumentError(`${this.#kind} expects ${array}, got ${describePixels(values)}`);
    }
    if (values.length !== this.size) {
      throw new ShapeError(
        `${this.#kind} of shape ${formatShape(this.shape)} expects ${this.size} ` +
          `values, got ${values.length}`,
      );
    }
    return values;
  }
}
