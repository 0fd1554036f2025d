/**
 * Owns the operations that work element by element. An activation is one row of `activations`: it
 * declares the operation `<name>` and its gradient operation `<name>Grad`, whose formulas are
 * native code's (native/src/math/activation.h); `ops.<name>`, `ops.<name>Grad` and
 * `nn.functional.<name>` follow from the row.
 */
import { ShapeError } from '../../errors.js';
import {
  emitOne,
  f32,
  type GradientContext,
  gradientValue,
  inputShape,
  likeBoth,
  likeInput,
  type Operation,
  scaled,
} from '../operation.js';
import { broadcastShape, formatShape, sameShape } from '../shapes.js';

/** What there is to say of an activation. */
export interface Activation {
  /** What its gradient is worked out from beside gy: its input x or its output y. */
  readonly gradientFrom: 'x' | 'y';
  /** The one number that its formula takes, if any: an attribute of that name. */
  readonly parameter?: { readonly name: string; readonly default: number };
}

export const activations = {
  /** max(x, 0), element by element; torch.relu. Input of any shape, output of the same. */
  relu: { gradientFrom: 'y' },
  /** min(max(x, 0), 6), element by element; torch.nn.functional.relu6. */
  relu6: { gradientFrom: 'y' },
  /** x, or negativeSlope x where x is not positive, element by element; torch.nn.functional.leaky_relu. */
  leakyRelu: { gradientFrom: 'x', parameter: { name: 'negativeSlope', default: 0.01 } },
  /** x, or alpha (exp(x) - 1) where x is not positive, element by element; torch.nn.functional.elu. */
  elu: { gradientFrom: 'x', parameter: { name: 'alpha', default: 1 } },
  /** 1 / (1 + exp(-x)), element by element; torch.sigmoid. Input of any shape, output of the same. */
  sigmoid: { gradientFrom: 'y' },
  /** tanh(x), element by element; torch.tanh. */
  tanh: { gradientFrom: 'y' },
  /** x / (1 + exp(-x)), element by element; torch.nn.functional.silu. */
  silu: { gradientFrom: 'x' },
  /** x (1 + erf(x / sqrt(2))) / 2, element by element; torch.nn.functional.gelu. */
  gelu: { gradientFrom: 'x' },
  /** x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2, element by element; torch.nn.functional.gelu with approximate='tanh'. */
  geluTanh: { gradientFrom: 'x' },
  /** log(1 + exp(beta x)) / beta, x itself where beta x is above 20, element by element; torch.nn.functional.softplus. */
  softplus: { gradientFrom: 'x', parameter: { name: 'beta', default: 1 } },
  /** min(max(x + 3, 0), 6) / 6, element by element; torch.nn.functional.hardsigmoid. */
  hardsigmoid: { gradientFrom: 'x' },
  /** x min(max(x + 3, 0), 6) / 6, element by element; torch.nn.functional.hardswish. */
  hardswish: { gradientFrom: 'x' },
  /** e^x, element by element; torch.exp. */
  exp: { gradientFrom: 'y' },
  /** Natural logarithm, element by element; torch.log. */
  log: { gradientFrom: 'x' },
  /** Square root, element by element; torch.sqrt. */
  sqrt: { gradientFrom: 'y' },
  /** 1 / sqrt(x), element by element; torch.rsqrt. */
  rsqrt: { gradientFrom: 'y' },
  /** x^2, element by element; torch.square. */
  square: { gradientFrom: 'x' },
  /** |x|, element by element; torch.abs. */
  abs: { gradientFrom: 'x' },
  /** -x, element by element; torch.neg. */
  neg: { gradientFrom: 'y' },
} as const satisfies Record<string, Activation>;

/** Name of an activation. */
export type ActivationName = keyof typeof activations;

/** The rows, each with its name. */
export function activationRows(): [ActivationName, Activation][] {
  return Object.entries(activations) as [ActivationName, Activation][];
}

type ActivationOp = ActivationName | `${ActivationName}Grad`;

