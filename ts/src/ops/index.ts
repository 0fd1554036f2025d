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
export * from './conversion.js';
export * from './convolution.js';
export * from './dropout.js';
export * from './linear.js';
export * from './loss.js';
export * from './optimizer.js';
export * from './pointwise.js';
export * from './pooling.js';
export * from './reshape.js';
export { type OpInputs, type OpOptions, type RunOptions, run } from './run.js';
export * from './softmax.js';
export type { FloatTensor, HostTensor, WeightGradOptions, WeightGrads } from './tensors.js';
