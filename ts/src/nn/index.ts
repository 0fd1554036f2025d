/** Modules, under PyTorch's names. */
export { Tensor } from '../graph/tensor.js';
export * from './activation.js';
export * from './batch-norm.js';
export { Buffer } from './buffer.js';
export { ModuleList, Sequential } from './containers.js';
export * from './conv-transpose.js';
export * from './dropout.js';
export { functional } from './functional/index.js';
export * as init from './init.js';
export { skipInit } from './init.js';
export * from './layers.js';
export * from './loss.js';
export {
  type LoadableTensor,
  Module,
  type Outputs,
  type StateDict,
  type StateTensor,
} from './module.js';
export * from './normalisation.js';
export { Parameter } from './parameter.js';
export * from './pooling.js';
export * from './resampling.js';
export * from './reshape.js';
