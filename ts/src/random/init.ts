/**
 * Owns how values are drawn for parameters. Formulas: torch.nn.init, and the reset_parameters of
 * torch.nn.Linear and torch.nn.Conv2d.
 */
import { elementCount, formatShape, type Shape } from '../graph/shapes.js';
import type { Filling } from '../program/host-values.js';
import { allocateFloats } from '../program/memory.js';
import { hostValuesOf, type ModuleTensor } from '../program/module-tensor.js';
import { defaultGenerator } from './index.js';
import type { Distribution } from './stream.js';

/** Initial values, which may be drawn yet. */
export interface InitialValues {
  readonly array: Float32Array;
  /** What to wait for before the array is read; undefined where it is filled. */
  readonly filling: Filling | undefined;
}

/** How many calls of {@link withoutDraws} are under way. */
let skipping = 0;

/** What `make` gives; what is drawn for parameters meanwhile is left out, and takes no time. */
export function withoutDraws<T>(make: () => T): T {
  skipping += 1;
  try {
    return make();
  } finally {
    skipping -= 1;
  }
}

/** Values of the uniform distribution on [-bound, bound) from the default generator. */
function uniform(shape: Shape, bound: number): InitialValues {
  const array = allocateFloats(`a parameter of shape ${formatShape(shape)}`, elementCount(shape));
  if (skipping > 0) return { array, filling: undefined };
  const distribution = { kind: 'uniform', from: -bound, to: bound } as const;
  return { array, filling: defaultGenerator().fill(array, distribution) };
}

/** Has the values of a parameter or buffer drawn anew by the default generator. */
export function redraw(tensor: ModuleTensor<Float32Array>, distribution: Distribution): void {
  if (skipping > 0) return;
  const generator = defaultGenerator();
  hostValuesOf(tensor).redraw(generator, tensor.size, (array) =>
    generator.fill(array, distribution),
  );
}

/**
 * PyTorch's default for weights: `kaiming_uniform_(w, a=sqrt(5))`, whose bound is
 * gain * sqrt(3 / fanIn) with gain = sqrt(2 / (1 + a^2)), in PyTorch's order of operations.
 *
 * @param shape [out, in, ...window]
 * @param fanIn Inputs of one output: in times the window's cells.
 */
export function defaultWeight(shape: Shape, fanIn: number): InitialValues {
  const gain = Math.sqrt(2 / (1 + Math.sqrt(5) ** 2));
  return uniform(shape, Math.sqrt(3) * (gain / Math.sqrt(fanIn)));
}

/** PyTorch's default for biases: uniform on [-1 / sqrt(fanIn), 1 / sqrt(fanIn)). */
export function defaultBias(shape: Shape, fanIn: number): InitialValues {
  return uniform(shape, 1 / Math.sqrt(fanIn));
}
