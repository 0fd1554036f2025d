/** Owns a trainable tensor. */
import type { Shape } from '../graph/shapes.js';
import { hostValuesOf, ModuleTensor } from '../program/module-tensor.js';
import type { InitialValues } from '../random/init.js';

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
export class Parameter extends ModuleTensor<Float32Array> {
  /** Whether training updates it. Set to false before making a Trainer to freeze it. */
  requiresGrad: boolean;

  /**
   * @param data Values in row-major order.
   * @param shape Sizes, outermost first; as many elements as `data`.
   * @throws ArgumentError for what is no Float32Array or no shape.
   * @throws ShapeError where `data` does not have the shape's number of elements.
   */
  constructor(data: Float32Array, shape: Shape, options: { requiresGrad?: boolean } = {}) {
    super('Parameter', 'f32', data, shape);
    this.requiresGrad = options.requiresGrad ?? true;
  }
}

/** A parameter with an array that nobody else has, so that edits need not be looked for. */
export function ownParameter({ array, filling }: InitialValues, shape: Shape): Parameter {
  const parameter = new Parameter(array, shape);
  hostValuesOf(parameter).keep(filling);
  return parameter;
}
