/** Owns the stateless form of resampling. */
import {
  type InterpolateOptions,
  interpolatedShape,
  interpolateSettings,
} from '../../graph/ops/resampling.js';
import { first, type Tensor } from '../../graph/tensor.js';
import { asTensor } from '../../graph/trace.js';

export type { InterpolateOptions } from '../../graph/ops/resampling.js';

/**
 * Images of another size. Along each axis, of scale s = `scaleFactor` or H' / H, the new pixel i is
 * the old pixel floor(i / s) (`'nearest'`), or the two beside (i + 1/2) / s - 1/2, or
 * i (H - 1) / (H' - 1) with `alignCorners`, by how near they are (`'bilinear'`). An axis whose size
 * does not change is copied.
 * @param x [N, C, H, W]
 * @returns [N, C, H', W'], of `size`, or of floor(H s) and floor(W s)
 * @throws ArgumentError for unknown options, values out of range, both or neither of `size` and
 *   `scaleFactor`, and `alignCorners` with `'nearest'`; ShapeError for an input of another rank and a
 *   scale that leaves no pixel.
 */
export function interpolate(x: Tensor, options: InterpolateOptions, who = 'interpolate'): Tensor {
  const input = asTensor(who, x);
  const { tracer } = input;
  const settings = tracer.check(() => interpolateSettings(who, options));
  const shape = tracer.check(() => interpolatedShape(who, input.shape, settings));
  return first(tracer.record('interpolate', [input], settings.attrs, { who, shapes: [shape] }));
}
