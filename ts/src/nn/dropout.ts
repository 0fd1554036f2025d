/** Owns dropout. */
import { checkNumber } from '../arguments.js';
import type { Tensor } from '../graph/tensor.js';
import { functional } from './functional/index.js';
import { Module } from './module.js';
import { pythonFloat } from './print.js';

/**
 * In training mode sets elements to zero with probability p and scales the others by 1 / (1 - p);
 * in evaluation mode does nothing. Input of any shape, output of the same. Masks are a function of
 * (seed, step, call, element).
 * @throws ArgumentError for p outside 0 to 1.
 */
export class Dropout extends Module {
  readonly p: number;

  constructor(p = 0.5) {
    super();
    this.p = checkNumber('Dropout', 'p', p, { min: 0, max: 1 });
  }

  override forward(x: Tensor): Tensor {
    return functional.dropout(x, this.p, this.training);
  }

  override extraRepr(): string {
    return `p=${pythonFloat(this.p)}, inplace=False`;
  }
}

/**
 * In training mode sets whole channels to zero with probability p and scales the others by
 * 1 / (1 - p); in evaluation mode does nothing. Input [N, C, H, W], output of the same shape. Masks
 * are a function of (seed, step, call, n * C + c).
 * @throws ArgumentError for p outside 0 to 1.
 */
export class Dropout2d extends Module {
  readonly p: number;

  constructor(p = 0.5) {
    super();
    this.p = checkNumber('Dropout2d', 'p', p, { min: 0, max: 1 });
  }

  override forward(x: Tensor): Tensor {
    return functional.dropout2d(x, this.p, this.training);
  }

  override extraRepr(): string {
    return `p=${pythonFloat(this.p)}, inplace=False`;
  }
}
