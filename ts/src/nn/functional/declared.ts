/** Owns the list of stateless forms that are declared by name, and their types. */
export * from './batch-norm.js';
export * from './convolution.js';
export * from './dropout.js';
export * from './joining.js';
export * from './linear.js';
export * from './loss.js';
export * from './normalisation.js';
export type { Operand } from './operand.js';
export * from './pooling.js';
export * from './resampling.js';
export * from './reshape.js';
export * from './softmax.js';
