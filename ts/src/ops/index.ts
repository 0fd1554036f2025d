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
export { clearCache } from './cache.js';
export { type GemmOptions, gemm, linear, linearInputGrad, linearWeightGrad } from './matrix.js';
export {
  add,
  type DropoutOptions,
  dropout,
  dropoutGrad,
  relu,
  reluGrad,
  reshape,
  sigmoid,
  sigmoidGrad,
  softmax,
  toFloat,
} from './pointwise.js';
export { type OpInputs, type OpOptions, type RunOptions, run } from './run.js';
export type { FloatTensor, HostTensor, WeightGradOptions, WeightGrads } from './tensors.js';
export {
  type AdamStepOptions,
  adamStep,
  type SgdStepOptions,
  type SoftmaxCrossEntropyOptions,
  sgdStep,
  softmaxCrossEntropy,
} from './training.js';
export {
  adaptiveAvgPool2d,
  adaptiveAvgPool2dGrad,
  avgPool2d,
  avgPool2dGrad,
  conv2d,
  conv2dInputGrad,
  conv2dWeightGrad,
  maxPool2d,
  maxPool2dGrad,
} from './windows.js';
