/** Owns convolution and its gradients: options, shapes, gradient rules. Formulas: torch.nn.Conv2d. */
import {
  checkInteger,
  checkOneOf,
  checkOptions,
  checkPair,
  type Pair,
  type PairLike,
  show,
} from '../../arguments.js';
import { ArgumentError, ShapeError } from '../../errors.js';
import {
  checkSameShape,
  declaredShape,
  emitOne,
  f32,
  formatWindow,
  gradientValue,
  inputShape,
  numberAttr,
  type Operation,
  optionalF32,
  pairAttr,
  type ShapeContext,
} from '../operation.js';
import {
  at,
  checkRank,
  convOutputSize,
  formatShape,
  largestWindow,
  type Shape,
} from '../shapes.js';
import type { Attrs } from '../spec.js';

/** Options of a convolution. */
export interface ConvOptions {
  /** Step of the window; 1 by default. */
  stride?: PairLike;
  /** Zeros added on each side (0 by default), or 'valid' (none), or 'same' (keeps the size). */
  padding?: PairLike | 'same' | 'valid';
  /** Distance between the window's cells; 1 by default. */
  dilation?: PairLike;
  /** Groups of channels that do not see each other; 1 by default. */
  groups?: number;
}

/** Names of {@link ConvOptions}. */
export const convOptionNames = ['stride', 'padding', 'dilation', 'groups'] as const;

/** What a convolution is made of. */
export interface ConvSettings {
  readonly attrs: Attrs;
  /** Rows and columns of padding that are added behind the image and not before it. */
  readonly extra: Pair;
}

/** Attributes of a convolution with this kernel, and what its padding adds on one side alone. */
export function convSettings(who: string, options: ConvOptions, kernel: Pair): ConvSettings {
  checkOptions(who, options, convOptionNames);
  const stride = checkPair(who, 'stride', options.stride ?? 1, 1, largestWindow);
  const dilation = checkPair(who, 'dilation', options.dilation ?? 1, 1, largestWindow);
  const groups = checkInteger(who, 'groups', options.groups ?? 1, 1);
  const [padding, extra] = convPadding(who, options.padding ?? 0, kernel, stride, dilation);
  return { attrs: { stride, padding, dilation, groups }, extra };
}

/** As {@link convSettings}, for an operation alone, which pads both sides alike. */
export function convAttrs(who: string, options: ConvOptions, kernel: Pair): Attrs {
  const { attrs, extra } = convSettings(who, options, kernel);
  if (extra.some((size) => size !== 0)) {
    throw new ArgumentError(
      `${who} takes padding 'same' where it is the same on both sides, got kernel ${show(kernel)} ` +
        `with dilation ${show(attrs.dilation)}; use an odd kernel, or pad the image`,
    );
  }
  return attrs;
}

/** Padding of both sides, and what is added behind alone: as PyTorch, where a number is odd. */
function convPadding(
  who: string,
  padding: PairLike | string,
  kernel: Pair,
  stride: Pair,
  dilation: Pair,
): [both: Pair, extra: Pair] {
  const none: Pair = [0, 0];
  if (typeof padding !== 'string') {
    return [checkPair(who, 'padding', padding, 0, largestWindow), none];
  }
  if (checkOneOf(who, 'padding', padding, ['same', 'valid']) === 'valid') return [none, none];
  if (stride.some((size) => size !== 1)) {
    throw new ArgumentError(`${who} takes padding 'same' with stride 1 only, got ${show(stride)}`);
  }
  const total: Pair = [dilation[0] * (kernel[0] - 1), dilation[1] * (kernel[1] - 1)];
  return [
    [Math.floor(total[0] / 2), Math.floor(total[1] / 2)],
    [total[0] % 2, total[1] % 2],
  ];
}

/** Options of a transposed convolution. */
export interface ConvTransposeOptions {
  /** Step of the window over the output; 1 by default. */
  stride?: PairLike;
  /** Cells that the output loses on each side; 0 by default. */
  padding?: PairLike;
  /** Cells that it gains at the bottom and on the right, below stride or dilation; 0 by default. */
  outputPadding?: PairLike;
  /** Groups of channels that do not see each other; 1 by default. */
  groups?: number;
  /** Distance between the window's cells; 1 by default. */
  dilation?: PairLike;
}

