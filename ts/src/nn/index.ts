/** Modules, under PyTorch's names. */
export { Tensor } from '../graph/tensor.js';
export {
  AdaptiveAvgPool2d,
  AvgPool2d,
  Dropout,
  Flatten,
  MaxPool2d,
  ReLU,
  Sigmoid,
} from './activations.js';
export { Buffer } from './buffer.js';
export { ModuleList, Sequential } from './containers.js';
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
