/** The public API of neuronode. */
export * as errors from './errors.js';
export {
  ArgumentError,
  CheckpointError,
  DataError,
  DeviceError,
  DisposedError,
  DTypeError,
  type ErrorCode,
  NativeError,
  NeuronodeError,
  OutOfMemoryError,
  ShapeError,
  StateDictError,
  WorkerError,
} from './errors.js';
export { Tensor } from './graph/tensor.js';
export * as models from './models/index.js';
export * as nn from './nn/index.js';
export * as optim from './optim/index.js';
export { initialSeed, manualSeed } from './random/index.js';
export * as safetensors from './safetensors.js';