/** Names of {@link ConvTransposeOptions}. */
export const convTransposeOptionNames = [
  'stride',
  'padding',
  'outputPadding',
  'groups',
  'dilation',
] as const;

/** Attributes of the convolution whose input gradient it is, and what the output gains. */
export interface ConvTransposeSettings {
  attrs: Attrs;
  outputPadding: Pair;
}

/** Settings of a transposed convolution. */
export function convTransposeSettings(
  who: string,
  options: ConvTransposeOptions,
): ConvTransposeSettings {
  checkOptions(who, options, convTransposeOptionNames);
  const { outputPadding: gained = 0, padding = 0, ...rest } = options;
  const attrs = convAttrs(who, { ...rest, padding: checkPair(who, 'padding', padding, 0) }, [1, 1]);
  const outputPadding = checkPair(who, 'outputPadding', gained, 0, largestWindow);
  const [stride, dilation] = [pairAttr(attrs, 'stride'), pairAttr(attrs, 'dilation')];
  if (outputPadding.some((size, axis) => size >= Math.max(at(stride, axis), at(dilation, axis)))) {
    throw new ArgumentError(
      `${who} expects outputPadding below stride or dilation, got ${show(outputPadding)} with ` +
        `stride ${show(stride)} and dilation ${show(dilation)}`,
    );
  }
  return { attrs, outputPadding };
}

/**
 * The output's shape [N, K, H', W'] of a transposed convolution of x [N, C, H, W] by w
 * [C, K / groups, kh, kw].
 */
export function convTransposeShape(
  who: string,
  x: Shape,
  w: Shape,
  { attrs, outputPadding }: ConvTransposeSettings,
): Shape {
  checkRank(who, 'input', x, imageAxes);
  checkRank(who, 'weight', w, ['C', 'K/groups', 'kh', 'kw']);
  const groups = numberAttr(attrs, 'groups');
  if (at(w, 0) % groups !== 0) {
    throw new ArgumentError(
      `${who} expects groups to divide the ${at(w, 0)} input channels, got ${groups}`,
    );
  }
  if (at(x, 1) !== at(w, 0)) {
    throw new ShapeError(
      `${who} expects ${at(w, 0)} input channels, got ${at(x, 1)} from input ${formatShape(x)}`,
    );
  }
  const size = [0, 1].map((axis) => {
    const [stride, padding, dilation] = ['stride', 'padding', 'dilation'].map((name) =>
      at(pairAttr(attrs, name), axis),
    ) as [number, number, number];
    const window = dilation * (at(w, 2 + axis) - 1) + 1;
    return (at(x, 2 + axis) - 1) * stride - 2 * padding + window + outputPadding[axis as 0 | 1];
  });
  if (size.some((length) => length < 1)) {
    throw new ShapeError(
      `${who} has padding ${show(pairAttr(attrs, 'padding'))} that leaves nothing of the output ` +
        `from input ${formatShape(x)}; use a larger image or less padding`,
    );
  }
  return [at(x, 0), at(w, 1) * groups, ...size];
}

const imageAxes = ['N', 'C', 'H', 'W'];
const weightAxes = ['K', 'C/groups', 'kh', 'kw'];
const attrs = { stride: 'pair', padding: 'pair', dilation: 'pair', groups: 'integer' } as const;

