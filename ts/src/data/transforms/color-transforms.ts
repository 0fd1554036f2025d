/** Owns Grayscale and ColorJitter. */
import { checkNumber, checkOptions, show } from '../../arguments.js';
import { ArgumentError } from '../../errors.js';
import type { ImageShape } from '../types.js';
import { checkInterval, type Interval, textOf } from './checks.js';
import {
  adjustBrightness,
  adjustContrast,
  adjustHue,
  adjustSaturation,
  checkColors,
  toGrayscale,
} from './color.js';
import type { Image } from './geometry.js';
import type { SampleRandom } from './random.js';
import type { PlannedShape, Transform, WorkerRecipe } from './transform.js';

/** Makes images grey. */
export class Grayscale implements Transform {
  readonly numOutputChannels: 1 | 3;
  readonly worker: WorkerRecipe | undefined;

  /**
   * @param numOutputChannels Channels of the result, all alike: 1 (unless given) or 3.
   * @throws {ArgumentError} where it is neither.
   */
  constructor(numOutputChannels: 1 | 3 = 1) {
    if (numOutputChannels !== 1 && numOutputChannels !== 3) {
      throw new ArgumentError(
        `Grayscale expects numOutputChannels to be 1 or 3, got ${show(numOutputChannels)}`,
      );
    }
    this.numOutputChannels = numOutputChannels;
    this.worker =
      new.target === Grayscale
        ? { module: import.meta.url, export: 'Grayscale', args: [numOutputChannels] }
        : undefined;
  }

  outputShape([channels, height, width]: PlannedShape): PlannedShape {
    checkColors('Grayscale', channels);
    return [this.numOutputChannels, height, width];
  }

  apply(image: Uint8Array, shape: ImageShape): Image {
    return toGrayscale(image, shape, this.numOutputChannels);
  }

  toString(): string {
    return `Grayscale(num_output_channels=${this.numOutputChannels})`;
  }
}

const colors = ['brightness', 'contrast', 'saturation', 'hue'] as const;
type Color = (typeof colors)[number];

/** Options of {@link ColorJitter}. What is not given stays. */
export interface ColorJitterOptions {
  /** The factor is drawn from [max(0, 1 - x), 1 + x], or from [from, to]. */
  brightness?: number | Interval;
  /** As brightness. */
  contrast?: number | Interval;
  /** As brightness. */
  saturation?: number | Interval;
  /** The part of the circle is drawn from [-x, x], or from [from, to]; within [-0.5, 0.5]. */
  hue?: number | Interval;
}

const adjust = {
  brightness: adjustBrightness,
  contrast: adjustContrast,
  saturation: adjustSaturation,
  hue: adjustHue,
} as const;

/** Changes brightness, contrast, saturation and hue by random factors, in a random order. */
export class ColorJitter implements Transform {
  readonly brightness: Interval | null;
  readonly contrast: Interval | null;
  readonly saturation: Interval | null;
  readonly hue: Interval | null;
  readonly worker: WorkerRecipe | undefined;

  /** @throws {ArgumentError} where a factor is not what it should be, or an option is unknown. */
  constructor(options: ColorJitterOptions = {}) {
    const given = checkOptions('ColorJitter', options, colors);
    this.brightness = factors('brightness', given.brightness, 1);
    this.contrast = factors('contrast', given.contrast, 1);
    this.saturation = factors('saturation', given.saturation, 1);
    this.hue = factors('hue', given.hue, 0);
    const set = colors.flatMap((color) => (this[color] === null ? [] : [[color, this[color]]]));
    const args = [Object.fromEntries(set)];
    this.worker =
      new.target === ColorJitter
        ? { module: import.meta.url, export: 'ColorJitter', args }
        : undefined;
  }

  outputShape(shape: PlannedShape): PlannedShape {
    checkColors('ColorJitter', shape[0]);
    return shape;
  }

  /** Draws what is done, in order. */
  draw(random: SampleRandom): { what: Color; factor: number }[] {
    const order = random.permutation(colors.length);
    const drawn = colors.map((what) => {
      const interval = this[what];
      return interval === null ? [] : [{ what, factor: random.uniform(...interval) }];
    });
    return order.flatMap((i) => drawn[i]!);
  }

  apply(image: Uint8Array, shape: ImageShape, random: SampleRandom): Image {
    return this.draw(random).reduce<Image>(
      (all, { what, factor }) => adjust[what](all.image, all.shape, factor),
      { image, shape },
    );
  }

  toString(): string {
    const texts = colors.map((color) => {
      const interval = this[color];
      return `${color}=${interval === null ? 'None' : textOf(interval)}`;
    });
    return `ColorJitter(${texts.join(', ')})`;
  }
}

/** The interval of a factor; null where it leaves the image as it is. */
function factors(
  name: Color,
  value: number | Interval | undefined,
  neutral: 0 | 1,
): Interval | null {
  const who = 'ColorJitter';
  const max = name === 'hue' ? 0.5 : Infinity;
  let interval: Interval;
  if (value === undefined) return null;
  if (typeof value === 'number') {
    const by = checkNumber(who, name, value, { min: 0, max });
    interval = [name === 'hue' ? -by : Math.max(0, 1 - by), neutral + by];
  } else {
    interval = checkInterval(who, name, value, name === 'hue' ? -0.5 : 0, max);
  }
  return interval[0] === neutral && interval[1] === neutral ? null : interval;
}
