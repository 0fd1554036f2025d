/**
 * Owns the declarations of the operations that work element by element, and of reshape.
 * Formulas: torch.relu, torch.sigmoid, torch.nn.Dropout, torchvision's ToTensor and Normalize.
 */
import { ShapeError } from '../../errors.js';
import {
  checkSameShape,
  declaredShape,
  f32,
  type GradientContext,
  gradientValue,
  i32,
  inputShape,
  numbersAttr,
  type Operation,
  type ShapeContext,
  type TensorType,
} from '../operation.js';
import { at, checkRank, elementCount, formatShape } from '../shapes.js';
import type { OpName } from '../spec.js';

const dropoutAttrs = { p: 'number', seed: 'pair', stream: 'integer' } as const;

function likeInput(context: ShapeContext): TensorType[] {
  return [{ dtype: 'f32', shape: inputShape(context, 0) }];
}

function likeBoth(context: ShapeContext, name: string): TensorType[] {
  checkSameShape(context.who, name, inputShape(context, 1), inputShape(context, 0));
  return likeInput(context);
}

/** Gradient of an activation, worked out from the activation's output. */
function activationGradient(op: OpName): (context: GradientContext) => void {
  return (c) => {
    const gy = gradientValue(c, 0);
    const [y] = c.outputs;
    if (gy === undefined || y === undefined || !c.wants(0)) return;
    const [gx] = c.emit(op, [gy, y], {}, [c.shapeOf(y)]);
    if (gx !== undefined) c.give(0, gx);
  };
}

export const pointwiseRules = {
  toFloat: {
    inputs: [{ name: 'x', dtypes: ['u8'] }],
    outputs: [f32('y')],
    attrs: { mean: 'numbers', std: 'numbers' },
    infer: (c) => {
      const x = inputShape(c, 0);
      checkRank(c.who, 'input', x, ['N', 'C', 'H', 'W']);
      for (const name of ['mean', 'std']) {
        const count = numbersAttr(c.attrs, name).length;
        if (count !== at(x, 1)) {
          throw new ShapeError(
            `${c.who} expects ${name} to have one number for each of the ${at(x, 1)} channels ` +
              `of ${formatShape(x)}, got ${count}`,
          );
        }
      }
      return likeInput(c);
    },
    gradient: null,
  },
  relu: {
    inputs: [f32('x')],
    outputs: [f32('y')],
    attrs: {},
    infer: likeInput,
    gradient: activationGradient('reluGrad'),
  },
  reluGrad: {
    inputs: [f32('gy'), f32('y')],
    outputs: [f32('gx')],
    attrs: {},
    infer: (c) => likeBoth(c, 'y'),
    gradient: null,
  },
  sigmoid: {
    inputs: [f32('x')],
    outputs: [f32('y')],
    attrs: {},
    infer: likeInput,
    gradient: activationGradient('sigmoidGrad'),
  },
  sigmoidGrad: {
    inputs: [f32('gy'), f32('y')],
    outputs: [f32('gx')],
    attrs: {},
    infer: (c) => likeBoth(c, 'y'),
    gradient: null,
  },
  dropout: {
    inputs: [f32('x'), i32('step')],
    outputs: [f32('y')],
    attrs: dropoutAttrs,
    infer: likeInput,
    gradient: (c) => {
      const gy = gradientValue(c, 0);
      const [x, step] = c.inputs;
      if (gy === undefined || x === undefined || step === undefined || !c.wants(0)) return;
      const [gx] = c.emit('dropoutGrad', [gy, step], c.attrs, [c.shapeOf(x)]);
      if (gx !== undefined) c.give(0, gx);
    },
  },
  dropoutGrad: {
    inputs: [f32('gy'), i32('step')],
    outputs: [f32('gx')],
    attrs: dropoutAttrs,
    infer: likeInput,
    gradient: null,
  },
  reshape: {
    inputs: [f32('x')],
    outputs: [f32('y')],
    attrs: {},
    infer: (c) => {
      const [x, shape] = [inputShape(c, 0), declaredShape(c, 0)];
      if (elementCount(x) !== elementCount(shape)) {
        throw new ShapeError(
          `${c.who} cannot turn ${formatShape(x)} (${elementCount(x)} elements) ` +
            `into ${formatShape(shape)}`,
        );
      }
      return [{ dtype: 'f32', shape }];
    },
    gradient: (c) => {
      const gy = gradientValue(c, 0);
      const [x] = c.inputs;
      if (gy === undefined || x === undefined || !c.wants(0)) return;
      const [gx] = c.emit('reshape', [gy], {}, [c.shapeOf(x)]);
      if (gx !== undefined) c.give(0, gx);
    },
  },
  add: {
    inputs: [f32('a'), f32('b')],
    outputs: [f32('y')],
    attrs: {},
    infer: (c) => likeBoth(c, 'b'),
    // A sum of losses passes the loss's own gradient on, so this rule alone accepts 'one'.
    gradient: (c) => {
      const gy = c.gradOf(0);
      if (gy === undefined) return;
      if (c.wants(0)) c.give(0, gy);
      if (c.wants(1)) c.give(1, gy);
    },
  },
} satisfies Record<string, Operation>;
