/**
 * Owns the symbolic tensor that a network's `forward` receives and returns, and the tracer that
 * records what is done with it.
 *
 * Policy: a tensor has a shape and a type but no data. It lives for one trace; using it afterwards,
 * or in another trace, is an error. The tracer knows parameters and buffers as plain objects and
 * modules not at all.
 */

import { show } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import { cut } from '../text.js';
import { atPath, GraphBuilder } from './builder.js';
import { flattenShape, resolveReshape, type Shape, sameShape } from './shapes.js';
import type { Attrs, DType } from './spec.js';
import type { OpName } from './table.js';

/** What the tracer needs of a parameter: nn.Parameter has it. */
export interface ParameterSource {
  readonly shape: Shape;
  readonly requiresGrad: boolean;
}

/** What the tracer needs of a buffer, which is not trained: nn.Buffer has it. */
export interface BufferSource {
  readonly shape: Shape;
  readonly dtype: 'f32' | 'i32';
}

/** A tensor that outlives runs. */
export type TensorSource = ParameterSource | BufferSource;

/** Options of one traced operation. */
export interface RecordOptions {
  /** Name for messages: the module's class. */
  who?: string;
  shapes?: readonly (Shape | undefined)[];
}

/** Calls of forward inside each other, at most: far below what the stack holds. */
const deepestCall = 1000;

/** Records one forward pass. */
export class Tracer {
  readonly builder = new GraphBuilder();
  /** Values that the traced code wants returned by each run, by name. */
  readonly outputs = new Map<string, Tensor>();
  readonly #sources: ReadonlyMap<TensorSource, string>;
  readonly #seed: readonly [number, number];
  readonly #paths: string[] = [''];
  #dropouts = 0;
  #needsWholeBatches = false;
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

  /** Runs `body`; an error that it throws gets the current path before its message. */
  check<T>(body: () => T): T {
    try {
      return body();
    } catch (error) {
      throw atPath(this.path, error);
    }
  }

  /** The input of this name, added on first use. */
  input(name: string, dtype: DType, shape: Shape): Tensor {
    this.#assertOpen();
    return new Tensor(this, this.builder.named('input', name, dtype, shape));
  }

  /** The tensor of a parameter. */
  parameter(source: ParameterSource): Tensor {
    return this.#source('parameter', 'f32', source);
  }

  /**
   * The tensor of a buffer. An operation that names it in its `updates` changes it in place: what is
   * recorded before sees the old values, what is recorded after the new ones.
   */
  buffer(source: BufferSource): Tensor {
    return this.#source('buffer', source.dtype, source);
  }

  /**
   * The tensor of what an operation was given: a tensor, parameter or buffer.
   *
   * @param who The operation, for messages.
   */
  operand(who: string, value: Tensor | TensorSource): Tensor {
    if (value instanceof Tensor) return value;
    if (typeof value === 'object' && value !== null && 'shape' in value) {
      if ('requiresGrad' in value) return this.parameter(value);
      if ('dtype' in value) return this.buffer(value);
    }
    throw this.error(`${who} expects a tensor, got ${show(value)}`);
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

  /** Records an operation of the forward pass; returns its first output and, if made, the others. */
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
    return this.builder.apply(op, ids, attrs, settings).map((id) => new Tensor(this, id));
  }

  /** Attributes that give the next dropout a stream of random numbers of its own. */
  dropoutStream(): { seed: readonly [number, number]; stream: number } {
    return { seed: this.#seed, stream: this.#dropouts++ };
  }

  /**
   * States that what is recorded would be wrong with padded rows at the end of a batch, since it mixes
   * rows without regard to how many are real: the graph then takes batches of its own size alone.
   */
  requireWholeBatches(): void {
    this.#needsWholeBatches = true;
  }

  /** Whether something that was recorded cannot do with padded rows. */
  get needsWholeBatches(): boolean {
    return this.#needsWholeBatches;
  }

  /** An error about the module whose forward is running. */
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

/**
 * A symbolic tensor: shape and type, no data. `forward` receives and returns them.
 *
 * @example `this.classifier.forward(this.features.forward(image).flatten(1))`
 */
export class Tensor {
  /** @internal */
  readonly tracer: Tracer;
  /** @internal */
  readonly id: number;
  /** Sizes, outermost first: an image batch is [N, C, H, W]. */
  readonly shape: Shape;
  /** Element type. */
  readonly dtype: DType;

  /** @internal */
  constructor(tracer: Tracer, id: number) {
    const value = tracer.builder.value(id);
    this.tracer = tracer;
    this.id = id;
    this.shape = value.shape;
    this.dtype = value.dtype;
  }

  /** Number of axes. */
  get ndim(): number {
    return this.shape.length;
  }

  /**
   * Size along an axis; negative axes count from the end.
   * @throws ArgumentError if there is no such axis.
   */
  size(axis: number): number {
    const size = Number.isInteger(axis) ? this.shape.at(axis) : undefined;
    if (size === undefined) {
      throw this.tracer.error(
        `size expects an axis of ${show([...this.shape])}, got ${show(axis)}`,
      );
    }
    return size;
  }

  /**
   * The same elements in another shape; one size may be -1 and is then worked out.
   * @throws ShapeError if the number of elements differs.
   */
  reshape(...sizes: (number | readonly number[])[]): Tensor {
    const wanted = sizes.flat() as number[];
    return this.#reshaped(this.tracer.check(() => resolveReshape('reshape', this.shape, wanted)));
  }

  /** As {@link Tensor.reshape}, under the name PyTorch users know. */
  view(...sizes: (number | readonly number[])[]): Tensor {
    return this.reshape(...sizes);
  }

  /**
   * Joins the axes `startDim` to `endDim` (inclusive) into one. As in PyTorch, every axis is joined
   * by default; `flatten(1)` keeps the batch.
   */
  flatten(startDim = 0, endDim = -1): Tensor {
    return this.#reshaped(
      this.tracer.check(() => flattenShape('flatten', this.shape, startDim, endDim)),
    );
  }

  /**
   * Element-wise sum with a tensor, parameter or buffer of the same shape.
   * @throws ShapeError if the shapes differ, ArgumentError for what is none of them.
   */
  add(other: Tensor | TensorSource): Tensor {
    return first(this.tracer.record('add', [this, this.tracer.operand('add', other)]));
  }

  /** max(x, 0), element by element. */
  relu(): Tensor {
    return first(this.tracer.record('relu', [this]));
  }

  /** 1 / (1 + exp(-x)), element by element. */
  sigmoid(): Tensor {
    return first(this.tracer.record('sigmoid', [this]));
  }

  #reshaped(shape: Shape): Tensor {
    if (sameShape(shape, this.shape)) return this;
    return first(this.tracer.record('reshape', [this], {}, { shapes: [shape] }));
  }
}

/** First output of an operation that has one. */
export function first(outputs: readonly Tensor[]): Tensor {
  const [output] = outputs;
  if (output === undefined) throw new ArgumentError('the operation has no output');
  return output;
}