/** Checks an input [N, C, H, W] against a weight [K, C/groups, kh, kw]; the output's shape. */
function convolutionShape(who: string, x: Shape, w: Shape, attrs: Attrs, origin: Shape): Shape {
  checkRank(who, 'input', x, imageAxes);
  checkRank(who, 'weight', w, weightAxes);
  const groups = numberAttr(attrs, 'groups');
  const [n, channels] = [at(x, 0), at(x, 1)];
  const filters = at(w, 0);
  if (groups < 1 || filters % groups !== 0) {
    throw new ArgumentError(
      `${who} expects groups to divide the ${filters} output channels, got ${groups}`,
    );
  }
  if (channels !== at(w, 1) * groups) {
    throw new ShapeError(
      `${who} expects ${at(w, 1) * groups} input channels, got ${channels} ` +
        `from input ${formatShape(origin)}`,
    );
  }
  const size = [0, 1].map((axis) => {
    const stride = at(pairAttr(attrs, 'stride'), axis);
    const padding = at(pairAttr(attrs, 'padding'), axis);
    const dilation = at(pairAttr(attrs, 'dilation'), axis);
    if (stride < 1 || padding < 0 || dilation < 1) {
      throw new ArgumentError(
        `${who} expects stride and dilation of at least 1 and padding of at least 0, ` +
          `got stride ${stride}, padding ${padding}, dilation ${dilation}`,
      );
    }
    return convOutputSize(at(x, 2 + axis), at(w, 2 + axis), stride, padding, dilation);
  });
  if (size.some((length) => length < 1)) {
    throw new ShapeError(
      `${who} has a kernel of ${formatWindow([at(w, 2), at(w, 3)], attrs)} that is larger than its padded input ` +
        `${formatShape(origin)}; use a larger image, more padding or a smaller kernel`,
    );
  }
  return [n, filters, ...size];
}

function checkBias(context: ShapeContext, index: number, filters: number): void {
  const bias = context.inputs[index];
  if (bias !== undefined) checkSameShape(context.who, 'bias', bias.shape, [filters]);
}

export const convolutionOps = {
  conv2d: {
    inputs: [f32('x'), f32('w'), optionalF32('b')],
    outputs: [f32('y')],
    attrs,
    infer: (c) => {
      const [x, w] = [inputShape(c, 0), inputShape(c, 1)];
      const shape = convolutionShape(c.who, x, w, c.attrs, c.origin(0));
      checkBias(c, 2, at(w, 0));
      return [{ dtype: 'f32', shape }];
    },
    gradient: (c) => {
      const gy = gradientValue(c, 0);
      const [x, w, b] = c.inputs;
      if (gy === undefined || x === undefined || w === undefined) return;
      // The input's gradient comes first, so that a weight gradient lives no longer than from its
      // own node to the optimizer's, which follows at once.
      if (c.wants(0)) {
        const [gx] = c.emit('conv2dInputGrad', [gy, w], c.attrs, [c.shapeOf(x)]);
        if (gx !== undefined) c.give(0, gx);
      }
      const wantsBias = b !== undefined && c.wants(2);
      if (!c.wants(1) && !wantsBias) return;
      const shapes = wantsBias ? [c.shapeOf(w), c.shapeOf(b)] : [c.shapeOf(w)];
      const [gw, gb] = c.emit('conv2dWeightGrad', [x, gy], c.attrs, shapes);
      if (gw !== undefined && c.wants(1)) c.give(1, gw);
      if (gb !== undefined) c.give(2, gb);
    },
  },
  conv2dInputGrad: {
    inputs: [f32('gy'), f32('w')],
    outputs: [f32('gx')],
    attrs,
    infer: (c) => {
      const shape = declaredShape(c, 0);
      const wanted = convolutionShape(c.who, shape, inputShape(c, 1), c.attrs, shape);
      checkSameShape(c.who, 'gy', inputShape(c, 0), wanted);
      return [{ dtype: 'f32', shape }];
    },
    // As an operation of its own it is the transposed convolution of gy.
    gradient: (c) => {
      const g = gradientValue(c, 0);
      const [gy, w] = c.inputs;
      if (g === undefined || gy === undefined || w === undefined) return;
      if (c.wants(0)) c.give(0, emitOne(c, 'conv2d', [g, w], c.attrs, c.shapeOf(gy)));
      if (c.wants(1)) c.give(1, emitOne(c, 'conv2dWeightGrad', [g, gy], c.attrs, c.shapeOf(w)));
    },
  },
  conv2dWeightGrad: {
    inputs: [f32('x'), f32('gy')],
    outputs: [f32('gw'), optionalF32('gb')],
    attrs,
    infer: (c) => {
      const shape = declaredShape(c, 0);
      const wanted = convolutionShape(c.who, inputShape(c, 0), shape, c.attrs, c.origin(0));
      checkSameShape(c.who, 'gy', inputShape(c, 1), wanted);
      return [
        { dtype: 'f32', shape },
        { dtype: 'f32', shape: [at(shape, 0)] },
      ];
    },
    gradient: null,
  },
} satisfies Record<string, Operation>;
