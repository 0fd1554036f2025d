/**
 * Owns group normalisation, which is layer normalisation too where a matrix's rows are one group:
 * shapes and gradient rule. Formula: torch.nn.GroupNorm.
 */
import { show } from '../../arguments.js';
import { ArgumentError, ShapeError } from '../../errors.js';
import {
  checkSameShape,
  f32,
  gradientValue,
  inputShape,
  numberAttr,
  type Operation,
  optionalF32,
  type ShapeContext,
} from '../operation.js';
import { at, formatShape, type Shape } from '../shapes.js';

const attrs = { groups: 'integer', eps: 'number' } as const;

/** The shape of what each group of each row has one of. */
function checkGroups(c: ShapeContext, x: Shape): Shape {
  if (x.length !== 2 && x.length !== 4) {
    throw new ShapeError(
      `${c.who} expects input of shape [N, C] or [N, C, H, W], got ${formatShape(x)}`,
    );
  }
  const groups = numberAttr(c.attrs, 'groups');
  if (groups < 1 || at(x, 1) % groups !== 0) {
    throw new ArgumentError(
      `${c.who} expects groups to divide the channels of ${formatShape(x)}, got ${show(groups)}`,
    );
  }
  if (numberAttr(c.attrs, 'eps') < 0) throw new ArgumentError(`${c.who} expects eps of at least 0`);
  return [at(x, 0), groups];
}

/** Checks the inputs from `first` on: a number for each channel. */
function checkChannels(c: ShapeContext, x: Shape, first: number, names: readonly string[]): void {
  for (const [index, name] of names.entries()) {
    const shape = c.inputs[first + index]?.shape;
    if (shape !== undefined) checkSameShape(c.who, name, shape, [at(x, 1)]);
  }
}

export const groupNormOps = {
  groupNorm: {
    inputs: [f32('x'), optionalF32('w'), optionalF32('b')],
    // rstd is 1 / sqrt(variance + eps).
    outputs: [f32('y'), f32('mean'), f32('rstd')],
    attrs,
    infer: (c) => {
      const x = inputShape(c, 0);
      const shape = checkGroups(c, x);
      checkChannels(c, x, 1, ['weight', 'bias']);
      return [x, shape, shape].map((each) => ({ dtype: 'f32', shape: each }));
    },
    gradient: (c) => {
      const gy = gradientValue(c, 0);
      const [x, w, b] = c.inputs;
      const [, mean, rstd] = c.outputs;
      if (gy === undefined || x === undefined || mean === undefined || rstd === undefined) return;
      const isWanted = (w !== undefined && c.wants(1)) || (b !== undefined && c.wants(2));
      const shape = c.shapeOf(x);
      const channels = [at(shape, 1)];
      const read = [gy, x, mean, rstd, ...(w === undefined ? [] : [w])];
      const shapes = isWanted ? [shape, channels, channels] : [shape];
      const [gx, gw, gb] = c.emit('groupNormGrad', read, c.attrs, shapes);
      if (gx !== undefined && c.wants(0)) c.give(0, gx);
      if (gw !== undefined && w !== undefined && c.wants(1)) c.give(1, gw);
      if (gb !== undefined && b !== undefined && c.wants(2)) c.give(2, gb);
    },
  },
  groupNormGrad: {
    inputs: [f32('gy'), f32('x'), f32('mean'), f32('rstd'), optionalF32('w')],
    outputs: [f32('gx'), optionalF32('gw'), optionalF32('gb')],
    attrs,
    infer: (c) => {
      const x = inputShape(c, 1);
      const shape = checkGroups(c, x);
      checkSameShape(c.who, 'gy', inputShape(c, 0), x);
      checkSameShape(c.who, 'mean', inputShape(c, 2), shape);
      checkSameShape(c.who, 'rstd', inputShape(c, 3), shape);
      checkChannels(c, x, 4, ['weight']);
      const channels = [at(x, 1)];
      return [x, channels, channels].map((each) => ({ dtype: 'f32', shape: each }));
    },
    gradient: null,
  },
} satisfies Record<string, Operation>;
