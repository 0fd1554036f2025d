/**
 * The losses as modules: a step of a trainer against the same graph in float64, for a whole batch and
 * a padded one, and what they refuse.
 */
import { ArgumentError, type LabelledBatch, nn, optim, ShapeError, type Tensor } from 'neuronode';
import { describe, expect, test } from 'vitest';
// Inside view: the graphs.
import { evalGraph, trainGraph } from '../../dist/program/graphs.js';
import { hashAt } from './op-cases.js';
import { ReferenceProgram } from './reference/interpreter.js';
import { makeTrainer } from './trainer-support.js';

const { functional } = nn;
const images = { batchSize: 4, shape: [1, 1, 2], dtype: 'f32' } as const;
const lr = 0.25;

/** [N, 1, 1, 2] to [N, 3]. */
function makeNet(): nn.Sequential {
  const fc = new nn.Linear(2, 3);
  fc.weight.data = Float32Array.of(0.5, -0.25, 1, 0.75, -1, 0.125);
  fc.bias!.data = Float32Array.of(0.1, -0.2, 0.3);
  return new nn.Sequential(new nn.Flatten(), fc);
}

const numbers = (key: string, length: number) =>
  Float32Array.from({ length }, (_, i) => hashAt(key, i) / 2 ** 32);

function batchOf(n: number, label: LabelledBatch['label']): LabelledBatch {
  return { image: numbers('image', 2 * n), imageShape: [n, 1, 1, 2], label };
}

/** The mean of all elements, in operations with a gradient. */
function mean(x: Tensor): Tensor {
  return functional.adaptiveAvgPool2d(x.reshape(1, 1, 1, -1), 1).reshape();
}

class Doubled extends nn.CrossEntropyLoss {
  override forward(...tensors: Tensor[]): Tensor {
    const value = super.forward(...tensors);
    return value.add(value);
  }
}

/** The mean over all rows, padded ones too: it takes whole batches. */
class MeanOfEach extends nn.Loss {
  override forward(logits: Tensor, labels: Tensor): Tensor {
    return mean(
      functional.crossEntropy(logits, labels, { reduction: 'none', labelSmoothing: 0.1 }),
    );
  }
}

class MeanOfSquares extends nn.Loss {
  override targets(output: Tensor): nn.LossTargets {
    return { dtype: 'f32', shape: output.shape };
  }

  override forward(output: Tensor, target: Tensor): Tensor {
    // The target depends on the network too.
    return mean(functional.mseLoss(output.relu(), output.add(target), { reduction: 'none' }));
  }
}

const classes = Int32Array.of(2, 0, 1, 1);
const values = numbers('values', 12);
const weight = [0.5, 2, 1];
const data = (...each: number[]) => Float32Array.from(each);

const losses: [string, () => nn.Loss, LabelledBatch['label']][] = [
  ['CrossEntropyLoss', () => new nn.CrossEntropyLoss(), classes],
  ['CrossEntropyLoss, weighted', () => new nn.CrossEntropyLoss({ weight }), classes],
  [
    'CrossEntropyLoss with all options',
    () =>
      new nn.CrossEntropyLoss({ weight, ignoreIndex: 0, labelSmoothing: 0.2, reduction: 'sum' }),
    classes,
  ],
  [
    'CrossEntropyLoss of labels of which some are ignored',
    () => new nn.CrossEntropyLoss(),
    Int32Array.of(2, -100, 1, 1),
  ],
  [
    'CrossEntropyLoss of probabilities',
    () => new nn.CrossEntropyLoss({ softTargets: true, weight }),
    values,
  ],
  ['NLLLoss', () => new nn.NLLLoss({ weight, ignoreIndex: 0 }), classes],
  ['MSELoss', () => new nn.MSELoss(), values],
  ['L1Loss', () => new nn.L1Loss({ reduction: 'sum' }), values],
  ['SmoothL1Loss', () => new nn.SmoothL1Loss({ beta: 0.5 }), values],
  ['BCEWithLogitsLoss', () => new nn.BCEWithLogitsLoss(), values],
  [
    'BCEWithLogitsLoss with a weight of positives',
    () => new nn.BCEWithLogitsLoss({ posWeight: { data: data(1, 2, 3), shape: [3] } }),
    values,
  ],
  [
    'BCEWithLogitsLoss with both weights',
    () =>
      new nn.BCEWithLogitsLoss({
        weight: { data: data(0.5, 1, 2), shape: [3] },
        posWeight: { data: data(3), shape: [1] },
      }),
    values,
  ],
  ['a loss counted twice', () => new Doubled({ weight }), classes],
];

