/**
 * Owns the operations that move elements and compute nothing: constants, repetition, joining,
 * slices and padding. Formulas: torch.full, Tensor.expand, torch.cat, torch.narrow,
 * torch.nn.functional.pad.
 */
import { checkNumber, checkOneOf, show } from '../../arguments.js';
import { ArgumentError, ShapeError } from '../../errors.js';
import {
  declaredShape,
  emitOne,
  f32,
  gradientValue,
  inputShape,
  numberAttr,
  numbersAttr,
  type Operation,
  type ShapeContext,
} from '../operation.js';
import { at, formatShape, largestWindow, raised, type Shape } from '../shapes.js';
import type { Attrs } from '../spec.js';

/** What padding consists of: one value, or what the image holds. */
export type PadMode = 'constant' | 'reflect' | 'replicate' | 'circular';

const padModes: readonly PadMode[] = ['constant', 'reflect', 'replicate', 'circular'];

/**
 * Attributes of padding, from PyTorch's list: pairs before and after, of the last axis first.
 *
 * @throws ArgumentError for a list that is none, for an unknown mode and for a value that is no
 *   number; ShapeError for more pairs than axes.
 */
export function padAttrs(
  who: string,
  x: Shape,
  pad: unknown,
  mode: unknown,
  value: unknown,
): Attrs {
  const isSize = (size: unknown) =>
    Number.isSafeInteger(size) && Number(size) >= 0 && Number(size) <= largestWindow;
  if (!Array.isArray(pad) || pad.length % 2 !== 0 || !pad.every(isSize)) {
    throw new ArgumentError(
      `${who} expects pad to be pairs of integers from 0 to ${largestWindow}, got ${show(pad)}`,
    );
  }
  const pairs = pad.length / 2;
  if (pairs > x.length) {
    throw new ShapeError(`${who} got ${pairs} pairs of padding for input ${formatShape(x)}`);
  }
  const sides = [0, 1].map((side) => {
    const sizes = Array.from({ length: pairs }, (_, pair) => Number(pad[2 * pair + side]));
    return raised(sizes.reverse(), x.length).map((size, axis) =>
      axis < x.length - pairs ? 0 : size,
    );
  });
  return {
    before: sides[0] ?? [],
    after: sides[1] ?? [],
    mode: padModes.indexOf(checkOneOf(who, 'mode', mode, padModes)),
    value: checkNumber(who, 'value', value, {}),
  };
}

const padding = { before: 'numbers', after: 'numbers', mode: 'integer', value: 'number' } as const;

/** Checks padding of x; the output's shape. */
function paddedShape(who: string, x: Shape, attrs: Attrs): Shape {
  const [before, after] = [numbersAttr(attrs, 'before'), numbersAttr(attrs, 'after')];
  const mode = padModes[numberAttr(attrs, 'mode')];
  const isSize = (size: number) => Number.isSafeInteger(size) && size >= 0;
  if (before.length !== x.length || after.length !== x.length || mode === undefined) {
    throw new ArgumentError(
      `${who} expects before and after for each axis of ${formatShape(x)} and a mode from 0 to 3`,
    );
  }
  if (![...before, ...after].every(isSize)) {
    throw new ArgumentError(`${who} expects before and after to be integers of at least 0`);
  }
  return x.map((size, axis) => {
    const sides = [at(before, axis), at(after, axis)];
    const most = Math.max(...sides);
    if (mode !== 'constant' && most > 0) {
      if (axis < x.length - 2) {
        throw new ShapeError(
          `${who} pads the last two axes only with mode ${mode}, got ${show(sides)} for axis ` +
            `${axis} of ${formatShape(x)}`,
        );
      }
      if ((mode === 'reflect' && most >= size) || (mode === 'circular' && most > size)) {
        const limit = mode === 'reflect' ? 'less than' : 'at most';
        throw new ShapeError(
          `${who} expects padding of ${limit} the size of its axis with mode ${mode}, ` +
            `got ${show(sides)} for axis ${axis} of ${formatShape(x)}`,
        );
      }
    }
    return size + at(before, axis) + at(after, axis);
  });
}

function joinedShape(c: ShapeContext): Shape {
  const [axis, first] = [numberAttr(c.attrs, 'axis'), inputShape(c, 0)];
  if (axis < 0 || axis >= first.length) {
    throw new ShapeError(`${c.who} expects an axis of ${formatShape(first)}, got ${axis}`);
  }
  let length = 0;
  for (const { shape } of c.inputs) {
    const fits = shape.every((size, other) => other === axis || size === first[other]);
    if (shape.length !== first.length || !fits) {
      throw new ShapeError(
        `${c.who} expects tensors that differ along axis ${axis} only, ` +
          `got ${formatShape(first)} and ${formatShape(shape)}`,
      );
    }
    length += at(shape, axis);
  }
  return first.map((size, other) => (other === axis ? length : size));
}

