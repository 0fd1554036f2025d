/** Owns RandomErasing. */
import { checkOptions } from '../../arguments.js';
import type { ImageShape } from '../types.js';
import {
  checkFill,
  checkFillChannels,
  checkInterval,
  checkProbability,
  type Interval,
  textOf,
  tuple,
} from './checks.js';
import { erase, type Fill, type Image, roundHalfEven } from './geometry.js';
import type { SampleRandom } from './random.js';
import type { Rectangle } from './resized-crop.js';
import type { PlannedShape, Transform, WorkerRecipe } from './transform.js';

/** Options of {@link RandomErasing}. */
export interface RandomErasingOptions {
  /** Probability, from 0 to 1; 0.5 unless given. */
  p?: number;
  /** Part of the image's area, from least to most, within 0 and 1; [0.02, 0.33] unless given. */
  scale?: Interval;
  /** Height divided by width, from least to most; [0.3, 3.3] unless given. */
  ratio?: Interval;
  /** A byte or one per channel; `'random'`: each byte is drawn, all as probable. 0 unless given. */
  value?: Fill | 'random';
}

/**
 * Overwrites a part of random size, ratio and place.
 *
 * As all transforms here it works on bytes, as torchvision's does on uint8 tensors: it stands before
 * ToTensor, and `value` is from 0 to 255. torchvision's erasing of floats after Normalize by 0 is,
 * here, erasing by the mean: `value: mean.map((m) => Math.round(255 * m))`.
 */
export class RandomErasing implements Transform {
  readonly p: number;
  readonly scale: Interval;
  readonly ratio: Interval;
  readonly value: Fill | 'random';
  readonly worker: WorkerRecipe | undefined;

  /** @throws {ArgumentError} where an option is unknown or not what it should be. */
  constructor(options: RandomErasingOptions = {}) {
    const who = 'RandomErasing';
    const given = checkOptions(who, options, ['p', 'scale', 'ratio', 'value']);
    this.p = checkProbability(who, given.p ?? 0.5);
    this.scale = checkInterval(who, 'scale', given.scale ?? [0.02, 0.33], 0, 1);
    this.ratio = checkInterval(who, 'ratio', given.ratio ?? [0.3, 3.3], Number.MIN_VALUE);
    const value = given.value ?? 0;
    this.value = value === 'random' ? value : checkFill(who, 'value', value);
    const { p, scale, ratio } = this;
    const args = [{ p, scale, ratio, value: this.value }];
    this.worker =
      new.target === RandomErasing
        ? { module: import.meta.url, export: 'RandomErasing', args }
        : undefined;
  }

  outputShape(shape: PlannedShape): PlannedShape {
    if (this.value !== 'random') checkFillChannels('RandomErasing', 'value', this.value, shape[0]);
    return shape;
  }

  /** Draws the part of an image of `shape`, in ten tries; null: none fitted. */
  draw([, height, width]: ImageShape, random: SampleRandom): Rectangle | null {
    const [least, most] = this.ratio;
    for (let i = 0; i < 10; i++) {
      const area = height * width * random.uniform(...this.scale);
      const ratio = Math.exp(random.uniform(Math.log(least), Math.log(most)));
      const h = roundHalfEven(Math.sqrt(area * ratio));
      const w = roundHalfEven(Math.sqrt(area / ratio));
      if (h < height && w < width) {
        const top = random.integer(height - h + 1);
        return { top, left: random.integer(width - w + 1), height: h, width: w };
      }
    }
    return null;
  }

  apply(image: Uint8Array, shape: ImageShape, random: SampleRandom): Image {
    const part = random.chance(this.p) ? this.draw(shape, random) : null;
    if (part === null) return { image, shape };
    const { top, left, height, width } = part;
    let value: Fill | Uint8Array;
    if (this.value === 'random') {
      value = Uint8Array.from({ length: shape[0] * height * width }, () => random.integer(256));
    } else {
      ({ value } = this);
    }
    return erase(image, shape, top, left, height, width, value);
  }

  toString(): string {
    const { p, scale, ratio, value } = this;
    return `RandomErasing(p=${p}, scale=${tuple(scale)}, ratio=${tuple(ratio)}, value=${textOf(value)})`;
  }
}
