/** Owns the options that the models share, and their checks. */
import { checkInteger, checkNumber, checkOptions } from '../arguments.js';

/** Options of every model. */
export interface ModelOptions {
  /**
   * Number of classes: the size of the last layer. 1000 by default, as ImageNet has; 10 for `alexnet`
   * and `lenet`, which are Fashion-MNIST's.
   */
  numClasses?: number;
  /** Channels of the image. 3 by default; 1 for `alexnet` and `lenet`. */
  inChannels?: number;
}

/** Options of models with dropout. */
export interface DropoutModelOptions extends ModelOptions {
  /** Probability of each dropout, from 0 to 1. */
  dropout?: number;
}

/** What the options are by default. */
export interface ModelDefaults {
  readonly numClasses: number;
  readonly inChannels: number;
}

/** Grey images of ten classes. */
export const fashionMnist: ModelDefaults = { numClasses: 10, inChannels: 1 };

/** Colour images of a thousand classes. */
export const imageNet: ModelDefaults = { numClasses: 1000, inChannels: 3 };

/** The options, checked, with their defaults. */
export function modelOptions(
  who: string,
  options: ModelOptions,
  defaults: ModelDefaults,
  more: readonly string[] = [],
): Required<ModelOptions> {
  checkOptions(who, options, ['numClasses', 'inChannels', ...more]);
  return {
    numClasses: checkInteger(who, 'numClasses', options.numClasses ?? defaults.numClasses, 1),
    inChannels: checkInteger(who, 'inChannels', options.inChannels ?? defaults.inChannels, 1),
  };
}

/** The options of a model with dropout, checked, with their defaults. */
export function dropoutOptions(
  who: string,
  options: DropoutModelOptions,
  defaults: ModelDefaults & { readonly dropout: number },
  more: readonly string[] = [],
): Required<DropoutModelOptions> {
  const checked = modelOptions(who, options, defaults, ['dropout', ...more]);
  const dropout = options.dropout ?? defaults.dropout;
  return { ...checked, dropout: checkNumber(who, 'dropout', dropout, { min: 0, max: 1 }) };
}
