/**
 * Owns the graph while it grows: values and nodes, checked as they are added.
 *
 * Policy: values are indices that never change; a node's outputs are all made, optional ones too,
 * and finish.ts drops what nothing needs. Errors carry the path of the module that adds the node.
 */
import { ArgumentError, DTypeError, errorFromCode, NeuronodeError } from '../errors.js';
import { cut } from '../text.js';
import { attrFits, type Operation, presentSlots, type TensorType } from './operation.js';
import { checkSizes, type Shape, sameShape } from './shapes.js';
import type { Attrs, DType, NodeSpec, Phase, ValueKind, ValueSpec } from './spec.js';
import { operationOf } from './table.js';

/** How to add one node. */
export interface NodeOptions {
  /** Path of the module, or name of the parameter, that the node serves. */
  name: string;
  phase: Phase;
  /** Name for messages: the module's class. The operation's name where absent. */
  who?: string;
  /** Output shapes where inputs and attributes leave them open. */
  shapes?: readonly (Shape | undefined)[];
  /** How many outputs to make; all of them where absent. */
  outputCount?: number;
}

/** A graph under construction. */
export class GraphBuilder {
  readonly values: ValueSpec[] = [];
  readonly nodes: NodeSpec[] = [];
  readonly #named = new Map<string, number>();
  readonly #producers = new Map<number, NodeSpec>();

  /** The spec of a value. */
  value(id: number): ValueSpec {
    const value = this.values[id];
    if (value === undefined) throw new ArgumentError(`the graph has no value ${id}`);
    return value;
  }

  /** Adds an input, parameter or state, or finds the one that has this name and type. */
  named(kind: Exclude<ValueKind, 'intermediate'>, name: string, dtype: DType, shape: Shape) {
    const known = this.#named.get(name);
    if (known !== undefined) {
      const value = this.value(known);
      if (value.kind !== kind || value.dtype !== dtype || !sameShape(value.shape, shape)) {
        throw new ArgumentError(
          `two values of the graph are named '${cut(name)}'; give one of the modules another name`,
        );
      }
      return known;
    }
    checkSizes(`the ${kind} ${cut(name)}`, shape);
    const id = this.values.push({ kind, dtype, shape: [...shape], name }) - 1;
    this.#named.set(name, id);
    return id;
  }

  /** Adds a node after checking its inputs and attributes; returns its outputs. */
  apply(op: string, inputs: readonly number[], attrs: Attrs, options: NodeOptions): number[] {
    const who = options.who ?? op;
    try {
      const operation = operationOf(op);
      const types = inputs.map((id) => this.value(id));
      checkInputs(who, operation, types);
      checkAttrs(who, operation, attrs);
      const outputs = operation
        .infer({
          who,
          inputs: types,
          attrs,
          declared: options.shapes ?? [],
          origin: (index) => this.#origin(inputs[index]),
        })
        .slice(0, options.outputCount);
      for (const { shape } of outputs) checkSizes(`the output of ${who}`, shape);
      const ids = outputs.map(
        ({ dtype, shape }) =>
          this.values.push({ kind: 'intermediate', dtype, shape: [...shape], name: '' }) - 1,
      );
      const node: NodeSpec = {
        op,
        inputs: [...inputs],
        outputs: ids,
        attrs,
        name: options.name,
        phase: options.phase,
      };
      this.nodes.push(node);
      for (const id of ids) this.#producers.set(id, node);
      return ids;
    } catch (error) {
      throw atPath(options.name, error);
    }
  }

  /** Shape of a value before the reshapes that made it. */
  #origin(id: number | undefined): Shape {
    let current = id ?? -1;
    for (;;) {
      const node = this.#producers.get(current);
      const source = node?.op === 'reshape' ? node.inputs[0] : undefined;
      if (source === undefined) return this.value(current).shape;
      current = source;
    }
  }
}

/** The error with the module's path before its message, for a path that is not the root's. */
export function atPath(path: string, error: unknown): unknown {
  if (path === '' || !(error instanceof NeuronodeError)) return error;
  const placed = errorFromCode(error.code, `${cut(path)}: ${error.message}`, {
    ...(error.cause === undefined ? {} : { cause: error.cause }),
  });
  placed.stack = error.stack?.replace(error.message, placed.message) ?? '';
  return placed;
}

/** Most inputs of an operation that takes any number; native code knows it too. */
const mostRepeated = 1024;

function checkInputs(who: string, operation: Operation, types: readonly TensorType[]): void {
  const slots = operation.inputs;
  const required = slots.filter((slot) => slot.optional !== true).length;
  const most = slots.at(-1)?.repeated === true ? mostRepeated : slots.length;
  if (types.length < required || types.length > most) {
    const wanted = required === most ? `${required}` : `${required} to ${most}`;
    throw new ArgumentError(`${who} expects ${wanted} inputs, got ${types.length}`);
  }
  for (const [index, slot] of presentSlots(slots, types.length).entries()) {
    const type = types[index];
    if (type !== undefined && !slot.dtypes.includes(type.dtype)) {
      throw new DTypeError(
        `${who} expects ${slot.name} of type ${slot.dtypes.join(' or ')}, got ${type.dtype}`,
      );
    }
  }
}

function checkAttrs(who: string, operation: Operation, attrs: Attrs): void {
  for (const [name, kind] of Object.entries(operation.attrs)) {
    if (!attrFits(kind, attrs[name])) {
      throw new ArgumentError(`${who} expects the attribute ${name} to be of kind ${kind}`);
    }
  }
  for (const name of Object.keys(attrs)) {
    if (!Object.hasOwn(operation.attrs, name)) {
      throw new ArgumentError(`${who} has no attribute ${name}`);
    }
  }
}
