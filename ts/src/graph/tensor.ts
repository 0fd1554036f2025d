/**
 * Owns the symbolic tensor that a network's `forward` receives and returns, what may stand beside it
 * in an operation, and what it needs of the trace that it belongs to.
 *
 * Policy: a tensor has a shape and a type but no data. It lives for one trace, whose tracer records
 * what is done with it; using it afterwards, or in another trace, is an error.
 */

import { checkInteger, show } from '../arguments.js';
import { ArgumentError, ShapeError } from '../errors.js';
import type { GraphBuilder } from './builder.js';
import {
  at,
  broadcastShape,
  checkAxes,
  checkAxis,
  flattenShape,
  formatShape,
  raised,
  resolveReshape,
  type Shape,
  sameShape,
} from './shapes.js';
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

/** The trace that tensors belong to: what is asked of it while it is recorded. */
export interface Recording {
  readonly builder: GraphBuilder;
  /** Values that the traced code wants returned by each run, by name. */
  readonly outputs: Map<string, Tensor>;
  /** Runs `body`; an error that it throws gets the current path before its message. */
  check<T>(body: () => T): T;
  /** The input of this name, added on first use. */
  input(name: string, dtype: DType, shape: Shape): Tensor;
  /** The tensor of a parameter. */
  parameter(source: ParameterSource): Tensor;
  /**
   * The tensor of a buffer. An operation that names it in its `updates` changes it in place: what is
   * recorded before sees the old values, what is recorded after the new ones.
   */
  buffer(source: BufferSource): Tensor;
  /**
   * The tensor of what an operation was given: a tensor, parameter or buffer.
   *
   * @param who The operation, for messages.
   */
  operand(who: string, value: Tensor | TensorSource): Tensor;
  /** A single number, which follows from nothing. */
  constant(who: string, value: number): Tensor;
  /** Records an operation of the forward pass; returns its first output and, if made, the others. */
  record(op: OpName, inputs: readonly Tensor[], attrs?: Attrs, options?: RecordOptions): Tensor[];
  /** States that rows are mixed, or moved, along the first axis of these tensors. */
  mixRows(tensors: readonly Tensor[]): void;
  /** Attributes that give the next dropout a stream of random numbers of its own. */
  dropoutStream(): { seed: readonly [number, number]; stream: number };
  /**
   * States that what is recorded would be wrong with padded rows at the end of a batch, since it mixes
   * rows without regard to how many are real: the graph then takes batches of its own size alone.
   */
  requireWholeBatches(): void;
  /** An error about the module whose forward is running. */
  error(message: string): ArgumentError;
}

/**
 * A symbolic tensor: shape and type, no data. `forward` receives and returns them.
 *
 * @example `this.classifier.forward(this.features.forward(image).flatten(1))`
 */
export class Tensor {
  /** @internal */
  readonly tracer: Recording;
  /** @internal */
  readonly id: number;
  /** Sizes, outermost first: an image batch is [N, C, H, W]. */
  readonly shape: Shape;
  /** Element type. */
  readonly dtype: DType;