function activation(
  name: ActivationName,
  { gradientFrom, parameter }: Activation,
): [string, Operation][] {
  const attrs: Operation['attrs'] = parameter === undefined ? {} : { [parameter.name]: 'number' };
  const gradientOp = `${name}Grad` as const;
  const forward: Operation = {
    inputs: [f32('x')],
    outputs: [f32('y')],
    attrs,
    infer: likeInput,
    gradient: (c: GradientContext): void => {
      const gy = gradientValue(c, 0);
      const [known] = gradientFrom === 'x' ? c.inputs : c.outputs;
      if (gy === undefined || known === undefined || !c.wants(0)) return;
      const [gx] = c.emit(gradientOp, [gy, known], c.attrs, [c.shapeOf(known)]);
      if (gx !== undefined) c.give(0, gx);
    },
  };
  const backward: Operation = {
    inputs: [f32('gy'), f32(gradientFrom)],
    outputs: [f32('gx')],
    attrs,
    infer: (c) => likeBoth(c, gradientFrom),
    gradient: null,
  };
  return [
    [name, forward],
    [gradientOp, backward],
  ];
}

function activationOps(): Record<ActivationOp, Operation> {
  const entries = activationRows().flatMap(([name, row]) => activation(name, row));
  return Object.fromEntries(entries) as Record<ActivationOp, Operation>;
}

/** y = a op b; what has axes of 1 is repeated along the other's. */
function arithmetic(
  gradient: (c: GradientContext, gy: number, a: number, b: number, y: number) => void,
): Operation {
  return {
    inputs: [f32('a'), f32('b')],
    outputs: [f32('y')],
    attrs: {},
    infer: (c) => {
      const [a, b] = [inputShape(c, 0), inputShape(c, 1)];
      const shape = broadcastShape(c.who, a, b);
      if (a.length !== b.length) {
        throw new ShapeError(
          `${c.who} expects as many axes in a as in b, got ${formatShape(a)} and ${formatShape(b)}`,
        );
      }
      return [{ dtype: 'f32', shape }];
    },
    gradient: (c) => {
      const gy = gradientValue(c, 0);
      const [[a, b], [y]] = [c.inputs, c.outputs];
      if (gy === undefined || a === undefined || b === undefined || y === undefined) return;
      gradient(c, gy, a, b, y);
    },
  };
}

/** a op b as a backward operation. */
function combined(c: GradientContext, op: 'mul' | 'div', a: number, b: number): number {
  return emitOne(c, op, [a, b], {}, broadcastShape(op, c.shapeOf(a), c.shapeOf(b)));
}

/**
 * Adds the gradient with respect to an input if it is wanted: what `made` gives for the output's
 * shape, summed over the axes along which the input was repeated, then `last`.
 */
function giveSummed(
  c: GradientContext,
  input: number,
  made: () => number,
  last: (sum: number) => number = (sum) => sum,
): void {
  const id = c.inputs[input];
  if (id === undefined || !c.wants(input)) return;
  const [gradient, shape] = [made(), c.shapeOf(id)];
  const isWhole = sameShape(c.shapeOf(gradient), shape);
  c.give(input, last(isWhole ? gradient : emitOne(c, 'sum', [gradient], { mean: false }, shape)));
}

export const pointwiseOps = {
  ...activationOps(),
  add: arithmetic((c) => {
    // A sum of losses passes the loss's own gradient on, so this rule accepts 'one' as well.
    const gy = c.gradOf(0);
    for (const input of [0, 1]) {
      if (gy === 'one' && c.wants(input)) c.give(input, gy);
      else if (gy !== undefined && gy !== 'one') giveSummed(c, input, () => gy);
    }
  }),
  sub: arithmetic((c, gy) => {
    giveSummed(c, 0, () => gy);
    giveSummed(
      c,
      1,
      () => gy,
      (sum) => scaled(c, sum, -1),
    );
  }),
  mul: arithmetic((c, gy, a, b) => {
    giveSummed(c, 0, () => combined(c, 'mul', gy, b));
    giveSummed(c, 1, () => combined(c, 'mul', gy, a));
  }),
  div: arithmetic((c, gy, _a, b, y) => {
    giveSummed(c, 0, () => combined(c, 'div', gy, b));
    // The gradient with respect to b is -gy y / b.
    giveSummed(
      c,
      1,
      () => combined(c, 'div', combined(c, 'mul', gy, y), b),
      (sum) => scaled(c, sum, -1),
    );
  }),
} satisfies Record<string, Operation>;
