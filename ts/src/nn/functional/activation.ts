/** Owns the stateless forms of the activations, which follow from the rows of the operations. */
import { checkNumber } from '../../arguments.js';
import {
  type ActivationName,
  activationRows,
  type activations,
} from '../../graph/ops/pointwise.js';
import { first, type Tensor } from '../../graph/tensor.js';
import { asTensor } from '../../graph/trace.js';

/** What a function takes beside x: its formula's parameter, if it has one. */
type Parameters<Name extends ActivationName> = (typeof activations)[Name] extends {
  parameter: unknown;
}
  ? [parameter?: number]
  : [];

/** Each takes x of any shape; ArgumentError for what is no tensor. */
export type ActivationFunctions = {
  readonly [Name in ActivationName]: (x: Tensor, ...parameters: Parameters<Name>) => Tensor;
};

function functions(): ActivationFunctions {
  const entries = activationRows().map(([name, { parameter }]) => {
    const apply = (x: Tensor, value: number | undefined = parameter?.default): Tensor => {
      const input = asTensor(name, x);
      const attrs =
        parameter === undefined
          ? {}
          : { [parameter.name]: checkNumber(name, parameter.name, value) };
      return first(input.tracer.record(name, [input], attrs));
    };
    return [name, apply];
  });
  return Object.fromEntries(entries) as ActivationFunctions;
}

/** The activations, by name. */
export const activationFunctions = functions();