/** What a step of the graph does in float64: the loss, the rows that are right and the parameters. */
function expected(loss: nn.Loss, batch: LabelledBatch, size: number) {
  const net = makeNet();
  const optimizer = new optim.SGD(net.parameters(), { lr });
  const { spec, inputs, wholeBatches } = trainGraph(net, loss, optimizer, images);
  const program = new ReferenceProgram(spec);
  for (const [name, source] of net.namedParameters()) program.write(name, source.data);
  for (const [name, source] of loss.namedBuffers()) {
    const used = spec.values.some((value) => value.name === `loss.${name}`);
    if (used) program.write(`loss.${name}`, source.data);
  }
  const padded = (from: ArrayLike<number>, length: number) =>
    Float64Array.from({ length }, (_, i) => from[i] ?? 0);
  const lengths = inputs.get('label')!.shape.reduce((product, length) => product * length, 1);
  const results = program.run({
    image: padded(batch.image, 8),
    label: padded(batch.label, lengths),
    step: 1,
    lr,
    ...(inputs.has('count') ? { count: size } : {}),
  });
  const { loss: value, correct } = results;
  return {
    wholeBatches,
    loss: value![0]!,
    correct: correct?.[0],
    weight: program.read('1.weight'),
  };
}

describe('a step of training', () => {
  test.each(losses)('%s', async (_name, makeLoss, label) => {
    const perRow = label.length / 4;
    for (const size of [4, 3]) {
      const loss = makeLoss();
      const net = makeNet();
      const optimizer = new optim.SGD(net.parameters(), { lr });
      const trainer = makeTrainer(net, { loss, optimizer });
      const whole = batchOf(4, label);
      const batch = batchOf(size, label.slice(0, size * perRow));
      // Compiled for four rows; with no learning, so that the second step begins as the first.
      optimizer.paramGroups[0]!.lr = 0;
      await trainer.step(whole);
      optimizer.paramGroups[0]!.lr = lr;
      const found = await trainer.step(batch);
      const wanted = expected(makeLoss(), batch, size);
      expect(wanted.wholeBatches).toBe(false);
      const divisor = loss.reduction === 'sum' ? size : 1;
      expect(found.loss).toBeCloseTo(wanted.loss / divisor, 5);
      expect(found.correct).toBe(wanted.correct);
      const after = (await trainer.stateDict())['1.weight']!.data;
      for (const [i, value] of wanted.weight.entries()) expect(after[i]).toBeCloseTo(value, 5);
    }
  });

  test.each([
    ['of rows', () => new MeanOfEach(), classes],
    ['of elements, whose target depends on the network', () => new MeanOfSquares(), values],
  ] as const)("through reduction 'none' %s", async (_name, makeLoss, label) => {
    const net = makeNet();
    const optimizer = new optim.SGD(net.parameters(), { lr });
    const trainer = makeTrainer(net, { loss: makeLoss(), optimizer });
    const batch = batchOf(4, label);
    const { loss } = await trainer.step(batch);
    const wanted = expected(makeLoss(), batch, 4);
    expect(loss).toBeCloseTo(wanted.loss, 5);
    const after = (await trainer.stateDict())['1.weight']!.data;
    for (const [i, value] of wanted.weight.entries()) expect(after[i]).toBeCloseTo(value, 5);
  });
});

