/** Owns RandomHorizontalFlip and RandomVerticalFlip. */
import type { ImageShape } from '../types.js';
import { checkProbability } from './checks.js';
import { hflip, type Image, vflip } from './geometry.js';
import type { SampleRandom } from './random.js';
import type { Transform, WorkerRecipe } from './transform.js';

/** Mirrors left and right, with a probability. */
export class RandomHorizontalFlip implements Transform {
  readonly p: number;
  readonly worker: WorkerRecipe | undefined;

  /**
   * @param p Probability, from 0 to 1; 0.5 unless given.
   * @throws {ArgumentError} where it is none.
   */
  constructor(p = 0.5) {
    this.p = checkProbability('RandomHorizontalFlip', p);
    this.worker =
      new.target === RandomHorizontalFlip
        ? { module: import.meta.url, export: 'RandomHorizontalFlip', args: [p] }
        : undefined;
  }

  apply(image: Uint8Array, shape: ImageShape, random: SampleRandom): Image {
    return random.chance(this.p) ? hflip(image, shape) : { image, shape };
  }

  toString(): string {
    return `RandomHorizontalFlip(p=${this.p})`;
  }
}

/** Mirrors top and bottom, with a probability. */
export class RandomVerticalFlip implements Transform {
  readonly p: number;
  readonly worker: WorkerRecipe | undefined;

  /**
   * @param p Probability, from 0 to 1; 0.5 unless given.
   * @throws {ArgumentError} where it is none.
   */
  constructor(p = 0.5) {
    this.p = checkProbability('RandomVerticalFlip', p);
    this.worker =
      new.target === RandomVerticalFlip
        ? { module: import.meta.url, export: 'RandomVerticalFlip', args: [p] }
        : undefined;
  }

  apply(image: Uint8Array, shape: ImageShape, random: SampleRandom): Image {
    return random.chance(this.p) ? vflip(image, shape) : { image, shape };
  }

  toString(): string {
    return `RandomVerticalFlip(p=${this.p})`;
  }
}
