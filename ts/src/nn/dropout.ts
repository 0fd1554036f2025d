/** Owns dropout. */
import { checkNumber } from '../arguments.js';
import type { Tensor } from '../graph/tensor.js';
import { functional } from './functional/index.js';
import { Module } from './module.js';
import { pythonFloat } from './print.js';

abstract class DropoutBase extends Module {
  /** Probability of being set to zero, from 0 to 1. */
  readonly p: number;

  protected constructor(who: string, p: number) {
    super();
    this.p = checkNumber(who, 'p', p, { min: 0, max: 1 });
  }

  override extraRepr(): string {
    return `p=${pythonFloat(this.p)}, inplace=False`;
  }
}

/**
 * In training mode sets elements to zero with probability p and scales the others by 1 / (1 - p);
 * in evaluation mode does nothing. Input of any shape, output of the same. Masks are a function of
 * (seed, step, call, element).
 * @throws ArgumentError for p outside 0 to 1.
 */
export class Dropout extends DropoutBase {
  constructor(p = 0.5) {
    super('Dropout', p);
  }

  override forward(x: Tensor): Tensor {
    return functional.dropout(x, this.p, this.training);
  }
}

/**
 * In training mode sets whole channels to zero with probability p and scales the others by
 * 1 / (1 - p); in evaluation mode does nothing. Input [N, C, H, W], output of the same shape. Masks
 * are a function of (seed, step, call, n * C + c).
 * @throws ArgumentError for p outside 0 to 1.
 */
export class Dropout2d extends DropoutBase {
  constructor(p = 0.5) {
    super('Dropout2d', p);
  }

  override forward(x: Tensor): Tensor {
    return functional.dropout2d(x, this.p, this.training);
  }
}
