/**
 * Owns the one table of operations. An operation of the contract that no rules file declares fails
 * the build here.
 */
import type { Operation } from './operation.js';
import { convolutionRules } from './rules/convolution.js';
import { matrixRules } from './rules/matrix.js';
import { pointwiseRules } from './rules/pointwise.js';
import { poolingRules } from './rules/pooling.js';
import { trainingRules } from './rules/training.js';
import type { OpName } from './spec.js';

/** Every operation of the contract, by name. */
export const operations: Readonly<Record<OpName, Operation>> = {
  ...convolutionRules,
  ...matrixRules,
  ...poolingRules,
  ...pointwiseRules,
  ...trainingRules,
};
