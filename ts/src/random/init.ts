/**
 * Owns the initial values of parameters. Formulas: torch.nn.init, and the reset_parameters of
 * torch.nn.Linear and torch.nn.Conv2d.
 */
import { elementCount, formatShape, type Shape } from '../graph/shapes.js';
import { allocateFloats } from '../memory.js';
import { defaultGenerator } from './index.js';

/** Values of the uniform distribution on [-bound, bound) from the default generator. */
function uniform(shape: Shape, bound: number): Float32Array {
  const values = allocateFloats(`a parameter of shape ${formatShape(shape)}`, elementCount(shape));
  defaultGenerator().fillUniform(values, -bound, bound);
  return values;
}

/**
 * PyTorch's default for weights: `kaiming_uniform_(w, a=sqrt(5))`, whose bound is
 * gain * sqrt(3 / fanIn) with gain = sqrt(2 / (1 + a^2)), in PyTorch's order of operations.
 *
 * @param shape [out, in, ...window]
 * @param fanIn Inputs of one output: in times the window's cells.
 */
export function defaultWeight(shape: Shape, fanIn: number): Float32Array {
  const gain = Math.sqrt(2 / (1 + Math.sqrt(5) ** 2));
  return uniform(shape, Math.sqrt(3) * (gain / Math.sqrt(fanIn)));
}

/** PyTorch's default for biases: uniform on [-1 / sqrt(fanIn), 1 / sqrt(fanIn)). */
export function defaultBias(shape: Shape, fanIn: number): Float32Array {
  return uniform(shape, 1 / Math.sqrt(fanIn));
}
