/**
 * The stateless forms of the layers: functions from symbolic tensors to symbolic tensors, for use in
 * a module's `forward`. Names and meanings are torch.nn.functional's.
 */
import { activationFunctions } from './activation.js';
import * as declared from './declared.js';

/** Every stateless form. */
export const functional = Object.freeze({ ...activationFunctions, ...declared });

/** The types that they take. */
export declare namespace functional {
  export type AdaptiveSize = declared.AdaptiveSize;
  export type AvgPoolOptions = declared.AvgPoolOptions;
  export type BatchNormOptions = declared.BatchNormOptions;
  export type BinaryCrossEntropyOptions = declared.BinaryCrossEntropyOptions;
  export type ConvOptions = declared.ConvOptions;
  export type ConvTransposeOptions = declared.ConvTransposeOptions;
  export type CrossEntropyOptions = declared.CrossEntropyOptions;
  export type InterpolateOptions = declared.InterpolateOptions;
  export type LocalResponseNormOptions = declared.LocalResponseNormOptions;
  export type LossOptions = declared.LossOptions;
  export type MaxPoolOptions = declared.MaxPoolOptions;
  export type NllLossOptions = declared.NllLossOptions;
  export type NormOptions = declared.NormOptions;
  export type Operand = declared.Operand;
  export type PadMode = declared.PadMode;
  export type PadOptions = declared.PadOptions;
  export type SmoothL1Options = declared.SmoothL1Options;
}