test('their weights are buffers under the names that PyTorch gives them', () => {
  const one = { data: data(1), shape: [1] };
  const names = (loss: nn.Loss) => Object.keys(loss.stateDict());
  expect(names(new nn.BCEWithLogitsLoss({ weight: one, posWeight: one }))).toEqual([
    'weight',
    'pos_weight',
  ]);
  expect(names(new nn.CrossEntropyLoss({ weight }))).toEqual(['weight']);
  expect(names(new nn.NLLLoss())).toEqual([]);
});

describe('what they refuse', () => {
  const any = <T>(value: unknown) => value as T;

  test.each<[string, new (...args: never[]) => Error, string, () => unknown]>([
    [
      'losses that are not put together',
      ArgumentError,
      "the loss must be a single f32 number, got f32 of shape [4]: give it reduction 'mean' or 'sum'",
      () => evalGraph(makeNet(), new nn.CrossEntropyLoss({ reduction: 'none' }), images),
    ],
    [
      'the wrong number of classes',
      ShapeError,
      'loss: CrossEntropyLoss expects weight of shape [3], got [2]',
      () => evalGraph(makeNet(), new nn.CrossEntropyLoss({ weight: [1, 2] }), images),
    ],
    [
      'a weight that does not fit the output',
      ShapeError,
      'loss: BCEWithLogitsLoss expects posWeight of the last sizes of one example',
      () =>
        evalGraph(
          makeNet(),
          new nn.BCEWithLogitsLoss({ posWeight: { data: data(1, 2), shape: [2] } }),
          images,
        ),
    ],
    [
      'a weight that is no list of numbers',
      ArgumentError,
      'CrossEntropyLoss expects weight to be a number of 0 or above for each class, got 3',
      () => new nn.CrossEntropyLoss({ weight: any(3) }),
    ],
    [
      'a negative weight',
      ArgumentError,
      'NLLLoss expects weight to be a number of 0 or above for each class',
      () => new nn.NLLLoss({ weight: [1, -1] }),
    ],
    [
      'an ignored label that is no integer',
      ArgumentError,
      'NLLLoss expects ignoreIndex to be an integer',
      () => new nn.NLLLoss({ ignoreIndex: 0.5 }),
    ],
    [
      'smoothing beyond all',
      ArgumentError,
      'CrossEntropyLoss expects labelSmoothing to be a number, at least 0 and at most 1, got 2',
      () => new nn.CrossEntropyLoss({ labelSmoothing: 2 }),
    ],
    [
      'soft targets that are neither',
      ArgumentError,
      'CrossEntropyLoss expects softTargets to be true or false',
      () => new nn.CrossEntropyLoss({ softTargets: any('yes') }),
    ],
    [
      'a beta below 0',
      ArgumentError,
      'SmoothL1Loss expects beta to be a number, at least 0',
      () => new nn.SmoothL1Loss({ beta: -1 }),
    ],
    [
      'an unknown option',
      ArgumentError,
      "MSELoss has no option 'weight'",
      () => new nn.MSELoss(any({ weight: 1 })),
    ],
    [
      'an unknown reduction',
      ArgumentError,
      "L1Loss expects reduction to be one of 'mean', 'sum', 'none', got 'median'",
      () => new nn.L1Loss({ reduction: any('median') }),
    ],
    [
      'a trained target of a loss that has no gradient for it',
      ArgumentError,
      'loss: binaryCrossEntropyWithLogits has no gradient with respect to target',
      () => {
        class Own extends nn.Loss {
          override forward(output: Tensor): Tensor {
            return functional.binaryCrossEntropyWithLogits(output, output.sigmoid());
          }
        }
        const net = makeNet();
        return trainGraph(net, new Own(), new optim.SGD(net.parameters(), { lr }), images);
      },
    ],
  ])('%s', (_title, type, message, call) => {
    expect(call).toThrow(type);
    expect(call).toThrow(message);
  });
});
