/**
 * Owns the activations and their gradients as single operations on host tensors, which follow from
 * the rows of graph/ops/pointwise.ts.
 */
import { type ActivationName, activationRows, type activations } from '../graph/ops/pointwise.js';
import { type OpOptions, single, splitOptions } from './run.js';
import type { FloatTensor } from './tensors.js';

/** The option that an activation takes, if its formula has a parameter. */
type Parameter<Name extends ActivationName> = (typeof activations)[Name] extends {
  parameter: { name: infer Option extends string };
}
  ? { [option in Option]?: number }
  : unknown;

/**
 * Each takes x of any shape and returns a tensor of the same.
 *
 * Errors: ArgumentError for what is no tensor, and for options unknown or out of range; ShapeError
 * for a shape that is not that of the values; DTypeError for another element type than f32.
 */
export type ActivationCalls = {
  readonly [Name in ActivationName]: (
    x: FloatTensor,
    options?: OpOptions & Parameter<Name>,
  ) => Promise<FloatTensor>;
};

/**
 * Each takes gy, the gradient with respect to the activation's output, and a tensor of its shape:
 * the activation's output y (of `relu`, for one), or its input x where the row says so. It returns the
 * gradient with respect to x. Errors: as the activation.
 */
export type ActivationGradCalls = {
  readonly [Name in ActivationName as `${Name}Grad`]: (
    gy: FloatTensor,
    known: FloatTensor,
    options?: OpOptions & Parameter<Name>,
  ) => Promise<FloatTensor>;
};

/** What is given, of whichever activation. */
type Options = OpOptions & { readonly [parameter: string]: unknown };

function calls(): ActivationCalls & ActivationGradCalls {
  const entries = activationRows().flatMap(([name, { gradientFrom, parameter }]) => {
    const run = async (
      op: ActivationName | `${ActivationName}Grad`,
      inputs: Record<string, FloatTensor>,
      options: Options = {},
    ) => {
      if (parameter === undefined) return single(op, inputs, options);
      const [own, common] = splitOptions(op, options, [parameter.name]);
      const value = (own[parameter.name] ?? parameter.default) as number;
      return single(op, inputs, common, { [parameter.name]: value });
    };
    const gradient = `${name}Grad` as const;
    return [
      [name, (x: FloatTensor, options?: Options) => run(name, { x }, options)],
      [
        gradient,
        (gy: FloatTensor, known: FloatTensor, options?: Options) =>
          run(gradient, { gy, [gradientFrom]: known }, options),
      ],
    ];
  });
  return Object.fromEntries(entries) as ActivationCalls & ActivationGradCalls;
}

/** The activations, by name. */
export const activationCalls = calls();