  /** @internal */
  constructor(tracer: Recording, id: number) {
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
   * x + other, element by element. Axes of 1, and axes that one of the two lacks in front, are
   * repeated along the other's, as in PyTorch.
   * @param other A tensor, parameter, buffer or number.
   * @throws ShapeError for shapes that do not fit each other, ArgumentError for what is none of these.
   */
  add(other: Tensor | TensorSource | number): Tensor {
    return this.#combined('add', other);
  }

  /** x - other, element by element; as {@link Tensor.add}. */
  sub(other: Tensor | TensorSource | number): Tensor {
    return this.#combined('sub', other);
  }

  /** x * other, element by element; as {@link Tensor.add}. */
  mul(other: Tensor | TensorSource | number): Tensor {
    return this.#combined('mul', other);
  }

  /** x / other, element by element; as {@link Tensor.add}. */
  div(other: Tensor | TensorSource | number): Tensor {
    return this.#combined('div', other);
  }

  /**
   * Sum over axes, added up in f64.
   * @param dim An axis or several, negative ones counting from the end; all of them by default.
   * @param keepdim Whether the axes stay, as 1; false by default.
   * @throws ShapeError for an axis that there is none of, or that is named twice.
   */
  sum(dim?: number | readonly number[], keepdim = false): Tensor {
    return this.#reduced('sum', dim, keepdim);
  }

  /** Mean over axes; as {@link Tensor.sum}. */
  mean(dim?: number | readonly number[], keepdim = false): Tensor {
    return this.#reduced('mean', dim, keepdim);
  }

  /**
   * The tensor repeated along its axes of 1, and along new axes in front.
   * @param sizes The new shape; -1 keeps an axis.
   * @throws ShapeError for an axis that is neither 1 nor of the size wanted.
   */
  expand(...sizes: (number | readonly number[])[]): Tensor {
    const wanted = sizes.flat() as number[];
    const from = raised(this.shape, wanted.length);
    const shape = this.tracer.check(() =>
      wanted.map((size, axis) => {
        const isKept = size === -1 && axis >= wanted.length - this.ndim;
        return isKept ? at(from, axis) : checkInteger('expand', `sizes[${axis}]`, size, 1);
      }),
    );
    const x = this.#reshaped(from);
    if (sameShape(shape, x.shape)) return x;
    return first(this.tracer.record('expand', [x], {}, { shapes: [shape] }));
  }

  /**
   * The elements `start` to `start + length` (exclusive) along an axis.
   * @param start Negative ones count from the end.
   * @throws ShapeError for an axis that there is none of, and for a range that is not inside of it.
   */
  narrow(dim: number, start: number, length: number): Tensor {
    const { tracer, shape } = this;
    const [axis, begin] = tracer.check(() => {
      const found = checkAxis('narrow', 'dim', shape, dim);
      const size = at(shape, found);
      checkInteger('narrow', 'length', length, 1);
      const given = checkInteger('narrow', 'start', start, -size, size);
      const from = given < 0 ? given + size : given;
      if (from + length > size) {
        throw new ShapeError(
          `narrow expects a range inside of axis ${found} of ${formatShape(shape)}, ` +
            `got ${length} from ${start} on`,
        );
      }
      return [found, from] as const;
    });
    if (length === shape[axis]) return this;
    if (axis === 0) tracer.mixRows([this]);
    const starts = shape.map((_, other) => (other === axis ? begin : 0));
    const box = shape.map((size, other) => (other === axis ? length : size));
    return first(tracer.record('slice', [this], { starts }, { shapes: [box] }));
  }

  /**
   * The tensor in parts along an axis: of ceil(size / chunks) elements each, the last one of what is
   * left. As in PyTorch there may be fewer parts than asked for.
   * @param dim 0 by default.
   * @throws ShapeError for an axis that there is none of, ArgumentError for chunks below 1.
   */
  chunk(chunks: number, dim = 0): Tensor[] {
    const axis = this.tracer.check(() => {
      checkInteger('chunk', 'chunks', chunks, 1);
      return checkAxis('chunk', 'dim', this.shape, dim);
    });
    const size = at(this.shape, axis);
    const length = Math.ceil(size / chunks);
    return Array.from({ length: Math.ceil(size / length) }, (_, index) =>
      this.narrow(axis, index * length, Math.min(length, size - index * length)),
    );
  }

  /** max(x, 0), element by element. */
  relu(): Tensor {
    return first(this.tracer.record('relu', [this]));
  }

  /** 1 / (1 + exp(-x)), element by element. */
  sigmoid(): Tensor {
    return first(this.tracer.record('sigmoid', [this]));
  }

  /** tanh(x), element by element. */
  tanh(): Tensor {
    return first(this.tracer.record('tanh', [this]));
  }

  /** e^x, element by element. */
  exp(): Tensor {
    return first(this.tracer.record('exp', [this]));
  }

  /** Natural logarithm, element by element. */
  log(): Tensor {
    return first(this.tracer.record('log', [this]));
  }

  /** Square root, element by element. */
  sqrt(): Tensor {
    return first(this.tracer.record('sqrt', [this]));
  }

  /** 1 / sqrt(x), element by element. */
  rsqrt(): Tensor {
    return first(this.tracer.record('rsqrt', [this]));
  }

  /** x^2, element by element. */
  square(): Tensor {
    return first(this.tracer.record('square', [this]));
  }

  /** |x|, element by element. */
  abs(): Tensor {
    return first(this.tracer.record('abs', [this]));
  }

  /** -x, element by element. */
  neg(): Tensor {
    return first(this.tracer.record('neg', [this]));
  }

  #combined(op: 'add' | 'sub' | 'mul' | 'div', other: Tensor | TensorSource | number): Tensor {
    const { tracer } = this;
    const operand =
      typeof other === 'number' ? tracer.constant(op, other) : tracer.operand(op, other);
    const { length } = tracer.check(() => broadcastShape(op, this.shape, operand.shape));
    const [a, b] = [this, operand].map((each) => each.#reshaped(raised(each.shape, length)));
    return first(tracer.record(op, [a ?? this, b ?? operand]));
  }

  #reduced(who: 'sum' | 'mean', dim: number | readonly number[] | undefined, keepdim: boolean) {
    const { tracer, shape } = this;
    const axes = new Set(tracer.check(() => checkAxes(who, 'dim', shape, dim)));
    if (axes.has(0)) tracer.mixRows([this]);
    const kept = shape.map((size, axis) => (axes.has(axis) ? 1 : size));
    const attrs = { mean: who === 'mean' };
    const sums = first(tracer.record('sum', [this], attrs, { who, shapes: [kept] }));
    return keepdim ? sums : sums.#reshaped(kept.filter((_, axis) => !axes.has(axis)));
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
