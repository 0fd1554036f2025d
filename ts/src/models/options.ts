/** Owns the options that the models share, and their checks. */
import { checkInteger, checkOptions } from '../arguments.js';

/** Options of every model. */
export interface ModelOptions {
  /** Number of classes: the size of the last layer. 10 by default. */
  numClasses?: number;
  /** Channels of the image. 1 by default. */
  inChannels?: number;
}

/** The options, checked, with their defaults. */
export function modelOptions(
  who: string,
  options: ModelOptions,
  more: readonly string[] = [],
): Required<ModelOptions> {
  checkOptions(who, options, ['numClasses', 'inChannels', ...more]);
  return {
    numClasses: checkInteger(who, 'numClasses', options.numClasses ?? 10, 1),
    inChannels: checkInteger(who, 'inChannels', options.inChannels ?? 1, 1),
  };
}
