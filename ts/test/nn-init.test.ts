/** nn.init: the same seed and the same calls give PyTorch's values. */
import { readFileSync } from 'node:fs';
import { ArgumentError, manualSeed, models, nn, ShapeError } from 'neuronode';
import { describe, expect, test } from 'vitest';
import { BackgroundGenerator } from '../../dist/random/generator.js';
import { type Distribution, RandomStream } from '../../dist/random/stream.js';

interface Call {
  name: 'normal_';
  shape: number[];
  args: number[];
  values: Record<string, number>;
  sum: number;
}

const fixture = JSON.parse(
  readFileSync(new URL('fixtures/nn-init.json', import.meta.url), 'utf8'),
) as { seed: number; calls: Call[] };

const parameter = (...shape: number[]) =>
  new nn.Parameter(new Float32Array(shape.reduce((product, size) => product * size, 1)), shape);

/** As PyTorch's, in `worst` standard deviations of the values of the fixture. */
function expectValues({ name, args, values, sum }: Call, data: Float32Array): void {
  const entries = Object.entries(values);
  const range = Math.max(...entries.map(([, value]) => Math.abs(value)));
  const isExact = /uniform|constant|zeros|ones/i.test(name);
  const tolerance = isExact ? 0 : 1.5e-6 * range;
  for (const [place, value] of entries) {
    const difference = Math.abs(data[Number(place)]! - value);
    expect(difference, `${name}(${JSON.stringify(args)}) at ${place}`).toBeLessThanOrEqual(
      tolerance,
    );
  }
  const total = data.reduce((before, value, i) => before + value * ((i % 7) - 3), 0);
  // Rounding errors of so many elements, which do not all point the same way.
  expect(Math.abs(total - sum)).toBeLessThanOrEqual((tolerance + 1e-12) * Math.sqrt(data.length));
}

describe("nn.init draws PyTorch's values", () => {
  test('each from a parameter of its own', () => {
    manualSeed(fixture.seed);
    for (const call of fixture.calls) {
      const tensor = parameter(...call.shape);
      expect(nn.init[call.name](tensor, ...call.args)).toBe(tensor);
      expectValues(call, tensor.data);
    }
  });

  test('read when all are asked for', () => {
    manualSeed(fixture.seed);
    const tensors = fixture.calls.map(({ name, shape, args }) => {
      // A layer's weight, which no user has seen.
      const [outputs = 1, ...inputs] = shape;
      const size = inputs.reduce((product, each) => product * each, 1);
      const { weight } = nn.skipInit(() => new nn.Linear(size, outputs));
      if (shape.length !== 2) Object.defineProperty(weight, 'shape', { value: shape });
      return nn.init[name](weight, ...args);
    });
    for (const [i, tensor] of tensors.entries()) expectValues(fixture.calls[i]!, tensor.data);
  });
});

describe('new values', () => {
  const size = 70_000;
  const drawn = (seed: number) => {
    const values = new Float32Array(size);
    new RandomStream(seed).fill(values, { kind: 'normal', mean: 0, std: 1 });
    return values;
  };

  test('come in the array that the user has', () => {
    const tensor = parameter(size);
    const { data } = tensor;
    manualSeed(1);
    nn.init.normal_(tensor);
    expect(data).toEqual(drawn(1));
    nn.init.ones_(tensor);
    expect(data.every((value) => value === 1)).toBe(true);
    expect(tensor.data).toBe(data);
  });

  test('come in place of those that are still on their way, of the same seed or another', () => {
    manualSeed(2);
    const [first, second, third] = [0, 1, 2].map(() => new nn.Linear(size, 1));
    nn.init.normal_(first!.weight);
    nn.init.zeros_(second!.weight);
    manualSeed(3);
    nn.init.normal_(third!.weight);
    expect(third!.weight.data).toEqual(drawn(3));
    expect(second!.weight.data.every((value) => value === 0)).toBe(true);
    manualSeed(2);
    for (let i = 0; i < 3; i++) new nn.Linear(size, 1);
    const wanted = nn.init.normal_(parameter(size)).data;
    expect(first!.weight.data).toEqual(wanted);
  });

  test('are not what a small array of another seed gets over them', async () => {
    manualSeed(4);
    const { weight } = new nn.Linear(10, 10);
    const large = new nn.Linear(size, 1).weight;
    const { bias } = new nn.Linear(1, 10);
    manualSeed(5);
    nn.init.uniform_(bias!);
    const kept = new Float32Array(10);
    new RandomStream(5).fill(kept, { kind: 'uniform', from: 0, to: 1 });
    await Promise.resolve();
    expect(large.data).toHaveLength(size);
    expect(weight.data).toHaveLength(100);
    expect(bias!.data).toEqual(kept);
  });

  test('may be given to a buffer of floats', () => {
    class Scale extends nn.Module {
      readonly statistics = this.registerBuffer('statistics', {
        data: new Float32Array(3),
        shape: [3],
      });
      readonly counts = this.registerBuffer('counts', { data: new Int32Array(3), shape: [3] });
      override forward = () => {
        throw new Error('not called');
      };
    }
    const { statistics, counts } = new Scale();
    expect([...nn.init.constant_(statistics, 0.5).data]).toEqual([0.5, 0.5, 0.5]);
    expect(() => nn.init.ones_(counts as never)).toThrow(
      'ones_ expects a parameter or a buffer of floats, got Buffer',
    );
  });
});

