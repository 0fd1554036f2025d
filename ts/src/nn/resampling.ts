/** Owns the layer that makes images larger or smaller. */
import { interpolateSettings } from '../graph/ops/resampling.js';
import type { Tensor } from '../graph/tensor.js';
import { functional } from './functional/index.js';
import { Module } from './module.js';
import { pythonFloat, pythonSize } from './print.js';

/**
 * Images of another size, of `size` or of `scaleFactor` times their own, by the nearest pixel or
 * bilinearly; {@link functional.interpolate} has the formulas. Input [N, C, H, W], output
 * [N, C, H', W'].
 * @throws ArgumentError for unknown options, values out of range, both or neither of `size` and
 *   `scaleFactor`, and `alignCorners` with `'nearest'`.
 */
export class Upsample extends Module {
  readonly options: Readonly<functional.InterpolateOptions>;

  constructor(options: functional.InterpolateOptions) {
    super();
    interpolateSettings('Upsample', options);
    this.options = Object.freeze({ ...options });
  }

  override forward(x: Tensor): Tensor {
    return functional.interpolate(x, this.options, 'Upsample');
  }

  override extraRepr(): string {
    const { size = null, scaleFactor, mode = 'nearest' } = this.options;
    return `${scaleFactor === undefined ? `size=${pythonSize(size)}` : scale(scaleFactor)}, mode='${mode}'`;
  }
}

/** As Python prints floats, whole ones too. */
function scale(factor: number | readonly [number, number]): string {
  const text = (value: number) => (Number.isInteger(value) ? value.toFixed(1) : pythonFloat(value));
  return `scale_factor=${typeof factor === 'number' ? text(factor) : `(${factor.map(text).join(', ')})`}`;
}
