/** Owns RandomResizedCrop. */
import { checkOptions, type PairLike } from '../../arguments.js';
import type { ImageShape } from '../types.js';
import { checkInterval, checkSize, type Interval, type Size, tuple } from './checks.js';
import { type Image, resizedCrop, roundHalfEven } from './geometry.js';
import type { SampleRandom } from './random.js';
import type { PlannedShape, Transform, WorkerRecipe } from './transform.js';

/** Options of {@link RandomResizedCrop}. */
export interface RandomResizedCropOptions {
  /** Part of the image's area, from least to most; [0.08, 1] unless given. */
  scale?: Interval;
  /** Width divided by height, from least to most; [3/4, 4/3] unless given. */
  ratio?: Interval;
}

/** A part of an image. */
export interface Rectangle {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

/** Least of what must be above 0. */
const LEAST = Number.MIN_VALUE;

/**
 * Keeps a part of random size, ratio and place, and resizes it with bilinear interpolation and
 * antialiasing.
 */
export class RandomResizedCrop implements Transform {
  readonly size: Size;
  readonly scale: Interval;
  readonly ratio: Interval;
  readonly worker: WorkerRecipe | undefined;

  /**
   * @param size Pixels of each side of the result, or [height, width].
   * @throws {ArgumentError} where a size or an option is not what it should be.
   */
  constructor(size: PairLike, options: RandomResizedCropOptions = {}) {
    const who = 'RandomResizedCrop';
    const given = checkOptions(who, options, ['scale', 'ratio']);
    this.size = checkSize(who, size);
    this.scale = checkInterval(who, 'scale', given.scale ?? [0.08, 1], LEAST);
    this.ratio = checkInterval(who, 'ratio', given.ratio ?? [3 / 4, 4 / 3], LEAST);
    const args = [this.size, { scale: this.scale, ratio: this.ratio }];
    this.worker =
      new.target === RandomResizedCrop
        ? { module: import.meta.url, export: 'RandomResizedCrop', args }
        : undefined;
  }

  outputShape([channels]: PlannedShape): PlannedShape {
    return [channels, ...this.size];
  }

  /** Draws the part of an image of `shape`: in ten tries, else the largest one of a fitting ratio. */
  draw([, height, width]: ImageShape, random: SampleRandom): Rectangle {
    const [least, most] = this.ratio;
    for (let i = 0; i < 10; i++) {
      const area = height * width * random.uniform(...this.scale);
      const ratio = Math.exp(random.uniform(Math.log(least), Math.log(most)));
      const w = roundHalfEven(Math.sqrt(area * ratio));
      const h = roundHalfEven(Math.sqrt(area / ratio));
      if (w > 0 && w <= width && h > 0 && h <= height) {
        const top = random.integer(height - h + 1);
        return { top, left: random.integer(width - w + 1), height: h, width: w };
      }
    }
    let [h, w] = [height, width];
    if (width / height < least) h = Math.max(1, roundHalfEven(width / least));
    else if (width / height > most) w = Math.max(1, roundHalfEven(height * most));
    return {
      top: Math.floor((height - h) / 2),
      left: Math.floor((width - w) / 2),
      height: h,
      width: w,
    };
  }

  apply(image: Uint8Array, shape: ImageShape, random: SampleRandom): Image {
    const { top, left, height, width } = this.draw(shape, random);
    return resizedCrop(image, shape, top, left, height, width, this.size);
  }

  toString(): string {
    const { size, scale, ratio } = this;
    return (
      `RandomResizedCrop(size=${tuple(size)}, scale=${tuple(scale)}, ` +
      `ratio=${tuple(ratio.map((r) => Number(r.toFixed(4))))}, interpolation=bilinear, antialias=True)`
    );
  }
}
