/** The public API of neuronode. */
export * as cli from './cli/index.js';
export * as data from './data/index.js';
export * as errors from './error-classes.js';
export {
  ArgumentError,
  CheckpointError,
  DataError,
  DeviceError,
  type DeviceErrorCode,
  DisposedError,
  DTypeError,
  type ErrorCode,
  FileError,
  NativeError,
  NeuronodeError,
  NotFiniteError,
  OutOfMemoryError,
  QueueFullError,
  ShapeError,
  StaleParametersError,
  StateDictError,
  TransformError,
  WorkerError,
} from './error-classes.js';
export { Tensor } from './graph/tensor.js';
export * as models from './models/index.js';
export * as nn from './nn/index.js';
export { ops } from './ops/index.js';
export * as optim from './optim/index.js';
export * from './predict/index.js';
export {
  type CpuDeviceInfo,
  type CudaDeviceInfo,
  chooseDevice,
  type DeviceChoice,
  type DeviceInfo,
  devices,
  getNumThreads,
  type MissingDevice,
  missingDevices,
  setNumThreads,
} from './program/devices.js';
export type { PlanInfo, PlanStep } from './program/native.js';
export type { Algorithm, Pooling, Precision } from './program/target.js';
export { initialSeed, manualSeed } from './random/index.js';
export * as safetensors from './safetensors.js';
export * from './train/index.js';
