/**
 * Runs finished graphs in float64 with plain loops: the reference for gradient rules and for native
 * code. It reads the same GraphSpec that native code receives and has the same surface.
 */
import type { GraphSpec } from '../../../dist/graph/spec.js';
import type { OpName } from '../../../dist/graph/table.js';
import { convolutionKernels } from './convolution.js';
import { joiningKernels } from './joining.js';
import { lossKernels } from './loss.js';
import { normalisationKernels } from './normalisation.js';
import { pointwiseKernels } from './pointwise.js';
import { poolingKernels } from './pooling.js';
import { resamplingKernels } from './resampling.js';
import type { Kernel, Tensor64 } from './tensor.js';

const kernels: Record<OpName, Kernel> = {
  ...convolutionKernels,
  ...poolingKernels,
  ...normalisationKernels,
  ...pointwiseKernels,
  ...joiningKernels,
  ...resamplingKernels,
  ...lossKernels,
  ...normalisationKernels,
};

/** A graph with its float64 memory; parameters and state are zero until written. */
export class ReferenceProgram {
  readonly #spec: GraphSpec;
  readonly #values: Tensor64[];

  constructor(spec: GraphSpec) {
    this.#spec = spec;
    this.#values = spec.values.map(({ shape }) => ({
      data: new Float64Array(shape.reduce((product, size) => product * size, 1)),
      shape,
    }));
  }

  /** Sets an input, parameter or state. */
  write(name: string, data: ArrayLike<number>): void {
    const { data: target } = this.#named(name);
    if (target.length !== data.length) {
      throw new Error(`${name} has ${target.length} elements, got ${data.length}`);
    }
    target.set(data);
  }

  /** Values of an input, parameter or state. */
  read(name: string): Float64Array {
    return this.#named(name).data.slice();
  }

  /** Runs the graph once; gives its outputs by name. */
  run(inputs: Readonly<Record<string, ArrayLike<number> | number>>): Record<string, Float64Array> {
    for (const [name, value] of Object.entries(inputs)) {
      this.write(name, typeof value === 'number' ? [value] : value);
    }
    const pick = (ids: readonly number[]) => ids.map((id) => this.#values[id]!);
    for (const { op, inputs, outputs, attrs } of this.#spec.nodes) {
      kernels[op as OpName](pick(inputs), pick(outputs), attrs);
    }
    return Object.fromEntries(
      this.#spec.outputs.map(({ name, value }) => [name, this.#values[value]!.data.slice()]),
    );
  }

  #named(name: string): Tensor64 {
    const index = this.#spec.values.findIndex((value) => value.name === name && name !== '');
    const tensor = this.#values[index];
    if (tensor === undefined) throw new Error(`the graph has no value ${name}`);
    return tensor;
  }
}
