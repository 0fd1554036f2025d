/** Modules, under PyTorch's names. */
export { Tensor } from '../graph/tensor.js';
export { ReLU, Sigmoid } from './activation.js';
export { Buffer } from './buffer.js';
export { ModuleList, Sequential } from './containers.js';
export { Dropout } from './dropout.js';
export * as functional from './functional.js';
export { Conv2d, type Conv2dOptions, Linear, type LinearOptions } from './layers.js';
export { CrossEntropyLoss, Loss, type LossTargets } from './loss.js';
export {
  type LoadableTensor,
  Module,
  type Outputs,
  type StateDict,
  type StateTensor,
} from './module.js';
export { Parameter } from './parameter.js';
export { AdaptiveAvgPool2d, AvgPool2d, MaxPool2d } from './pooling.js';
export { Flatten } from './reshape.js';
