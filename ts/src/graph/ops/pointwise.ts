/**
 * Owns the operations that work element by element. An activation is one row of `activations`: it
 * declares the operation `<name>` and its gradient operation `<name>Grad`, whose formulas are
 * native code's (native/src/math/activation.h); `ops.<name>`, `ops.<name>Grad` and
 * `nn.functional.<name>` follow from the row.
 */
import {
  f32,
  type GradientContext,
  gradientValue,
  likeBoth,
  likeInput,
  type Operation,
} from '../operation.js';

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
  /** 1 / (1 + exp(-x)), element by element; torch.sigmoid. Input of any shape, output of the same. */
  sigmoid: { gradientFrom: 'y' },
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

export const pointwiseOps = {
  ...activationOps(),
  add: {
    inputs: [f32('a'), f32('b')],
    outputs: [f32('y')],
    attrs: {},
    infer: (c) => likeBoth(c, 'b'),
    // A sum of losses passes the loss's own gradient on, so this rule accepts 'one' as well.
    gradient: (c) => {
      const gy = c.gradOf(0);
      if (gy === undefined) return;
      if (c.wants(0)) c.give(0, gy);
      if (c.wants(1)) c.give(1, gy);
    },
  },
} satisfies Record<string, Operation>;
