/**
 * Owns the tracer, which records what a network's `forward` does with tensors.
 *
 * Policy: it knows parameters and buffers as plain objects and modules not at all. It lives for one
 * trace, and its tensors with it.
 */

import { checkNumber, show } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import { cut } from '../text.js';
import { atPath, GraphBuilder } from './builder.js';
import type { Shape } from './shapes.js';
import type { Attrs, DType } from './spec.js';
import type { OpName } from './table.js';
import {
  type BufferSource,
  first,
  type ParameterSource,
  type Recording,
  type RecordOptions,
  Tensor,
  type TensorSource,
} from './tensor.js';

/** Calls of forward inside each other, at most: far below what the stack holds. */
const deepestCall = 1000;

/** Records one forward pass. What {@link Recording} has is described there. */
export class Tracer implements Recording {
  readonly builder = new GraphBuilder();
  readonly outputs = new Map<string, Tensor>();
  readonly #sources: ReadonlyMap<TensorSource, string>;
  readonly #seed: readonly [number, number];
  readonly #paths: string[] = [''];
  #dropouts = 0;
  #needsWholeBatches = false;
  /** Values that follow from a batch's rows. */
  readonly #ofRows = new Set<number>();
  #open = true;

  /**
   * @param sources Every parameter and buffer that may be used, with its name.
   * @param seed Low and high 32 bits of the seed of dropout masks.
   */
  constructor(
    sources: ReadonlyMap<TensorSource, string>,
    seed: readonly [number, number] = [0, 0],
  ) {
    this.#sources = sources;
    this.#seed = seed;
  }

  /** Path of the module whose forward is running. */
  get path(): string {
    return this.#paths.at(-1) ?? '';
  }

  /** Runs `body` as the module at `path`. */
  scope<T>(path: string, body: () => T): T {
    if (this.#paths.length > deepestCall) {
      throw this.error(
        `forward was called inside forward ${deepestCall} times; does it call itself?`,
      );
    }
    this.#paths.push(path);
    try {
      return body();
    } finally {
      this.#paths.pop();
    }
  }

  check<T>(body: () => T): T {
    try {
      return body();
    } catch (error) {
      throw atPath(this.path, error);
    }
  }

  input(name: string, dtype: DType, shape: Shape): Tensor {
    this.#assertOpen();
    const tensor = new Tensor(this, this.builder.named('input', name, dtype, shape));
    if (shape.length > 0) this.#ofRows.add(tensor.id);
    return tensor;
  }

  parameter(source: ParameterSource): Tensor {
    return this.#source('parameter', 'f32', source);
  }

  buffer(source: BufferSource): Tensor {
    return this.#source('buffer', source.dtype, source);
  }

  operand(who: string, value: Tensor | TensorSource): Tensor {
    if (value instanceof Tensor) return value;
    if (typeof value === 'object' && value !== null && 'shape' in value) {
      if ('requiresGrad' in value) return this.parameter(value);
      if ('dtype' in value) return this.buffer(value);
    }
    throw this.error(`${who} expects a tensor, got ${show(value)}`);
  }

  constant(who: string, value: number): Tensor {
    this.check(() => checkNumber(who, 'a number', value));
    return first(this.record('fill', [], { value }, { shapes: [[]] }));
  }

  #source(kind: 'parameter' | 'buffer', dtype: DType, source: TensorSource): Tensor {
    this.#assertOpen();
    const name = this.#sources.get(source);
    if (name === undefined) {
      throw this.error(
        `a ${kind} in use is not registered: assign its module to a property of the network, ` +
          'or put it into nn.Sequential or nn.ModuleList; plain arrays and private fields are ' +
          'not searched',
      );
    }
    return new Tensor(this, this.builder.named('parameter', name, dtype, source.shape));
  }

  record(
    op: OpName,
    inputs: readonly Tensor[],
    attrs: Attrs = {},
    options: RecordOptions = {},
  ): Tensor[] {
    this.#assertOpen();
    const ids = inputs.map((tensor) => {
      if (tensor.tracer !== this) throw this.error('a tensor of another trace was passed');
      return tensor.id;
    });
    const settings = { name: this.path, phase: 'forward' as const, ...options };
    const outputs = this.builder.apply(op, ids, attrs, settings);
    if (ids.some((id) => this.#ofRows.has(id))) {
      for (const id of outputs) this.#ofRows.add(id);
    }
    return outputs.map((id) => new Tensor(this, id));
  }

  mixRows(tensors: readonly Tensor[]): void {
    if (tensors.some(({ id }) => this.#ofRows.has(id))) this.requireWholeBatches();
  }

  dropoutStream(): { seed: readonly [number, number]; stream: number } {
    return { seed: this.#seed, stream: this.#dropouts++ };
  }

  requireWholeBatches(): void {
    this.#needsWholeBatches = true;
  }

  /** Whether something that was recorded cannot do with padded rows. */
  get needsWholeBatches(): boolean {
    return this.#needsWholeBatches;
  }

  error(message: string): ArgumentError {
    return new ArgumentError(this.path === '' ? message : `${cut(this.path)}: ${message}`);
  }

  /** Ends the trace: its tensors can no longer be used. */
  close(): void {
    this.#open = false;
  }

  #assertOpen(): void {
    if (!this.#open) {
      throw new ArgumentError(
        'a tensor was used after the trace that made it; tensors live for one call of forward',
      );
    }
  }
}
