/** Owns dropout: shapes, gradient rule. Formula: torch.nn.Dropout. */
import { f32, gradientValue, i32, likeInput, type Operation } from '../operation.js';

const dropoutAttrs = { p: 'number', seed: 'pair', stream: 'integer' } as const;

export const dropoutOps = {
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
} satisfies Record<string, Operation>;
