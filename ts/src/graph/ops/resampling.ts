/**
 * Owns the resampling of images: options, shapes, gradient rule. Formulas:
 * torch.nn.functional.interpolate. The declared output's shape says the size.
 */
import {
  checkBoolean,
  checkNumber,
  checkOneOf,
  checkOptions,
  checkPair,
  type PairLike,
  show,
} from '../../arguments.js';
import { ArgumentError, ShapeError } from '../../errors.js';
import {
  declaredShape,
  emitOne,
  f32,
  gradientValue,
  inputShape,
  numbersAttr,
  type Operation,
  type ShapeContext,
} from '../operation.js';
import { at, checkRank, formatShape, type Shape } from '../shapes.js';
import type { Attrs } from '../spec.js';

/** Options of resampling: `size` or `scaleFactor`. */
export interface InterpolateOptions {
  /** Rows and columns of the result: one number for both, or [height, width]. */
  size?: PairLike | undefined;
  /**
   * How many times as many rows and columns the result has, rounded down: one number for both, or
   * [height, width].
   */
  scaleFactor?: PairLike | undefined;
  /**
   * `'nearest'`, the pixel in whose share of the image the new one begins, or `'bilinear'`, the four
   * pixels around its middle by how near they are; `'nearest'` by default.
   */
  mode?: 'nearest' | 'bilinear' | undefined;
  /**
   * Whether the corners' middles stay where they are, rather than the image's borders; of
   * `'bilinear'` alone, false by default.
   */
  alignCorners?: boolean | undefined;
}

/** Names of {@link InterpolateOptions}. */
export const interpolateOptionNames = ['size', 'scaleFactor', 'mode', 'alignCorners'] as const;

function checkScale(who: string, value: unknown): readonly [number, number] {
  const scales = Array.isArray(value) ? value : [value, value];
  if (scales.length !== 2) {
    throw new ArgumentError(
      `${who} expects scaleFactor to be a number or a pair [height, width], got ${show(value)}`,
    );
  }
  const [height, width] = scales.map((each) => {
    const scale = checkNumber(who, 'scaleFactor', each);
    if (scale > 0) return scale;
    throw new ArgumentError(`${who} expects scaleFactor to be above 0, got ${show(each)}`);
  });
  return [height ?? 1, width ?? 1];
}

/** What {@link InterpolateOptions} say: attributes, and the size where it does not depend on the input. */
export interface InterpolateSettings {
  readonly attrs: Attrs;
  readonly size: readonly [number, number] | undefined;
}

/**
 * Checks and fills {@link InterpolateOptions}.
 *
 * @throws ArgumentError
 */
export function interpolateSettings(who: string, options: InterpolateOptions): InterpolateSettings {
  checkOptions(who, options, interpolateOptionNames);
  const { size, scaleFactor, mode = 'nearest', alignCorners } = options;
  if ((size === undefined) === (scaleFactor === undefined)) {
    const got = size === undefined ? 'neither' : 'both';
    throw new ArgumentError(`${who} expects either size or scaleFactor, got ${got}`);
  }
  const bilinear = checkOneOf(who, 'mode', mode, ['nearest', 'bilinear']) === 'bilinear';
  if (alignCorners !== undefined && !bilinear) {
    throw new ArgumentError(
      `${who} expects alignCorners with mode 'bilinear' alone, got '${mode}'`,
    );
  }
  return {
    attrs: {
      bilinear,
      alignCorners: checkBoolean(who, 'alignCorners', alignCorners ?? false),
      scales: scaleFactor === undefined ? [0, 0] : checkScale(who, scaleFactor),
    },
    size: size === undefined ? undefined : checkPair(who, 'size', size, 1, mostPixels),
  };
}

/** Largest height and width; native code knows it too. */
const mostPixels = 2 ** 24;

/**
 * The result's shape of images x [N, C, H, W].
 *
 * @throws ShapeError for an input of another rank, and a size out of range.
 */
export function interpolatedShape(who: string, x: Shape, settings: InterpolateSettings): Shape {
  checkRank(who, 'input', x, imageAxes);
  const scales = numbersAttr(settings.attrs, 'scales');
  const pixels = settings.size ?? scales.map((scale, axis) => Math.floor(at(x, 2 + axis) * scale));
  const shape = [...x.slice(0, 2), ...pixels];
  checkImages(who, x, shape);
  return shape;
}

const imageAxes = ['N', 'C', 'H', 'W'];

function checkImages(who: string, x: Shape, y: Shape): void {
  checkRank(who, 'input', x, imageAxes);
  const fits = y.length === 4 && y[0] === x[0] && y[1] === x[1];
  if (!fits || [...x.slice(2), ...y.slice(2)].some((size) => size < 1 || size > mostPixels)) {
    throw new ShapeError(
      `${who} expects an output of the input's images and channels, with heights and widths ` +
        `from 1 to ${mostPixels}, got ${formatShape(y)} from ${formatShape(x)}`,
    );
  }
}

function checkNode(c: ShapeContext, x: Shape, y: Shape): void {
  checkImages(c.who, x, y);
  const scales = numbersAttr(c.attrs, 'scales');
  if (scales.length !== 2 || scales.some((scale) => scale < 0)) {
    throw new ArgumentError(
      `${c.who} expects scales to be two numbers of at least 0, got ${show(scales)}`,
    );
  }
}

const attrs = { bilinear: 'boolean', alignCorners: 'boolean', scales: 'numbers' } as const;

export const resamplingOps = {
  interpolate: {
    inputs: [f32('x')],
    outputs: [f32('y')],
    attrs,
    infer: (c) => {
      const shape = declaredShape(c, 0);
      checkNode(c, inputShape(c, 0), shape);
      return [{ dtype: 'f32', shape }];
    },
    gradient: (c) => {
      const gy = gradientValue(c, 0);
      const [x] = c.inputs;
      if (gy === undefined || x === undefined || !c.wants(0)) return;
      c.give(0, emitOne(c, 'interpolateGrad', [gy], c.attrs, c.shapeOf(x)));
    },
  },
  interpolateGrad: {
    inputs: [f32('gy')],
    outputs: [f32('gx')],
    attrs,
    infer: (c) => {
      const shape = declaredShape(c, 0);
      checkNode(c, shape, inputShape(c, 0));
      return [{ dtype: 'f32', shape }];
    },
    gradient: null,
  },
} satisfies Record<string, Operation>;
