/**
 * Single operations on host tensors `{ data, shape }`, each through the same machinery as whole
 * networks. They are for tests and experiments: every call copies its tensors to the device and
 * back. Inputs are read some time after the call: they must stay as they are until the promise is
 * settled.
 *
 * Every operation checks its arguments before any work. It rejects with an ArgumentError for
 * unknown options and values out of range, with a ShapeError for sizes that do not fit each other,
 * with a DTypeError for element types that it does not take, with a DeviceError where there is no
 * such device, with an OutOfMemoryError where the device has too little memory, and with a
 * QueueFullError where calls are not awaited and the arrays of more than 512 MiB wait.
 */
import type { NativeArray } from '../program/native.js';
import { activationCalls } from './activation.js';
import * as declared from './declared.js';
import { type StepOptions, stepCalls } from './optimizer.js';

/** Every single operation. */
export const ops = Object.freeze({ ...activationCalls, ...stepCalls, ...declared });

/** The types that they take and give. */
export declare namespace ops {
  export type AdamStepOptions = StepOptions<'adamStep'>;
  export type BatchNormGrads = declared.BatchNormGrads;
  export type BatchNormInferenceOptions = declared.BatchNormInferenceOptions;
  export type BatchNormOptions = declared.BatchNormOptions;
  export type BatchNormUpdateOptions = declared.BatchNormUpdateOptions;
  export type DropoutOptions = declared.DropoutOptions;
  export type FloatTensor = declared.FloatTensor;
  export type GemmOptions = declared.GemmOptions;
  export type HostTensor<Data extends NativeArray = NativeArray> = declared.HostTensor<Data>;
  export type OpInputs = declared.OpInputs;
  export type OpOptions = declared.OpOptions;
  export type PadOptions = declared.PadOptions;
  export type RmspropStepOptions = StepOptions<'rmspropStep'>;
  export type RunOptions = declared.RunOptions;
  export type SgdStepOptions = StepOptions<'sgdStep'>;
  export type SoftmaxCrossEntropyOptions = declared.SoftmaxCrossEntropyOptions;
  export type SumOptions = declared.SumOptions;
  export type WeightGradOptions<Bias extends boolean = boolean> = declared.WeightGradOptions<Bias>;
  export type WeightGrads<Bias extends boolean = boolean> = declared.WeightGrads<Bias>;
}
