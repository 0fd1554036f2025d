/** Owns Pad, CenterCrop and RandomCrop. */
import { checkBoolean, checkOneOf, checkOptions, type PairLike } from '../../arguments.js';
import type { ImageShape } from '../types.js';
import {
  checkCrop,
  checkFill,
  checkFillChannels,
  checkPadding,
  checkSize,
  knownShape,
  type PaddingLike,
  type Size,
  textOf,
  tuple,
} from './checks.js';
import {
  centerCrop,
  crop,
  type Fill,
  type Image,
  type Padding,
  type PaddingMode,
  pad,
  paddedShape,
  paddingModes,
} from './geometry.js';
import type { SampleRandom } from './random.js';
import type { PlannedShape, Transform, WorkerRecipe } from './transform.js';

/** Options of {@link Pad}. */
export interface PadOptions {
  /** A byte, or one per channel; 0 unless given. */
  fill?: Fill;
  /** `constant` unless given. */
  paddingMode?: PaddingMode;
}

/** Adds pixels around an image. */
export class Pad implements Transform {
  readonly padding: Padding;
  readonly fill: Fill;
  readonly paddingMode: PaddingMode;
  readonly worker: WorkerRecipe | undefined;

  /**
   * @param padding Pixels of each side, [left and right, top and bottom], or [left, top, right, bottom].
   * @throws {ArgumentError} where a width is no integer of 0 or more, a fill no byte, or an option
   *   unknown.
   */
  constructor(padding: PaddingLike, options: PadOptions = {}) {
    const given = checkOptions('Pad', options, ['fill', 'paddingMode']);
    this.padding = checkPadding('Pad', padding);
    this.fill = checkFill('Pad', 'fill', given.fill ?? 0);
    const mode = given.paddingMode ?? 'constant';
    this.paddingMode = checkOneOf('Pad', 'paddingMode', mode, paddingModes);
    const { fill, paddingMode } = this;
    const args = [this.padding, { fill, paddingMode }];
    this.worker = new.target === Pad ? { module: import.meta.url, export: 'Pad', args } : undefined;
  }

  outputShape(shape: PlannedShape): PlannedShape {
    checkFillChannels('Pad', 'fill', this.fill, shape[0]);
    const known = knownShape(shape);
    if (known !== null) return paddedShape(known, this.padding);
    const [left, top, right, bottom] = this.padding;
    const [channels, height, width] = shape;
    return [
      channels,
      height === null ? null : height + top + bottom,
      width === null ? null : width + left + right,
    ];
  }

  apply(image: Uint8Array, shape: ImageShape): Image {
    return pad(image, shape, this.padding, this.paddingMode, this.fill);
  }

  toString(): string {
    const { padding, fill, paddingMode } = this;
    return `Pad(padding=${textOf(padding)}, fill=${textOf(fill)}, padding_mode=${paddingMode})`;
  }
}

/** Keeps the middle of an image; where the image is smaller, 0 stands around it. */
export class CenterCrop implements Transform {
  readonly size: Size;
  readonly worker: WorkerRecipe | undefined;

  /**
   * @param size Pixels of each side, or [height, width].
   * @throws {ArgumentError} where a size is no integer from 1 to 65,535.
   */
  constructor(size: PairLike) {
    this.size = checkSize('CenterCrop', size);
    this.worker =
      new.target === CenterCrop
        ? { module: import.meta.url, export: 'CenterCrop', args: [this.size] }
        : undefined;
  }

  outputShape([channels]: PlannedShape): PlannedShape {
    return [channels, ...this.size];
  }

  apply(image: Uint8Array, shape: ImageShape): Image {
    return centerCrop(image, shape, ...this.size);
  }

  toString(): string {
    return `CenterCrop(size=${tuple(this.size)})`;
  }
}

/** Options of {@link RandomCrop}. */
export interface RandomCropOptions extends PadOptions {
  /** Pixels to add around the image before; none unless given. */
  padding?: PaddingLike;
  /** Whether an image that is smaller than the crop is padded by what it lacks, on both sides. */
  padIfNeeded?: boolean;
}

const cropOptions = [
  'padding',
  'padIfNeeded',
  'fill',
  'paddingMode',
] as const satisfies readonly (keyof RandomCropOptions)[];

/** Keeps a part of an image, each place as probable. */
export class RandomCrop implements Transform {
  readonly size: Size;
  readonly padding: Padding | null;
  readonly padIfNeeded: boolean;
  readonly fill: Fill;
  readonly paddingMode: PaddingMode;
  readonly worker: WorkerRecipe | undefined;

  /**
   * @param size Pixels of each side, or [height, width].
   * @throws {ArgumentError} where a size or an option is not what it should be.
   */
  constructor(size: PairLike, options: RandomCropOptions = {}) {
    const who = 'RandomCrop';
    const given = checkOptions(who, options, cropOptions);
    this.size = checkSize(who, size);
    this.padding = given.padding === undefined ? null : checkPadding(who, given.padding);
    this.padIfNeeded = checkBoolean(who, 'padIfNeeded', given.padIfNeeded ?? false);
    this.fill = checkFill(who, 'fill', given.fill ?? 0);
    const mode = given.paddingMode ?? 'constant';
    this.paddingMode = checkOneOf(who, 'paddingMode', mode, paddingModes);
    const { padding, padIfNeeded, fill, paddingMode } = this;
    const more = { padIfNeeded, fill, paddingMode };
    const args = [this.size, padding === null ? more : { padding, ...more }];
    this.worker =
      new.target === RandomCrop
        ? { module: import.meta.url, export: 'RandomCrop', args }
        : undefined;
  }

  outputShape(shape: PlannedShape): PlannedShape {
    checkFillChannels('RandomCrop', 'fill', this.fill, shape[0]);
    const known = knownShape(shape);
    if (known !== null) {
      const padded = this.#paddings(known).reduce<ImageShape>(paddedShape, known);
      checkCrop('RandomCrop', padded, this.size);
    }
    return [shape[0], ...this.size];
  }

  /**
   * Draws the upper left corner, in an image of `shape` that was padded.
   *
   * @throws {ShapeError} where the crop is larger.
   */
  draw(shape: ImageShape, random: SampleRandom): { top: number; left: number } {
    checkCrop('RandomCrop', shape, this.size);
    const top = random.integer(shape[1] - this.size[0] + 1);
    return { top, left: random.integer(shape[2] - this.size[1] + 1) };
  }

  apply(image: Uint8Array, shape: ImageShape, random: SampleRandom): Image {
    let padded: Image = { image, shape };
    for (const padding of this.#paddings(shape)) {
      padded = pad(padded.image, padded.shape, padding, this.paddingMode, this.fill);
    }
    const { top, left } = this.draw(padded.shape, random);
    return crop(padded.image, padded.shape, top, left, ...this.size);
  }

  /** What is added, one after the other. */
  #paddings(shape: ImageShape): Padding[] {
    const paddings: Padding[] = this.padding === null ? [] : [this.padding];
    if (!this.padIfNeeded) return paddings;
    const [, height, width] = paddings.reduce<ImageShape>(paddedShape, shape);
    const lacksWidth = this.size[1] - width;
    const lacksHeight = this.size[0] - height;
    if (lacksWidth > 0) paddings.push([lacksWidth, 0, lacksWidth, 0]);
    if (lacksHeight > 0) paddings.push([0, lacksHeight, 0, lacksHeight]);
    return paddings;
  }

  toString(): string {
    const padding = this.padding === null ? 'None' : textOf(this.padding);
    return `RandomCrop(size=${tuple(this.size)}, padding=${padding})`;
  }
}