export const joiningOps = {
  /** A constant of the declared shape. */
  fill: {
    inputs: [],
    outputs: [f32('y')],
    attrs: { value: 'number' },
    infer: (c) => [{ dtype: 'f32', shape: declaredShape(c, 0) }],
    gradient: null,
  },
  /** x, whose axes of 1 are repeated to the declared shape. */
  expand: {
    inputs: [f32('x')],
    outputs: [f32('y')],
    attrs: {},
    infer: (c) => {
      const [x, shape] = [inputShape(c, 0), declaredShape(c, 0)];
      const fits = x.every((size, axis) => size === 1 || size === shape[axis]);
      if (x.length !== shape.length || !fits) {
        throw new ShapeError(`${c.who} cannot repeat ${formatShape(x)} to ${formatShape(shape)}`);
      }
      return [{ dtype: 'f32', shape }];
    },
    gradient: (c) => {
      const gy = gradientValue(c, 0);
      const [x] = c.inputs;
      if (gy === undefined || x === undefined || !c.wants(0)) return;
      c.give(0, emitOne(c, 'sum', [gy], { mean: false }, c.shapeOf(x)));
    },
  },
  concat: {
    inputs: [{ ...f32('x'), repeated: true }],
    outputs: [f32('y')],
    attrs: { axis: 'integer' },
    infer: (c) => [{ dtype: 'f32', shape: joinedShape(c) }],
    gradient: (c) => {
      const gy = gradientValue(c, 0);
      if (gy === undefined) return;
      const axis = numberAttr(c.attrs, 'axis');
      let start = 0;
      for (const [index, x] of c.inputs.entries()) {
        const shape = c.shapeOf(x);
        const starts = shape.map((_, other) => (other === axis ? start : 0));
        if (c.wants(index)) c.give(index, emitOne(c, 'slice', [gy], { starts }, shape));
        start += at(shape, axis);
      }
    },
  },
  /** The box of the declared shape that begins at `starts`. */
  slice: {
    inputs: [f32('x')],
    outputs: [f32('y')],
    attrs: { starts: 'numbers' },
    infer: (c) => {
      const [x, shape] = [inputShape(c, 0), declaredShape(c, 0)];
      const starts = numbersAttr(c.attrs, 'starts');
      const fits = starts.every(
        (start, axis) =>
          Number.isSafeInteger(start) && start >= 0 && start + at(shape, axis) <= at(x, axis),
      );
      if (starts.length !== x.length || shape.length !== x.length || !fits) {
        throw new ShapeError(
          `${c.who} expects a box inside of ${formatShape(x)}, got ${formatShape(shape)} ` +
            `from ${formatShape(starts)} on`,
        );
      }
      return [{ dtype: 'f32', shape }];
    },
    gradient: (c) => {
      const gy = gradientValue(c, 0);
      const [x] = c.inputs;
      if (gy === undefined || x === undefined || !c.wants(0)) return;
      const [whole, box, before] = [c.shapeOf(x), c.shapeOf(gy), numbersAttr(c.attrs, 'starts')];
      const after = whole.map((size, axis) => size - at(before, axis) - at(box, axis));
      c.give(0, emitOne(c, 'pad', [gy], { before, after, mode: 0, value: 0 }, whole));
    },
  },
  pad: {
    inputs: [f32('x')],
    outputs: [f32('y')],
    attrs: padding,
    infer: (c) => [{ dtype: 'f32', shape: paddedShape(c.who, inputShape(c, 0), c.attrs) }],
    gradient: (c) => {
      const gy = gradientValue(c, 0);
      const [x] = c.inputs;
      if (gy === undefined || x === undefined || !c.wants(0)) return;
      const isConstant = numberAttr(c.attrs, 'mode') === 0;
      const [op, attrs] = isConstant
        ? (['slice', { starts: numbersAttr(c.attrs, 'before') }] as const)
        : (['padGrad', c.attrs] as const);
      c.give(0, emitOne(c, op, [gy], attrs, c.shapeOf(x)));
    },
  },
  /** Of padding by what the image holds. The input's shape is declared. */
  padGrad: {
    inputs: [f32('gy')],
    outputs: [f32('gx')],
    attrs: padding,
    infer: (c) => {
      const [gy, shape] = [inputShape(c, 0), declaredShape(c, 0)];
      const wanted = paddedShape(c.who, shape, c.attrs);
      if (wanted.some((size, axis) => size !== gy[axis]) || wanted.length !== gy.length) {
        throw new ShapeError(
          `${c.who} expects gy of shape ${formatShape(wanted)}, got ${formatShape(gy)}`,
        );
      }
      if (numberAttr(c.attrs, 'mode') === 0) {
        throw new ArgumentError(
          `${c.who} expects a mode from 1 to 3: that of constants is a slice`,
        );
      }
      return [{ dtype: 'f32', shape }];
    },
    gradient: null,
  },
} satisfies Record<string, Operation>;
