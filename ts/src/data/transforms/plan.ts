/** Owns the reduction of a chain of transforms to an {@link ImagePlan}, for images of one shape. */
import { show, showThrown } from '../../arguments.js';
import { ArgumentError, NeuronodeError, ShapeError } from '../../errors.js';
import type { ImageShape } from '../types.js';
import { Compose, type TransformStep } from './compose.js';
import { Normalize, ToTensor } from './tensor.js';
import { nameOf, type PlannedShape, type Transform } from './transform.js';

/** What a chain of transforms asks for, for images of one shape. */
export interface ImagePlan {
  /** The transforms of bytes, in order. */
  readonly steps: readonly Transform[];
  /** Shapes after each of them. */
  readonly shapes: readonly PlannedShape[];
  /** Shape after the last one. */
  readonly imageShape: ImageShape;
  /** Mean per channel, [C]. */
  readonly mean: readonly number[];
  /** Standard deviation per channel, [C]. */
  readonly std: readonly number[];
}

/**
 * What `transform` asks for, for images of `imageShape`. No transform means ToTensor.
 *
 * @throws {ShapeError} where Normalize has neither one value nor one per channel, or a transform
 *   cannot take images of such a shape.
 * @throws {ArgumentError} where the chain's order is not that of {@link Compose}, or the images would
 *   differ in size.
 */
export function planImages(
  transform: TransformStep | undefined,
  imageShape: ImageShape,
): ImagePlan {
  const steps: Transform[] = [];
  const shapes: PlannedShape[] = [];
  let shape: PlannedShape = [...imageShape];
  let mean: readonly number[] = [0];
  let std: readonly number[] = [1];
  for (const t of new Compose(transform === undefined ? [] : [transform]).transforms) {
    if (t instanceof Normalize) {
      ({ mean, std } = t);
    } else if (!(t instanceof ToTensor)) {
      shape = shapeAfter(t, shape);
      steps.push(t);
      shapes.push(shape);
    }
  }
  const [channels, height, width] = shape;
  if (height === null || width === null) {
    throw new ArgumentError(
      `Compose: expected images of one size, got some that differ from sample to sample after ` +
        `${steps.map(nameOf).join(', ')}. Put a Resize([height, width]) or a crop behind them.`,
    );
  }
  if (mean.length !== 1 && mean.length !== channels) {
    throw new ShapeError(
      `Normalize: expected 1 or ${channels} values for images of shape [${shape.join(', ')}], got ${mean.length}`,
    );
  }
  const perChannel = (values: readonly number[]) =>
    values.length === channels ? values : Array.from({ length: channels }, () => values[0]!);
  return {
    steps,
    shapes,
    imageShape: [channels, height, width],
    mean: perChannel(mean),
    std: perChannel(std),
  };
}

function shapeAfter(transform: Transform, shape: PlannedShape): PlannedShape {
  if (transform.outputShape === undefined) return shape;
  const who = `${nameOf(transform)}.outputShape`;
  let out: unknown;
  try {
    out = transform.outputShape(shape);
  } catch (error) {
    if (error instanceof NeuronodeError) throw error;
    throw new ArgumentError(`${who} threw for ${show(shape)}: ${showThrown(error)}`, {
      cause: error,
    });
  }
  const isSize = (size: unknown) => Number.isSafeInteger(size) && (size as number) > 0;
  const isShape =
    Array.isArray(out) &&
    out.length === 3 &&
    out.every((size, axis) => isSize(size) || (axis > 0 && size === null));
  if (!isShape) {
    throw new ArgumentError(
      `${who}: expected [channels, height, width] of integers above 0, the last two or null, got ` +
        show(out),
    );
  }
  return out as unknown as PlannedShape;
}
