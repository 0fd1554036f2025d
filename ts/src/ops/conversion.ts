/** Owns the conversion of bytes to floats as single operations on host tensors. */
import { type OpOptions, single } from './run.js';
import type { FloatTensor, HostTensor } from './tensors.js';

/**
 * Bytes to floats: (x / 255 - mean) / std for each channel.
 * @param x u8 [N, C, H, W]
 * @param mean [C], on the scale from 0 to 1
 * @param std [C], on the scale from 0 to 1
 * @returns [N, C, H, W]
 * @throws ArgumentError for what is no tensor, and for options unknown or out of range.
 * @throws ShapeError for sizes that do not fit each other, or not the number of values.
 * @throws DTypeError for element types other than stated; f32 where none is.
 */
export function toFloat(
  x: HostTensor<Uint8Array>,
  mean: readonly number[],
  std: readonly number[],
  options: OpOptions = {},
): Promise<FloatTensor> {
  return single('toFloat', { x }, options, { mean, std });
}
