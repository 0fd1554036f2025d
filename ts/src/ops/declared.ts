/** Owns the list of single operations that are declared by name, and their types. */
export * from './batch-norm.js';
export { clearCache } from './cache.js';
export * from './conversion.js';
export * from './convolution.js';
export * from './dropout.js';
export * from './group-norm.js';
export * from './joining.js';
export * from './linear.js';
export * from './loss.js';
export * from './normalisation.js';
export * from './pointwise.js';
export * from './pooling.js';
export * from './reduction.js';
export * from './resampling.js';
export * from './reshape.js';
export { type OpInputs, type OpOptions, type RunOptions, run } from './run.js';
export * from './softmax.js';
export type { FloatTensor, HostTensor, WeightGradOptions, WeightGrads } from './tensors.js';
