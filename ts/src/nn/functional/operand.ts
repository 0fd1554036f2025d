/** Owns what stands for a tensor in a stateless form: a tensor, a parameter or a buffer. */
import type { Tensor } from '../../graph/tensor.js';
import { asTensor } from '../../graph/trace.js';
import { Buffer } from '../buffer.js';
import { Parameter } from '../parameter.js';

/** A tensor, or a parameter or buffer of a registered module. */
export type Operand = Tensor | Parameter | Buffer;

/** The tensors of an operand; none where it is not given. */
export function operand(who: string, x: Tensor, value: Operand | null | undefined): Tensor[] {
  if (value === undefined || value === null) return [];
  if (value instanceof Parameter) return [x.tracer.parameter(value)];
  if (value instanceof Buffer) return [x.tracer.buffer(value)];
  return [asTensor(who, value)];
}
