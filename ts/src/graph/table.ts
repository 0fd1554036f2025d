/**
 * Owns the one table of operations: the families of ops/ joined. The names of the contract are its
 * keys, so that an operation is named where it is declared.
 */
import { show } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import type { Operation } from './operation.js';
import { batchNormOps } from './ops/batch-norm.js';
import { conversionOps } from './ops/conversion.js';
import { convolutionOps } from './ops/convolution.js';
import { dropoutOps } from './ops/dropout.js';
import { groupNormOps } from './ops/group-norm.js';
import { joiningOps } from './ops/joining.js';
import { linearOps } from './ops/linear.js';
import { lossOps } from './ops/loss.js';
import { normalisationOps } from './ops/normalisation.js';
import { optimizerOps } from './ops/optimizer.js';
import { pointwiseOps } from './ops/pointwise.js';
import { poolingOps } from './ops/pooling.js';
import { reductionOps } from './ops/reduction.js';
import { resamplingOps } from './ops/resampling.js';
import { reshapeOps } from './ops/reshape.js';
import { softmaxOps } from './ops/softmax.js';

const families = {
  ...conversionOps,
  ...convolutionOps,
  ...linearOps,
  ...poolingOps,
  ...batchNormOps,
  ...pointwiseOps,
  ...dropoutOps,
  ...reshapeOps,
  ...joiningOps,
  ...reductionOps,
  ...normalisationOps,
  ...groupNormOps,
  ...resamplingOps,
  ...softmaxOps,
  ...lossOps,
  ...optimizerOps,
};

/** Name of an operation of the contract. */
export type OpName = keyof typeof families;

/** Every operation of the contract, by name. */
export const operations: Readonly<Record<OpName, Operation>> = families;

/** @throws ArgumentError where there is no operation of this name. */
export function operationOf(name: unknown): Operation {
  if (typeof name === 'string' && Object.hasOwn(operations, name)) {
    return operations[name as OpName];
  }
  const names = Object.keys(operations).join(', ');
  throw new ArgumentError(`there is no operation ${show(name)}; there are ${names}`);
}
