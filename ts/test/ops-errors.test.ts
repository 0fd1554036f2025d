/** What single operations refuse, before any work, and what happens to the calls that follow. */
import { ArgumentError, DTypeError, ops, ShapeError } from 'neuronode';
import { afterAll, describe, expect, it } from 'vitest';
import { hashAt } from './op-cases.js';

afterAll(() => ops.clearCache());

function tensor(key: string, ...shape: number[]): ops.FloatTensor {
  const length = shape.reduce((product, size) => product * size, 1);
  return { data: Float32Array.from({ length }, (_, i) => hashAt(key, i) / 2 ** 31 - 1), shape };
}

const int = (...values: number[]) => ({ data: Int32Array.from(values), shape: [values.length] });
const x = tensor('x', 2, 4, 7, 6);
const w = tensor('w', 6, 2, 3, 2);
const b = tensor('b', 6);
const convOptions = { stride: [2, 1], padding: 1, groups: 2 } as const;
const rows = tensor('rows', 3, 5);
const weight = tensor('weight', 4, 5);

describe('checks of single operations', () => {
  const any = <T>(value: unknown) => value as T;

  it.each<[string, unknown, string, () => Promise<unknown>]>([
    [
      'channels',
      ShapeError,
      'conv2d expects 4 input channels, got 2',
      () => ops.conv2d(tensor('y', 1, 2, 4, 4), tensor('w', 1, 4, 1, 1)),
    ],
    [
      'values for the shape',
      ShapeError,
      'x of shape [3] to have 3 values, got 2',
      () => ops.relu({ data: new Float32Array(2), shape: [3] }),
    ],
    [
      'element types',
      DTypeError,
      'relu expects x of type f32, got i32',
      () => ops.relu(any(int(1, 2))),
    ],
    [
      'no tensor',
      ArgumentError,
      'relu expects x to be { data, shape }',
      () => ops.relu(any([1, 2])),
    ],
    [
      'no input',
      ArgumentError,
      'relu expects the input x, got undefined',
      () => ops.relu(any(undefined)),
    ],
    [
      'a shape that is no list',
      ArgumentError,
      'x.shape to be an array',
      () => ops.relu(any({ data: new Float32Array(1), shape: 1 })),
    ],
    ['inner sizes', ShapeError, 'inner sizes that agree, got 5', () => ops.gemm(rows, weight)],
    [
      'the gradient of another output',
      ShapeError,
      'gy of shape [2, 6, 4, 7], got [3, 5]',
      () => ops.conv2dInputGrad(rows, w, x.shape, convOptions),
    ],
    [
      'indices of another shape',
      ShapeError,
      'indices of shape',
      () =>
        ops.maxPool2dGrad(
          tensor('g', 1, 1, 2, 2),
          { data: new Uint8Array(2), shape: [1, 1, 1, 2] },
          [1, 1, 4, 4],
          2,
        ),
    ],
    [
      'labels of another count',
      ShapeError,
      'labels of shape [3], got [2]',
      () => ops.softmaxCrossEntropy(rows, int(1, 2)),
    ],
    [
      'labels out of range',
      ArgumentError,
      'label',
      () => ops.softmaxCrossEntropy(rows, int(1, 2, 5)),
    ],
    [
      'a step of 0',
      ArgumentError,
      'step to be an integer of at least 1',
      () => ops.sgdStep({ p: rows, g: rows }, { step: 0 }),
    ],
    [
      'momentum without its buffer',
      ArgumentError,
      'momentumBuffer exactly where',
      () => ops.sgdStep({ p: rows, g: rows }, { step: 1, momentum: 0.9 }),
    ],
    [
      'unknown options',
      ArgumentError,
      "no option 'strides'",
      () => ops.conv2d(x, w, b, any({ strides: 2 })),
    ],
    [
      'a reduction',
      ArgumentError,
      'reduction to be 0 or 1',
      () => ops.softmaxCrossEntropy(rows, int(1, 2, 3), any({ reduction: 'none' })),
    ],
    [
      'an unknown operation',
      ArgumentError,
      "no operation 'conv3d'",
      () => ops.run(any('conv3d'), {}),
    ],
    [
      'an unknown input',
      ArgumentError,
      "no option 'y'",
      () => ops.run('relu', any({ x: rows, y: rows })),
    ],
    [
      'an unknown attribute',
      ArgumentError,
      'no attribute slope',
      () => ops.run('relu', { x: rows }, { slope: 1 }),
    ],
    [
      'an output shape that is open',
      ArgumentError,
      'shape of output 0 to be declared',
      () => ops.run('reshape', { x: rows }),
    ],
    ['a device that is no device', ArgumentError, 'tpu', () => ops.relu(rows, { device: 'tpu' })],
  ])('%s', async (_title, type, message, call) => {
    const error = await call().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(type);
    expect((error as Error).message).toContain(message);
  });

  it('a failed call leaves the next one alone, and the cache can be cleared', async () => {
    await expect(ops.softmaxCrossEntropy(rows, int(1, 2, 9))).rejects.toThrow();
    const { loss } = await ops.softmaxCrossEntropy(rows, int(1, 2, 3));
    expect(loss).toBeGreaterThan(0);
    await ops.clearCache();
    expect((await ops.softmaxCrossEntropy(rows, int(1, 2, 3))).loss).toBe(loss);
  });

  it('more shapes than the cache holds, at the same time', async () => {
    const results = await Promise.all(
      Array.from({ length: 20 }, (_, index) => ops.relu(tensor('many', 1 + (index % 12), 3))),
    );
    expect(results.map(({ shape }) => shape[0])).toEqual(
      Array.from({ length: 20 }, (_, index) => 1 + (index % 12)),
    );
  });
});
