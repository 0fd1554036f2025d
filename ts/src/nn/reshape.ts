/** Owns the layers that give the same elements another shape. */
import { checkInteger } from '../arguments.js';
import type { Tensor } from '../graph/tensor.js';
import { asTensor } from '../graph/trace.js';
import { Module } from './module.js';

/**
 * Joins the axes `startDim` (1 by default) to `endDim` (the last by default) into one: by default
 * [N, C, H, W] becomes [N, C * H * W]. Negative axes count from the end.
 */
export class Flatten extends Module {
  readonly startDim: number;
  readonly endDim: number;

  constructor(startDim = 1, endDim = -1) {
    super();
    this.startDim = checkInteger('Flatten', 'startDim', startDim, Number.MIN_SAFE_INTEGER);
    this.endDim = checkInteger('Flatten', 'endDim', endDim, Number.MIN_SAFE_INTEGER);
  }

  override forward(x: Tensor): Tensor {
    return asTensor('Flatten', x).flatten(this.startDim, this.endDim);
  }

  override extraRepr(): string {
    return `start_dim=${this.startDim}, end_dim=${this.endDim}`;
  }
}