test('skipInit draws nothing and leaves zeros', () => {
  manualSeed(7);
  const wanted = new nn.Linear(3, 3).weight.data;
  manualSeed(7);
  const skipped = nn.skipInit(() => models.lenet());
  for (const { data } of skipped.parameters())
    expect(data.every((value) => value === 0)).toBe(true);
  expect(new nn.Linear(3, 3).weight.data).toEqual(wanted);
  expect(() =>
    nn.skipInit(() => {
      throw new RangeError('of the user');
    }),
  ).toThrow('of the user');
  expect(new nn.Linear(3, 3).weight.data.some((value) => value !== 0)).toBe(true);
});

describe('the native stream and the one here give the same bits', () => {
  const distributions: Distribution[] = [
    { kind: 'normal', mean: 0.3, std: 0.7 },
    { kind: 'uniform', from: 0.9, to: 1 },
    { kind: 'truncatedNormal', mean: 0, std: 1, from: -1, to: 2, byNormals: true },
    { kind: 'truncatedNormal', mean: 0, std: 1, from: 1, to: 3, byNormals: false },
  ];
  test.each(distributions)('$kind', async (distribution) => {
    // The first is drawn here by either; a normal number that is left over goes along.
    const lengths = [3, 70_001, 7, 0, 16, 31];
    const [background, local] = [new BackgroundGenerator(11), new RandomStream(11)];
    const single: Distribution = { kind: 'normal', mean: 0, std: 1 };
    const one = new Float32Array(1);
    background.fill(one, single);
    local.fill(one, single);
    for (const length of lengths) {
      const [array, wanted] = [new Float32Array(length), new Float32Array(length)];
      await background.fill(array, distribution)?.done;
      local.fill(wanted, distribution);
      expect(Buffer.compare(Buffer.from(array.buffer), Buffer.from(wanted.buffer))).toBe(0);
    }
  });
});

describe('gains', () => {
  test("are PyTorch's", () => {
    const { calculateGain } = nn.init;
    expect(calculateGain('linear')).toBe(1);
    expect(calculateGain('conv2d')).toBe(1);
    expect(calculateGain('sigmoid')).toBe(1);
    expect(calculateGain('tanh')).toBe(5 / 3);
    expect(calculateGain('relu')).toBe(Math.SQRT2);
    expect(calculateGain('leakyRelu')).toBeCloseTo(1.4141428569978354, 15);
    expect(calculateGain('leakyRelu', 0.2)).toBeCloseTo(1.3867504905630728, 15);
    expect(calculateGain('selu')).toBe(0.75);
  });
});

describe('bad arguments', () => {
  const { init } = nn;
  const weight = parameter(4, 4);
  test.each<[string, () => unknown, new (message: string) => Error]>([
    ['uniform_ expects a parameter', () => init.uniform_([1] as never), ArgumentError],
    [
      'uniform_ expects b to be a number, at least 1',
      () => init.uniform_(weight, 1, 0),
      ArgumentError,
    ],
    [
      'normal_ expects std to be a number, at least 0',
      () => init.normal_(weight, 0, -1),
      ArgumentError,
    ],
    ['normal_ expects mean to be', () => init.normal_(weight, Number.NaN), ArgumentError],
    [
      'truncNormal_ expects a to be a number, below 1',
      () => init.truncNormal_(weight, 0, 1, 1, 1),
      ArgumentError,
    ],
    ['truncNormal_ expects std to be', () => init.truncNormal_(weight, 0, 0), ArgumentError],
    [
      'truncNormal_ expects an interval',
      () => init.truncNormal_(weight, 0, 0.1, 2, 3),
      ArgumentError,
    ],
    ['constant_ expects value to be', () => init.constant_(weight, '1' as never), ArgumentError],
    [
      'kaimingNormal_ expects mode to be one of',
      () => init.kaimingNormal_(weight, { mode: 'fan_in' as never }),
      ArgumentError,
    ],
    [
      'kaimingUniform_ has no option',
      () => init.kaimingUniform_(weight, { slope: 1 } as never),
      ArgumentError,
    ],
    [
      'xavierUniform_ expects a weight of 2 or more axes',
      () => init.xavierUniform_(parameter(4)),
      ShapeError,
    ],
    ['xavierNormal_ expects gain', () => init.xavierNormal_(weight, -1), ArgumentError],
    [
      'calculateGain expects nonlinearity',
      () => init.calculateGain('cubic' as never),
      ArgumentError,
    ],
  ])('%s', (message, call, type) => {
    expect(call).toThrow(message);
    expect(call).toThrow(type);
    expect(weight.data.every((value) => value === 0)).toBe(true);
  });
});
