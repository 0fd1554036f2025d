/**
 * Owns local response normalisation (options, shapes, gradient rule; formula:
 * torch.nn.LocalResponseNorm) and the options of group and layer normalisation.
 */
import { checkInteger, checkNumber, checkOptions, show } from '../../arguments.js';
import { ArgumentError, ShapeError } from '../../errors.js';
import {
  checkSameShape,
  emitOne,
  f32,
  gradientValue,
  inputShape,
  likeInput,
  type Operation,
  type ShapeContext,
} from '../operation.js';
import { checkShape, formatShape, largestWindow, type Shape } from '../shapes.js';

/** Options of local response normalisation. */
export interface LocalResponseNormOptions {
  /** Factor of the mean of squares; 1e-4 by default, at least 0. */
  alpha?: number;
  /** Exponent of the divisor; 0.75 by default. */
  beta?: number;
  /** What is added to the mean of squares; 1 by default, at least 0. */
  k?: number;
}

/** Names of {@link LocalResponseNormOptions}. */
export const localResponseNormOptionNames = ['alpha', 'beta', 'k'] as const;

/** Attributes of local response normalisation over `size` channels. */
export function localResponseNormAttrs(
  who: string,
  size: number,
  options: LocalResponseNormOptions,
): { size: number; alpha: number; beta: number; k: number } {
  checkOptions(who, options, localResponseNormOptionNames);
  return {
    size: checkInteger(who, 'size', size, 1, largestWindow),
    alpha: checkNumber(who, 'alpha', options.alpha ?? 1e-4, { min: 0 }),
    beta: checkNumber(who, 'beta', options.beta ?? 0.75),
    k: checkNumber(who, 'k', options.k ?? 1, { min: 0 }),
  };
}

/** Options of group and layer normalisation. */
export interface NormOptions {
  /** What is added to the variance; 1e-5 by default, at least 0. */
  eps?: number;
}

/** Checks and fills {@link NormOptions}. */
export function normEps(who: string, options: NormOptions): number {
  checkOptions(who, options, ['eps']);
  return checkNumber(who, 'eps', options.eps ?? 1e-5, { min: 0 });
}

/** Checks the shape that layer normalisation works over: a size, or several. */
export function checkNormalizedShape(who: string, shape: number | Shape): Shape {
  const sizes = checkShape(who, 'normalizedShape', typeof shape === 'number' ? [shape] : shape);
  if (sizes.length === 0 || sizes.some((size) => size < 1)) {
    throw new ArgumentError(
      `${who} expects normalizedShape to be a size of at least 1 or several, got ${show(shape)}`,
    );
  }
  return sizes;
}

const responseAttrs = { size: 'integer', alpha: 'number', beta: 'number', k: 'number' } as const;

function checkResponses({ who, attrs }: ShapeContext, x: Shape): void {
  const { size, ...options } = attrs as unknown as ReturnType<typeof localResponseNormAttrs>;
  localResponseNormAttrs(who, size, options);
  if (x.length < 3) {
    throw new ShapeError(
      `${who} expects input of shape [N, C, ...] with at least 3 axes, got ${formatShape(x)}`,
    );
  }
}

export const normalisationOps = {
  localResponseNorm: {
    inputs: [f32('x')],
    outputs: [f32('y')],
    attrs: responseAttrs,
    infer: (c) => {
      checkResponses(c, inputShape(c, 0));
      return likeInput(c);
    },
    gradient: (c) => {
      const gy = gradientValue(c, 0);
      const [x] = c.inputs;
      if (gy === undefined || x === undefined || !c.wants(0)) return;
      c.give(0, emitOne(c, 'localResponseNormGrad', [gy, x], c.attrs, c.shapeOf(x)));
    },
  },
  localResponseNormGrad: {
    inputs: [f32('gy'), f32('x')],
    outputs: [f32('gx')],
    attrs: responseAttrs,
    infer: (c) => {
      const x = inputShape(c, 1);
      checkResponses(c, x);
      checkSameShape(c.who, 'gy', inputShape(c, 0), x);
      return [{ dtype: 'f32', shape: x }];
    },
    gradient: null,
  },
} satisfies Record<string, Operation>;
