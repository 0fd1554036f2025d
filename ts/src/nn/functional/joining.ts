/** Owns the stateless forms of joining and padding. */
import { checkOptions, show } from '../../arguments.js';
import { ArgumentError } from '../../errors.js';
import { type PadMode, padAttrs } from '../../graph/ops/joining.js';
import { checkAxis } from '../../graph/shapes.js';
import { first, type Tensor } from '../../graph/tensor.js';
import { asTensor } from '../../graph/trace.js';

export type { PadMode } from '../../graph/ops/joining.js';

/**
 * Tensors joined along an axis; torch.cat.
 * @param tensors One or more, of shapes that are equal but along that axis.
 * @param dim The axis; 0 by default, negative ones count from the end.
 * @returns Of their shape, with the sum of their sizes along the axis.
 * @throws ArgumentError for what is no list of tensors, ShapeError for shapes that do not fit.
 */
export function cat(tensors: readonly Tensor[], dim = 0): Tensor {
  if (!Array.isArray(tensors) || tensors.length === 0) {
    throw new ArgumentError(`cat expects a list of tensors, got ${show(tensors)}`);
  }
  const list = tensors.map((tensor: unknown) => asTensor('cat', tensor));
  const [head] = list as [Tensor, ...Tensor[]];
  if (list.length === 1) return head;
  const { tracer } = head;
  const axis = tracer.check(() => checkAxis('cat', 'dim', head.shape, dim));
  if (axis === 0) tracer.mixRows(list);
  return first(tracer.record('concat', list, { axis }, { who: 'cat' }));
}

/** Options of {@link pad}. */
export interface PadOptions {
  /**
   * What is added: `value`, or the image mirrored without its border (`'reflect'`), its border
   * (`'replicate'`), or its other end (`'circular'`). `'constant'` by default.
   */
  mode?: PadMode;
  /** What is added with `'constant'`; 0 by default. */
  value?: number;
}

/**
 * A tensor with elements added around it; torch.nn.functional.pad.
 * @param x Any shape.
 * @param pad How many before and behind, from the last axis on: [left, right, top, bottom, ...], all
 *   at least 0. Modes other than `'constant'` add to the last two axes only: `'reflect'` fewer than
 *   they have, `'circular'` no more.
 * @throws ArgumentError for unknown options and values out of range, ShapeError for padding that does
 *   not fit the shape.
 */
export function pad(
  x: Tensor,
  pad: readonly number[],
  options: PadOptions = {},
  who = 'pad',
): Tensor {
  const input = asTensor(who, x);
  const { tracer } = input;
  const attrs = tracer.check(() => {
    checkOptions(who, options, ['mode', 'value']);
    return padAttrs(who, input.shape, pad, options.mode ?? 'constant', options.value ?? 0);
  });
  if (pad.every((size) => size === 0)) return input;
  const isOfRows = pad.length === 2 * input.ndim && pad.slice(-2).some((size) => size > 0);
  if (isOfRows) tracer.mixRows([input]);
  return first(tracer.record('pad', [input], attrs, { who }));
}
