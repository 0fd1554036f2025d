/**
 * Owns ToTensor and Normalize, the end of a chain.
 *
 * Policy: they touch no pixels and run on no host: they become the mean and std of the program's
 * first node, y = (x / 255 - mean) / std.
 */
import { show } from '../../arguments.js';
import { ArgumentError } from '../../errors.js';

/** Bytes 0..255 become floats 0..1. Done by the program's first node; see {@link ImagePlan}. */
export class ToTensor {
  toString(): string {
    return 'ToTensor()';
  }
}

/** Subtracts the mean and divides by the standard deviation, per channel, on the 0..1 scale. */
export class Normalize {
  readonly mean: readonly number[];
  readonly std: readonly number[];

  /**
   * @param mean Mean per channel; a single one serves every channel.
   * @param std Standard deviation per channel; a single one serves every channel.
   * @throws {ArgumentError} where a value is not finite, a std is not positive, or lengths differ.
   */
  constructor(mean: number | readonly number[], std: number | readonly number[]) {
    this.mean = valuesOf('mean', mean);
    this.std = valuesOf('std', std);
    if (this.mean.length === 0 || this.mean.length !== this.std.length) {
      throw new ArgumentError(
        `Normalize: expected as many means as stds, at least one, got ${this.mean.length} and ${this.std.length}`,
      );
    }
    if (!this.mean.every(Number.isFinite)) {
      throw new ArgumentError(`Normalize: expected finite means, got [${this.mean.join(', ')}]`);
    }
    if (!this.std.every((s) => Number.isFinite(s) && s > 0)) {
      throw new ArgumentError(
        `Normalize: expected finite stds above 0, got [${this.std.join(', ')}]`,
      );
    }
  }

  toString(): string {
    return `Normalize(mean=[${this.mean.join(', ')}], std=[${this.std.join(', ')}])`;
  }
}

function valuesOf(name: string, values: number | readonly number[]): readonly number[] {
  if (typeof values === 'number') return [values];
  if (!Array.isArray(values)) {
    throw new ArgumentError(
      `Normalize: expected ${name} to be a number or a list of numbers, got ${show(values)}`,
    );
  }
  return [...values];
}
