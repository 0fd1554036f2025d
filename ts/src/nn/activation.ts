/** Owns the activations. */
import { checkInteger, checkNumber, checkOneOf, checkOptions } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import type { Tensor } from '../graph/tensor.js';
import { asTensor } from '../graph/trace.js';
import { functional } from './functional/index.js';
import { Module } from './module.js';
import { pythonFloat } from './print.js';

/** max(x, 0), element by element. Input of any shape, output of the same. */
export class ReLU extends Module {
  override forward(x: Tensor): Tensor {
    return functional.relu(x);
  }
}

/** min(max(x, 0), 6), element by element. Input of any shape, output of the same. */
export class ReLU6 extends Module {
  override forward(x: Tensor): Tensor {
    return functional.relu6(x);
  }
}

/**
 * x, or negativeSlope x where x is not positive, element by element. Input of any shape, output of
 * the same.
 * @throws ArgumentError for a slope that is no finite number.
 */
export class LeakyReLU extends Module {
  /** Slope where x is not positive; 0.01 by default. */
  readonly negativeSlope: number;

  constructor(negativeSlope = 0.01) {
    super();
    this.negativeSlope = checkNumber('LeakyReLU', 'negativeSlope', negativeSlope);
  }

  override forward(x: Tensor): Tensor {
    return functional.leakyRelu(x, this.negativeSlope);
  }

  override extraRepr(): string {
    return `negative_slope=${pythonFloat(this.negativeSlope)}`;
  }
}

/**
 * x, or alpha (exp(x) - 1) where x is not positive, element by element. Input of any shape, output of
 * the same.
 * @throws ArgumentError for an alpha that is no finite number.
 */
export class ELU extends Module {
  /** Distance of the lower limit from 0; 1 by default. */
  readonly alpha: number;

  constructor(alpha = 1) {
    super();
    this.alpha = checkNumber('ELU', 'alpha', alpha);
  }

  override forward(x: Tensor): Tensor {
    return functional.elu(x, this.alpha);
  }

  override extraRepr(): string {
    return `alpha=${Number.isInteger(this.alpha) ? this.alpha.toFixed(1) : pythonFloat(this.alpha)}`;
  }
}

/** 1 / (1 + exp(-x)), element by element. Input of any shape, output of the same. */
export class Sigmoid extends Module {
  override forward(x: Tensor): Tensor {
    return functional.sigmoid(x);
  }
}

/** tanh(x), element by element. Input of any shape, output of the same. */
export class Tanh extends Module {
  override forward(x: Tensor): Tensor {
    return functional.tanh(x);
  }
}

/** x / (1 + exp(-x)), element by element. Input of any shape, output of the same. */
export class SiLU extends Module {
  override forward(x: Tensor): Tensor {
    return functional.silu(x);
  }
}

/** Options of {@link GELU}. */
export interface GELUOptions {
  /** `'tanh'` for x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2; `'none'` by default. */
  approximate?: 'none' | 'tanh';
}

/**
 * x (1 + erf(x / sqrt(2))) / 2, or its approximation, element by element. Input of any shape, output
 * of the same.
 * @throws ArgumentError for unknown options and another approximation.
 */
export class GELU extends Module {
  /** Which formula. */
  readonly approximate: 'none' | 'tanh';

  constructor(options: GELUOptions = {}) {
    super();
    checkOptions('GELU', options, ['approximate']);
    const wanted = options.approximate ?? 'none';
    this.approximate = checkOneOf('GELU', 'approximate', wanted, ['none', 'tanh']);
  }

  override forward(x: Tensor): Tensor {
    return this.approximate === 'none' ? functional.gelu(x) : functional.geluTanh(x);
  }

  override extraRepr(): string {
    return `approximate='${this.approximate}'`;
  }
}

/**
 * log(1 + exp(beta x)) / beta, element by element, and x itself where beta x is above 20, PyTorch's
 * default threshold. Input of any shape, output of the same.
 * @throws ArgumentError for a beta that is no finite number above 0.
 */
export class Softplus extends Module {
  /** How sharply it bends; 1 by default. */
  readonly beta: number;

  constructor(beta = 1) {
    super();
    this.beta = checkNumber('Softplus', 'beta', beta);
    if (beta <= 0) throw new ArgumentError(`Softplus expects beta to be above 0, got ${beta}`);
  }

  override forward(x: Tensor): Tensor {
    return functional.softplus(x, this.beta);
  }

  override extraRepr(): string {
    const beta = Number.isInteger(this.beta) ? this.beta.toFixed(1) : pythonFloat(this.beta);
    return `beta=${beta}, threshold=20.0`;
  }
}

/** min(max(x + 3, 0), 6) / 6, element by element. Input of any shape, output of the same. */
export class Hardsigmoid extends Module {
  override forward(x: Tensor): Tensor {
    return functional.hardsigmoid(x);
  }
}

/** x min(max(x + 3, 0), 6) / 6, element by element. Input of any shape, output of the same. */
export class Hardswish extends Module {
  override forward(x: Tensor): Tensor {
    return functional.hardswish(x);
  }
}

/** What {@link Softmax} and {@link LogSoftmax} have in common. */
abstract class AlongAxis extends Module {
  /** The axis that the sums go along, negative ones counting from the end; -1 by default. */
  readonly dim: number;

  constructor(dim = -1) {
    super();
    this.dim = checkInteger(new.target.name, 'dim', dim, -8, 7);
  }

  override extraRepr(): string {
    return `dim=${this.dim}`;
  }
}

/**
 * exp(x) / sum(exp(x)) along an axis. Input of any shape but a scalar's, output of the same.
 * CrossEntropyLoss takes logits: a network that ends in it has no softmax.
 * @throws ArgumentError for a dim that is no integer; ShapeError, in a trace, for an axis that the
 *   input does not have.
 */
export class Softmax extends AlongAxis {
  override forward(x: Tensor): Tensor {
    return functional.softmax(x, this.dim, 'Softmax');
  }
}

/**
 * x - log(sum(exp(x))) along an axis, for NLLLoss. Input of any shape but a scalar's, output of the
 * same.
 * @throws ArgumentError for a dim that is no integer; ShapeError, in a trace, for an axis that the
 *   input does not have.
 */
export class LogSoftmax extends AlongAxis {
  override forward(x: Tensor): Tensor {
    return functional.logSoftmax(x, this.dim, 'LogSoftmax');
  }
}

/** Its input. */
export class Identity extends Module {
  override forward(x: Tensor): Tensor {
    return asTensor('Identity', x);
  }
}
