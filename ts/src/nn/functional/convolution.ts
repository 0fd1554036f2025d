/** Owns the stateless forms of convolutions. */
import { ArgumentError } from '../../errors.js';
import { checkSameShape } from '../../graph/operation.js';
import {
  type ConvOptions,
  type ConvTransposeOptions,
  convSettings,
  convTransposeSettings,
  convTransposeShape,
} from '../../graph/ops/convolution.js';
import { at, checkRank } from '../../graph/shapes.js';
import { first, type Tensor } from '../../graph/tensor.js';
import { asTensor } from '../../graph/trace.js';
import { pad } from './joining.js';
import { type Operand, operand } from './operand.js';

export type { ConvOptions, ConvTransposeOptions } from '../../graph/ops/convolution.js';

/**
 * 2-D convolution.
 * @param x [N, C, H, W]
 * @param weight [K, C / groups, kh, kw]
 * @param bias [K]
 * @returns [N, K, H', W'] with H' = floor((H + 2 padding - dilation (kh - 1) - 1) / stride) + 1. Padding
 *   `'same'` of an odd number adds one more below and on the right, as PyTorch.
 * @throws ArgumentError for unknown options and values out of range, ShapeError for sizes that do not
 *   fit.
 */
export function conv2d(
  x: Tensor,
  weight: Operand,
  bias?: Operand,
  options: ConvOptions = {},
  who = 'conv2d',
): Tensor {
  const input = asTensor(who, x);
  const [w] = operand(who, input, weight);
  if (w === undefined) throw new ArgumentError(`${who} expects a weight, got undefined`);
  const { tracer } = input;
  const { attrs, extra } = tracer.check(() => {
    checkRank(who, 'input', input.shape, ['N', 'C', 'H', 'W']);
    checkRank(who, 'weight', w.shape, ['K', 'C/groups', 'kh', 'kw']);
    return convSettings(who, options, [at(w.shape, 2), at(w.shape, 3)]);
  });
  const padded = pad(input, [0, extra[1], 0, extra[0]], {}, who);
  return first(tracer.record('conv2d', [padded, w, ...operand(who, input, bias)], attrs, { who }));
}

/**
 * 2-D transposed convolution: the gradient of {@link conv2d} with respect to its input, as a layer.
 * @param x [N, C, H, W]
 * @param weight [C, K / groups, kh, kw]
 * @param bias [K]
 * @returns [N, K, H', W'] with
 *   H' = (H - 1) stride - 2 padding + dilation (kh - 1) + outputPadding + 1
 * @throws ArgumentError for unknown options and values out of range, ShapeError for sizes that do not
 *   fit.
 */
export function convTranspose2d(
  x: Tensor,
  weight: Operand,
  bias?: Operand,
  options: ConvTransposeOptions = {},
  who = 'convTranspose2d',
): Tensor {
  const input = asTensor(who, x);
  const [w] = operand(who, input, weight);
  const [b] = operand(who, input, bias);
  if (w === undefined) throw new ArgumentError(`${who} expects a weight, got undefined`);
  const { tracer } = input;
  const { shape, attrs, rows, columns } = tracer.check(() => {
    const settings = convTransposeSettings(who, options);
    const shape = convTransposeShape(who, input.shape, w.shape, settings);
    if (b !== undefined) checkSameShape(who, 'bias', b.shape, [at(shape, 1)]);
    // A convolution of the output gives this many positions more than x has, which only a dilation
    // larger than the stride allows: zeros stand for them.
    const [down, right] = settings.attrs.stride as [number, number];
    const [rows, columns] = settings.outputPadding;
    return {
      shape,
      attrs: settings.attrs,
      rows: Math.floor(rows / down),
      columns: Math.floor(columns / right),
    };
  });
  const whole = rows + columns === 0 ? input : pad(input, [0, columns, 0, rows], {}, who);
  const y = first(tracer.record('conv2dInputGrad', [whole, w], attrs, { who, shapes: [shape] }));
  return b === undefined ? y : y.add(b.reshape(1, at(shape, 1), 1, 1));
}
