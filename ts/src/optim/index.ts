/** Optimizers, under PyTorch's names. */
export { Adam, type AdamOptions, AdamW } from './adam.js';
export { Optimizer, type ParamGroup, type ParamGroupOptions, type Trained } from './optimizer.js';
export { RMSprop, type RMSpropOptions } from './rmsprop.js';
export { SGD, type SGDOptions } from './sgd.js';
