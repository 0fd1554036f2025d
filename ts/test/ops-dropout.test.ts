/**
 * Dropout by its properties, on the rows of op-cases.json: PyTorch draws other numbers, so there is
 * no reference for the masks themselves.
 */
import type { ops } from 'neuronode';
import { describe, expect, it } from 'vitest';
import { deviceOps } from './device.js';
import { floats, type OpCase, opCases } from './op-cases.js';

interface Attrs {
  p: number;
  seed: [number, number];
  stream: number;
  step: number;
}

function setUp(opCase: OpCase) {
  const { p, step, ...options } = opCase.attrs as unknown as Attrs;
  const shape = opCase.shapes.x!;
  // No zeros, so that a zero in the output is a dropped element.
  const data = floats(opCase, 'x').map((value) => (value === 0 ? 0.5 : value));
  return { p, step, options, x: { data, shape } };
}

const maskOf = (tensor: ops.FloatTensor) => Array.from(tensor.data, (value) => value !== 0);

function disagreement(a: boolean[], b: boolean[]): number {
  return a.filter((value, index) => value !== b[index]).length / a.length;
}

describe.each(opCases().filter(({ op }) => op === 'dropout'))('$id', (opCase) => {
  const { p, step, options, x } = setUp(opCase);

  it('drops a share of p and scales the rest by 1 / (1 - p)', async () => {
    const y = await deviceOps.dropout(x, p, step, options);
    expect(y.shape).toEqual(x.shape);
    const kept = maskOf(y);
    const share = kept.filter((isKept) => !isKept).length / kept.length;
    const sigma = Math.sqrt((p * (1 - p)) / kept.length);
    expect(Math.abs(share - p)).toBeLessThan(4 * sigma);
    for (const [index, value] of y.data.entries()) {
      if (value !== 0) expect(value / x.data[index]!).toBeCloseTo(1 / (1 - p), 6);
    }
  });

  it('gives the gradient the same mask and scale', async () => {
    const ones = { data: new Float32Array(x.data.length).fill(1), shape: x.shape };
    const y = await deviceOps.dropout(ones, p, step, options);
    expect(maskOf(y)).toEqual(maskOf(await deviceOps.dropout(x, p, step, options)));
    expect((await deviceOps.dropoutGrad(ones, p, step, options)).data).toEqual(y.data);
  });

  it('has the same mask again, and an independent one for another step, seed or stream', async () => {
    const { seed, stream } = options;
    const first = maskOf(await deviceOps.dropout(x, p, step, options));
    expect(maskOf(await deviceOps.dropout(x, p, step, options))).toEqual(first);
    const others = [
      await deviceOps.dropout(x, p, step + 1, options),
      await deviceOps.dropout(x, p, step, { seed: [seed[0] + 1, seed[1]], stream }),
      await deviceOps.dropout(x, p, step, { seed: [seed[0], seed[1] + 1], stream }),
      await deviceOps.dropout(x, p, step, { seed, stream: stream + 1 }),
    ];
    const expected = 2 * p * (1 - p); // of two independent masks
    for (const other of others) {
      expect(Math.abs(disagreement(first, maskOf(other)) - expected)).toBeLessThan(0.05);
    }
  });
});
