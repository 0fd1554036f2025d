/**
 * Owns the form in which an operation is declared: its inputs and outputs, its attributes, its
 * shape rule and its gradient rule. The declarations themselves are in ops/, a file for each family, the table of all of
 * them in table.ts.
 */

import type { Pair } from '../arguments.js';
import { ArgumentError, ShapeError } from '../errors.js';
import { formatShape, type Shape, sameShape } from './shapes.js';
import type { Attrs, AttrValue, DType } from './spec.js';

/** Type of one value. */
export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** One input or output of an operation. */
export interface Slot {
  readonly name: string;
  /** Element types it may have. */
  readonly dtypes: readonly DType[];
  /** May be absent, as are then all optional slots behind it. */
  readonly optional?: boolean;
  /** An optional input that is there exactly where this attribute is neither 0 nor false. */
  readonly when?: string;
  /** The last of an operation's inputs may stand for any number of them, but for none. */
  readonly repeated?: boolean;
}

/** Form of an attribute; `pair` is [height, width], `numbers` a list of any length. */
export type AttrKind = 'number' | 'integer' | 'boolean' | 'pair' | 'numbers';

/** What a shape rule sees. */
export interface ShapeContext {
  /** Name for messages: the module's class, or the operation. */
  readonly who: string;
  readonly inputs: readonly TensorType[];
  readonly attrs: Attrs;
  /** Output shapes that the caller declared, where inputs and attributes leave them open. */
  readonly declared: readonly (Shape | undefined)[];
  /** Shape of an input before the reshapes that made it, for messages. */
  origin(input: number): Shape;
}

/**
 * Gradient of the traced loss with respect to some value: a value of the graph, or `'one'` for the gradient of
 * the loss with respect to itself, which no operation needs to read.
 */
export type Gradient = number | 'one';

/** What a gradient rule sees and may do. Values are indices into the graph's values. */
export interface GradientContext {
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  readonly attrs: Attrs;
  /** Whether the gradient with respect to this input is wanted. */
  wants(input: number): boolean;
  /**
   * Gradient with respect to this output; undefined where nothing that leads to the loss uses it.
   */
  gradOf(output: number): Gradient | undefined;
  shapeOf(value: number): Shape;
  /** Adds a backward operation; `shapes` declares its output shapes, one for each output made. */
  emit(op: string, inputs: readonly number[], attrs: Attrs, shapes: readonly Shape[]): number[];
  /** The number 1 as a value of the graph: the gradient `'one'` for operations that must read it. */
  one(): number;
  /** Adds the gradient with respect to an input. Gradients that come for the same value are summed. */
  give(input: number, gradient: Gradient): void;
}

/** One operation, declared once. */
export interface Operation {
  readonly inputs: readonly Slot[];
  readonly outputs: readonly Slot[];
  readonly attrs: Readonly<Record<string, AttrKind>>;
  /**
   * Slots of inputs, parameters, buffers or state, that the operation updates in place where it has
   * them; {@link updatedInputs} finds them among a node's inputs. It
   * is kept whether or not its outputs, if it has any, are used.
   */
  readonly updates?: readonly number[];
  /** Checks the inputs' shapes and returns the type of every output, optional ones included. */
  infer(context: ShapeContext): TensorType[];
  /** Adds the backward operations; null where the operation has no gradient. */
  readonly gradient: ((context: GradientContext) => void) | null;
}

/** Slots of `count` inputs or outputs: all that are required, and the first of the optional ones. */
export function presentSlots(slots: readonly Slot[], count: number): Slot[] {
  const last = slots.at(-1);
  if (last?.repeated === true) {
    return [...slots, ...Array.from({ length: Math.max(count - slots.length, 0) }, () => last)];
  }
  const required = slots.filter((slot) => slot.optional !== true).length;
  let left = count - required;
  return slots.filter((slot) => slot.optional !== true || left-- > 0);
}

/** Which of a node's `count` inputs the operation updates in place. */
export function updatedInputs(operation: Operation, count: number): number[] {
  const present = presentSlots(operation.inputs, count);
  const slots = (operation.updates ?? []).map((index) => operation.inputs[index]);
  return present.flatMap((slot, index) => (slots.includes(slot) ? [index] : []));
}

/** Required f32 slot. */
export function f32(name: string): Slot {
  return { name, dtypes: ['f32'] };
}

