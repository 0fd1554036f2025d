/** Owns the activations. */
import type { Tensor } from '../graph/tensor.js';
import { functional } from './functional/index.js';
import { Module } from './module.js';

/** max(x, 0), element by element. Input of any shape, output of the same. */
export class ReLU extends Module {
  override forward(x: Tensor): Tensor {
    return functional.relu(x);
  }
}

/** 1 / (1 + exp(-x)), element by element. Input of any shape, output of the same. */
export class Sigmoid extends Module {
  override forward(x: Tensor): Tensor {
    return functional.sigmoid(x);
  }
}
