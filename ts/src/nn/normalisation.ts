/** Owns the normalisation layers. */
import { localResponseNormAttrs } from '../graph/ops/normalisation.js';
import type { Tensor } from '../graph/tensor.js';
import { functional } from './functional/index.js';
import { Module } from './module.js';
import { pythonFloat } from './print.js';

/**
 * y = x / (k + alpha m)^beta, m being the mean of x^2 over `size` channels around each element's
 * own: size / 2 (rounded down) before it, the rest behind it, zeros where there are no channels.
 * Input [N, C, ...] of at least 3 axes, output of the same shape.
 *
 * PyTorch's `LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2)` is
 * `new LocalResponseNorm(5, { alpha: 1e-4, beta: 0.75, k: 2 })`; the defaults are alpha 1e-4, beta
 * 0.75 and k 1.
 * @throws ArgumentError for a size that is not from 1 to 2^20, for alpha or k below 0, for a beta that
 *   is not finite and for unknown options.
 */
export class LocalResponseNorm extends Module {
  readonly size: number;
  readonly alpha: number;
  readonly beta: number;
  readonly k: number;

  constructor(size: number, options: functional.LocalResponseNormOptions = {}) {
    super();
    const attrs = localResponseNormAttrs('LocalResponseNorm', size, options);
    ({ size: this.size, alpha: this.alpha, beta: this.beta, k: this.k } = attrs);
  }

  override forward(x: Tensor): Tensor {
    const { size, alpha, beta, k } = this;
    return functional.localResponseNorm(x, size, { alpha, beta, k }, 'LocalResponseNorm');
  }

  override extraRepr(): string {
    const k = this.k === 1 ? '1.0' : pythonFloat(this.k);
    return `${this.size}, alpha=${pythonFloat(this.alpha)}, beta=${pythonFloat(this.beta)}, k=${k}`;
  }
}