/** Optional f32 slot. */
export function optionalF32(name: string): Slot {
  return { name, dtypes: ['f32'], optional: true };
}

/** Required i32 slot. */
export function i32(name: string): Slot {
  return { name, dtypes: ['i32'] };
}

/** Type of input `index`, which the builder has checked to be there. */
export function inputType(context: ShapeContext, index: number): TensorType {
  const type = context.inputs[index];
  if (type === undefined) throw new ArgumentError(`${context.who} has no input ${index}`);
  return type;
}

/** Shape of input `index`. */
export function inputShape(context: ShapeContext, index: number): Shape {
  return inputType(context, index).shape;
}

/** One f32 output of the first input's shape. */
export function likeInput(context: ShapeContext): TensorType[] {
  return [{ dtype: 'f32', shape: inputShape(context, 0) }];
}

/** One f32 output of the shape of both inputs; `name` is the second's, for messages. */
export function likeBoth(context: ShapeContext, name: string): TensorType[] {
  checkSameShape(context.who, name, inputShape(context, 1), inputShape(context, 0));
  return likeInput(context);
}

/** Attribute that is a pair, as the builder has checked. */
export function pairAttr(attrs: Attrs, name: string): Pair {
  return attrs[name] as Pair;
}

/** Size of a window for messages: `3x3`, or `3x3 (5x5 with its dilation)`. */
export function formatWindow([height, width]: Pair, attrs: Attrs): string {
  const [down, right] = attrs.dilation === undefined ? [1, 1] : pairAttr(attrs, 'dilation');
  const spread = `${(height - 1) * down + 1}x${(width - 1) * right + 1}`;
  const plain = `${height}x${width}`;
  return spread === plain ? plain : `${plain} (${spread} with its dilation)`;
}

/** Attribute that is a number, as the builder has checked. */
export function numberAttr(attrs: Attrs, name: string): number {
  return attrs[name] as number;
}

/** Attribute that is true or false, as the builder has checked. */
export function booleanAttr(attrs: Attrs, name: string): boolean {
  return attrs[name] as boolean;
}

/** Attribute that is a list of numbers, as the builder has checked. */
export function numbersAttr(attrs: Attrs, name: string): readonly number[] {
  return attrs[name] as readonly number[];
}

/** The shape that the caller declared for an output which inputs and attributes leave open. */
export function declaredShape(context: ShapeContext, output: number): Shape {
  const shape = context.declared[output];
  if (shape === undefined) {
    throw new ArgumentError(`${context.who} needs the shape of output ${output} to be declared`);
  }
  return shape;
}

/** Checks that two tensors that must agree do. */
export function checkSameShape(who: string, name: string, got: Shape, wanted: Shape): void {
  if (!sameShape(got, wanted)) {
    throw new ShapeError(
      `${who} expects ${name} of shape ${formatShape(wanted)}, got ${formatShape(got)}`,
    );
  }
}

/** Whether an attribute's value has its declared form. */
export function attrFits(kind: AttrKind, value: AttrValue | undefined): boolean {
  const numbers = (list: AttrValue | undefined): list is readonly number[] =>
    Array.isArray(list) && list.every((item) => typeof item === 'number');
  switch (kind) {
    case 'number':
      return typeof value === 'number' && Number.isFinite(value);
    case 'integer':
      return Number.isSafeInteger(value);
    case 'boolean':
      return typeof value === 'boolean';
    case 'pair':
      return numbers(value) && value.length === 2 && value.every(Number.isSafeInteger);
    case 'numbers':
      return numbers(value) && value.every(Number.isFinite);
  }
}

/** The gradient as a value of the graph. */
export function gradientValue(context: GradientContext, output: number): number | undefined {
  const gradient = context.gradOf(output);
  return gradient === 'one' ? context.one() : gradient;
}

/** Adds a backward operation of one output. */
export function emitOne(
  c: GradientContext,
  op: string,
  inputs: readonly number[],
  attrs: Attrs,
  shape: Shape,
): number {
  const [output] = c.emit(op, inputs, attrs, [shape]);
  if (output === undefined) throw new ArgumentError(`${op} has no output`);
  return output;
}

/** A value of the graph times a number. */
export function scaled(c: GradientContext, value: number, factor: number): number {
  const shape = c.shapeOf(value);
  const ones = shape.map(() => 1);
  return emitOne(c, 'mul', [value, emitOne(c, 'fill', [], { value: factor }, ones)], {}, shape);
}
