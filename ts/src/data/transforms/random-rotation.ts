/** Owns RandomRotation. */
import { checkBoolean, checkNumber, checkOneOf, checkOptions } from '../../arguments.js';
import type { ImageShape } from '../types.js';
import {
  checkCenter,
  checkFill,
  checkFillChannels,
  checkInterval,
  type Interval,
  textOf,
} from './checks.js';
import type { Fill, Image } from './geometry.js';
import type { SampleRandom } from './random.js';
import {
  type Interpolation,
  interpolations,
  type RotateOptions,
  rotate,
  rotateOptionNames,
} from './rotate.js';
import type { PlannedShape, Transform, WorkerRecipe } from './transform.js';

/**
 * Rotates images by a random angle. With `expand` the results differ in size, so that a Resize to
 * [height, width] or a crop must follow.
 */
export class RandomRotation implements Transform {
  readonly degrees: Interval;
  readonly interpolation: Interpolation;
  readonly expand: boolean;
  readonly center: readonly [x: number, y: number] | null;
  readonly fill: Fill;
  readonly worker: WorkerRecipe | undefined;

  /**
   * @param degrees The angle is drawn from [-degrees, degrees], or from [from, to]; counter-clockwise.
   * @throws {ArgumentError} where an angle or an option is not what it should be.
   */
  constructor(degrees: number | Interval, options: RotateOptions = {}) {
    const who = 'RandomRotation';
    const given = checkOptions(who, options, rotateOptionNames);
    const { interpolation = 'nearest', expand = false, center, fill = 0 } = given;
    if (typeof degrees === 'number') {
      const most = checkNumber(who, 'degrees', degrees, { min: 0 });
      this.degrees = [-most, most];
    } else {
      this.degrees = checkInterval(who, 'degrees', degrees, -Infinity);
    }
    this.interpolation = checkOneOf(who, 'interpolation', interpolation, interpolations);
    this.expand = checkBoolean(who, 'expand', expand);
    this.center = center === undefined ? null : checkCenter(who, center);
    this.fill = checkFill(who, 'fill', fill);
    this.worker =
      new.target === RandomRotation
        ? {
            module: import.meta.url,
            export: 'RandomRotation',
            args: [this.degrees, this.#options()],
          }
        : undefined;
  }

  outputShape(shape: PlannedShape): PlannedShape {
    checkFillChannels('RandomRotation', 'fill', this.fill, shape[0]);
    return this.expand ? [shape[0], null, null] : shape;
  }

  /** Draws the angle, in degrees. */
  draw(random: SampleRandom): number {
    return random.uniform(...this.degrees);
  }

  apply(image: Uint8Array, shape: ImageShape, random: SampleRandom): Image {
    return rotate(image, shape, this.draw(random), this.#options());
  }

  #options(): RotateOptions {
    const { interpolation, expand, center, fill } = this;
    return { interpolation, expand, fill, ...(center === null ? {} : { center }) };
  }

  toString(): string {
    const { degrees, interpolation, expand, fill } = this;
    return (
      `RandomRotation(degrees=[${degrees.join(', ')}], interpolation=${interpolation}, ` +
      `expand=${expand ? 'True' : 'False'}, fill=${textOf(fill)})`
    );
  }
}
