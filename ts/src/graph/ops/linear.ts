/** Owns the matrix operations: shapes, gradient rules. Formulas: torch.nn.Linear, BLAS gemm. */
import { ShapeError } from '../../errors.js';
import {
  booleanAttr,
  checkSameShape,
  f32,
  gradientValue,
  inputShape,
  type Operation,
  optionalF32,
} from '../operation.js';
import { at, checkRank, formatShape } from '../shapes.js';

export const linearOps = {
  linear: {
    inputs: [f32('x'), f32('w'), optionalF32('b')],
    outputs: [f32('y')],
    attrs: {},
    infer: (c) => {
      const [x, w, b] = [inputShape(c, 0), inputShape(c, 1), c.inputs[2]];
      checkRank(c.who, 'weight', w, ['out', 'in']);
      checkRank(c.who, 'input', x, ['N', `${at(w, 1)}`]);
      if (at(x, 1) !== at(w, 1)) {
        throw new ShapeError(
          `${c.who} expects ${at(w, 1)} features, got ${at(x, 1)} ` +
            `from input ${formatShape(c.origin(0))}`,
        );
      }
      if (b !== undefined) checkSameShape(c.who, 'bias', b.shape, [at(w, 0)]);
      return [{ dtype: 'f32', shape: [at(x, 0), at(w, 0)] }];
    },
    gradient: (c) => {
      const gy = gradientValue(c, 0);
      const [x, w, b] = c.inputs;
      if (gy === undefined || x === undefined || w === undefined) return;
      if (c.wants(0)) {
        const [gx] = c.emit('linearInputGrad', [gy, w], {}, [c.shapeOf(x)]);
        if (gx !== undefined) c.give(0, gx);
      }
      const wantsBias = b !== undefined && c.wants(2);
      if (!c.wants(1) && !wantsBias) return;
      const shapes = wantsBias ? [c.shapeOf(w), c.shapeOf(b)] : [c.shapeOf(w)];
      const [gw, gb] = c.emit('linearWeightGrad', [x, gy], {}, shapes);
      if (gw !== undefined && c.wants(1)) c.give(1, gw);
      if (gb !== undefined) c.give(2, gb);
    },
  },
  linearInputGrad: {
    inputs: [f32('gy'), f32('w')],
    outputs: [f32('gx')],
    attrs: {},
    infer: (c) => {
      const [gy, w] = [inputShape(c, 0), inputShape(c, 1)];
      checkRank(c.who, 'weight', w, ['out', 'in']);
      checkRank(c.who, 'gy', gy, ['N', 'out']);
      checkSameShape(c.who, 'gy', gy, [at(gy, 0), at(w, 0)]);
      return [{ dtype: 'f32', shape: [at(gy, 0), at(w, 1)] }];
    },
    gradient: null,
  },
  linearWeightGrad: {
    inputs: [f32('x'), f32('gy')],
    outputs: [f32('gw'), optionalF32('gb')],
    attrs: {},
    infer: (c) => {
      const [x, gy] = [inputShape(c, 0), inputShape(c, 1)];
      checkRank(c.who, 'input', x, ['N', 'in']);
      checkRank(c.who, 'gy', gy, ['N', 'out']);
      checkSameShape(c.who, 'gy', gy, [at(x, 0), at(gy, 1)]);
      return [
        { dtype: 'f32', shape: [at(gy, 1), at(x, 1)] },
        { dtype: 'f32', shape: [at(gy, 1)] },
      ];
    },
    gradient: null,
  },
  gemm: {
    inputs: [f32('a'), f32('b')],
    outputs: [f32('y')],
    attrs: { transposeA: 'boolean', transposeB: 'boolean', alpha: 'number' },
    infer: (c) => {
      const [a, b] = [inputShape(c, 0), inputShape(c, 1)];
      const [ta, tb] = [booleanAttr(c.attrs, 'transposeA'), booleanAttr(c.attrs, 'transposeB')];
      checkRank(c.who, 'a', a, ta ? ['K', 'M'] : ['M', 'K']);
      checkRank(c.who, 'b', b, tb ? ['N', 'K'] : ['K', 'N']);
      const [inner, other] = [at(a, ta ? 0 : 1), at(b, tb ? 1 : 0)];
      if (inner !== other) {
        throw new ShapeError(
          `${c.who} expects inner sizes that agree, got ${inner} from a ${formatShape(a)}` +
            `${ta ? ' transposed' : ''} and ${other} from b ${formatShape(b)}` +
            `${tb ? ' transposed' : ''}`,
        );
      }
      return [{ dtype: 'f32', shape: [at(a, ta ? 1 : 0), at(b, tb ? 0 : 1)] }];
    },
    gradient: (c) => {
      const gy = gradientValue(c, 0);
      const [a, b] = c.inputs;
      if (gy === undefined || a === undefined || b === undefined) return;
      const [ta, tb] = [booleanAttr(c.attrs, 'transposeA'), booleanAttr(c.attrs, 'transposeB')];
      const product = (input: 0 | 1, left: number, tl: boolean, right: number, tr: boolean) => {
        const shape = c.shapeOf(input === 0 ? a : b);
        const attrs = { ...c.attrs, transposeA: tl, transposeB: tr };
        const [gradient] = c.emit('gemm', [left, right], attrs, [shape]);
        if (gradient !== undefined) c.give(input, gradient);
      };
      // y = alpha A B gives gA = alpha gy B' and gB = alpha A' gy, each transposed where its
      // operand was.
      if (c.wants(0)) ta ? product(0, b, tb, gy, true) : product(0, gy, false, b, !tb);
      if (c.wants(1)) tb ? product(1, gy, true, a, ta) : product(1, a, !ta, gy, false);
    },
  },
} satisfies Record<string, Operation>;
