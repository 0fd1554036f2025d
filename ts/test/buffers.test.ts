/** Buffers: tensors of a module that are saved and synced, and that no optimizer updates. */
import { join } from 'node:path';
import {
  ArgumentError,
  nn,
  optim,
  Predictor,
  ShapeError,
  StaleParametersError,
  StateDictError,
  safetensors,
  type Tensor,
  type Trainer,
} from 'neuronode';
import { describe, expect, onTestFinished, test } from 'vitest';
// Inside views: the graphs, and a program of its own.
import { trainGraph } from '../../dist/program/graphs.js';
import { compile } from '../../dist/program/native.js';
import { temporaryFolder } from './data-support.js';
import { testDevice } from './device.js';
import { makeTrainer, seededTiny } from './trainer-support.js';

/** Adds a buffer to the image and, in training, moves the buffer towards the image's negative. */
class Shift extends nn.Module {
  readonly shift = this.registerBuffer('shift', { data: Float32Array.of(1, 2), shape: [1, 2] });
  readonly seen = this.registerBuffer('seen', { data: Int32Array.of(7), shape: [] });

  override forward(x: Tensor): Tensor {
    const { tracer } = x;
    const y = x.add(this.shift);
    const shift = tracer.buffer(this.shift);
    if (this.training) {
      const step = tracer.input('step', 'i32', []);
      const lr = tracer.input('lr', 'f64', []);
      const attrs = { momentum: 0, dampening: 0, nesterov: false, weightDecay: 0 };
      tracer.record('sgdStep', [shift, x, step, lr], attrs);
    }
    return y;
  }
}

class Net extends nn.Module {
  readonly norm = new Shift();
  readonly fc = new nn.Linear(2, 2);

  override forward(image: Tensor): Tensor {
    return this.fc.forward(this.norm.forward(image.flatten(1)));
  }
}

const lr = 0.5;
const image = { image: Float32Array.of(4, 8), imageShape: [1, 1, 1, 2] };
const batch = { ...image, label: Int32Array.of(1) };
/** What n steps make of the buffer. */
const moved = (n: number) => [1 - n * lr * 4, 2 - n * lr * 8];

function sgd(net: nn.Module): Trainer {
  return makeTrainer(net, { optimizer: new optim.SGD(net.parameters(), { lr }) });
}

const loader = {
  length: 1,
  batchSize: 1,
  async *[Symbol.asyncIterator]() {
    yield batch;
  },
};

describe('registerBuffer', () => {
  test('names a copy of the values, in the order of PyTorch', () => {
    class Outer extends nn.Module {
      readonly inner = new Net();
      readonly own = this.registerBuffer('own', { data: new Float32Array(6), shape: [2, 3] });
      readonly scale = new nn.Parameter(new Float32Array(1), [1]);

      override forward(x: Tensor): Tensor {
        return x;
      }
    }
    const net = new Outer();
    expect(Object.keys(net.stateDict())).toEqual([
      'scale',
      'own',
      'inner.norm.shift',
      'inner.norm.seen',
      'inner.fc.weight',
      'inner.fc.bias',
    ]);
    expect([...net.namedBuffers()].map(([name]) => name)).toEqual([
      'own',
      'inner.norm.shift',
      'inner.norm.seen',
    ]);
    expect([...net.buffers()][0]).toBe(net.own);
    expect([...net.parameters()]).toHaveLength(3);
    expect([net.inner.norm.shift.dtype, net.inner.norm.seen.dtype]).toEqual(['f32', 'i32']);
    const data = Float32Array.of(3);
    const buffer = net.registerBuffer('more', { data, shape: [1] });
    data[0] = 4;
    expect([...buffer.data]).toEqual([3]);
    const next = net.registerBuffer('more', { data, shape: [1] });
    expect([...net.buffers()].filter((each) => each === buffer || each === next)).toEqual([next]);
  });

  test('refuses names and values that are none', () => {
    const net = new Net();
    const value = { data: new Float32Array(2), shape: [2] };
    const call =
      (name: unknown, given: unknown = value, options?: object) =>
      () =>
        net.registerBuffer(name as string, given as typeof value, options);
    expect(call('')).toThrow("expects a name without periods, got ''");
    expect(call('a.b')).toThrow(ArgumentError);
    expect(call('fc')).toThrow('fc is a module already');
    expect(() => net.fc.registerBuffer('weight', value)).toThrow('weight is a parameter already');
    expect(call('x', { data: new Float32Array(3), shape: [2] })).toThrow(ShapeError);
    expect(call('x', { data: [1, 2], shape: [2] })).toThrow('a Float32Array or an Int32Array');
    expect(call('x', null)).toThrow('expects { data, shape }, got null');
    expect(call('x', value, { persistent: 1 })).toThrow('persistent');
    expect([...net.buffers()]).toHaveLength(2);
  });

  test('keeps what is not persistent out of state dicts', () => {
    const net = new Net();
    const value = { data: Float32Array.of(1), shape: [1] };
    net.registerBuffer('table', value, { persistent: false });
    expect(Object.keys(net.stateDict())).not.toContain('table');
    expect([...net.namedBuffers()].map(([name]) => name)).toContain('table');
    expect(() => net.loadStateDict({ ...net.stateDict(), table: value })).toThrow(
      'Unexpected key(s) in state_dict: "table".',
    );
  });
});

describe('loadStateDict', () => {
  test('names buffers that are missing, unexpected or of another shape', () => {
    const net = new Shift();
    const seen = { data: Int32Array.of(1), shape: [] };
    const load = (dict: object) => () => net.loadStateDict(dict as nn.StateDict);
    expect(load({ seen, other: seen })).toThrow(
      'Missing key(s) in state_dict: "shift".\n\tUnexpected key(s) in state_dict: "other".',
    );
    expect(load({ seen, shift: { data: new Float32Array(2), shape: [2] } })).toThrow(
      'size mismatch for shift: copying a param with shape [2] from checkpoint, ' +
        'the shape in current model is [1, 2].',
    );
    expect([...net.seen.data]).toEqual([7]);
  });

  test.each([
    ['loadStateDict', (net: nn.Module, dict: object) => net.loadStateDict(dict as nn.StateDict)],
    [
      'loadStateDictAsync',
      (net: nn.Module, dict: object) => net.loadStateDictAsync(dict as nn.StateDict),
    ],
  ])('%s takes the integers of PyTorch as they are, or refuses them', async (_, load) => {
    const net = new Shift();
    const shift = { data: Float32Array.of(1, 2), shape: [1, 2] };
    await load(net, { shift, seen: { data: BigInt64Array.of(-5n), shape: [] } });
    expect(net.seen.data).toEqual(Int32Array.of(-5));
    await load(net, { shift, seen: { data: Float32Array.of(12), shape: [] } });
    expect(net.seen.data).toEqual(Int32Array.of(12));
    for (const [data, shown] of [
      [BigInt64Array.of(2n ** 31n), '2147483648'],
      [Float32Array.of(0.5), '0.5'],
      [Float32Array.of(Number.NaN), 'NaN'],
    ] as const) {
      const call = async () => load(net, { shift, seen: { data, shape: [] } });
      await expect(call).rejects.toThrow(StateDictError);
      await expect(call).rejects.toThrow(`seen must have 32-bit integers, got ${shown}.`);
    }
    expect(net.seen.data).toEqual(Int32Array.of(12));
  });

  test('comes back from a file', async () => {
    const path = join(await temporaryFolder(), 'net.safetensors');
    const net = new Net();
    net.norm.seen.data = Int32Array.of(2 ** 31 - 1);
    await safetensors.save(path, net.stateDict());
    const other = new Net();
    other.loadStateDict(await safetensors.load(path));
    expect(other.stateDict()).toEqual(net.stateDict());
  });
});

describe('a graph', () => {
  const spec = { batchSize: 1, shape: [1, 1, 2], dtype: 'f32' } as const;

  test('updates a buffer where it was recorded, and gives it no gradient', () => {
    const net = new Net();
    const optimizer = new optim.SGD(net.parameters(), { lr });
    const graph = trainGraph(net, new nn.CrossEntropyLoss(), optimizer, spec);
    const updates = graph.spec.nodes.filter(({ op }) => op === 'sgdStep');
    expect(updates.map(({ name, phase }) => [name, phase])).toEqual([
      ['norm', 'forward'],
      ['fc.weight', 'optimizer'],
      ['fc.bias', 'optimizer'],
    ]);
    expect(graph.spec.nodes.findIndex(({ op }) => op === 'sgdStep')).toBeLessThan(
      graph.spec.nodes.findIndex(({ op }) => op === 'linear'),
    );
    expect(graph.parameters.get('norm.shift')).toBe(net.norm.shift);
    expect(graph.states.size).toBe(0);
  });

  test('has no buffer that nobody registered', async () => {
    class Hidden extends nn.Module {
      readonly #inner = new Shift();

      override forward(x: Tensor): Tensor {
        return this.#inner.forward(x.flatten(1));
      }
    }
    const predictor = new Predictor(new Hidden(), { device: testDevice });
    onTestFinished(() => predictor.dispose());
    await expect(predictor.outputs(image)).rejects.toThrow('a buffer in use is not registered');
  });

  test('takes integers', async () => {
    const program = await compile(
      {
        values: [
          { kind: 'input', dtype: 'f32', shape: [2], name: 'x' },
          { kind: 'parameter', dtype: 'i32', shape: [], name: 'seen' },
          { kind: 'intermediate', dtype: 'f32', shape: [2], name: '' },
        ],
        nodes: [
          {
            op: 'dropout',
            inputs: [0, 1],
            outputs: [2],
            attrs: { p: 0, seed: [0, 0], stream: 0 },
            name: 'drop',
            phase: 'forward',
          },
        ],
        outputs: [{ name: 'y', value: 2 }],
      },
      { device: testDevice },
    );
    onTestFinished(() => program.dispose());
    expect(await program.read('seen')).toEqual(Int32Array.of(0));
    await program.write('seen', Int32Array.of(41));
    expect(await program.read('seen')).toEqual(Int32Array.of(41));
    await expect(program.write('seen', Float32Array.of(1))).rejects.toThrow(/seen/);
    const values = [{ kind: 'state', dtype: 'i32', shape: [], name: 's' }] as const;
    const compiling = compile({ values, nodes: [], outputs: [] }, { device: testDevice });
    await expect(compiling).rejects.toThrow('parameters must be f32 or i32, state f32');
  });
});

describe('training', () => {
  test('updates buffers, which trainer, network and predictor agree on', async () => {
    const net = new Net();
    const trainer = sgd(net);
    const predictor = new Predictor(net, { device: testDevice, softmax: false });
    onTestFinished(() => predictor.dispose());
    await trainer.step(batch);
    await trainer.step(batch);
    expect(() => net.norm.shift.data).toThrow(StaleParametersError);
    expect(() => net.norm.shift.data).toThrow('the buffer was trained');
    const dict = await trainer.stateDict();
    expect([...dict['norm.shift']!.data]).toEqual(moved(2));
    expect(dict['norm.seen']).toEqual({ data: Int32Array.of(7), shape: [] });
    expect([...net.norm.shift.data]).toEqual(moved(2));
    await trainer.step(batch);
    const { probabilities: logits } = await predictor.predict(image);
    const { 'fc.weight': weight, 'fc.bias': bias } = await trainer.stateDict();
    const x = moved(3).map((each, i) => each + image.image[i]!);
    for (const row of [0, 1]) {
      const sum = x[0]! * weight!.data[row * 2]! + x[1]! * weight!.data[row * 2 + 1]!;
      expect(logits[row]).toBeCloseTo(sum + bias!.data[row]!, 4);
    }
    // Neither a prediction nor an evaluation updates them.
    const before = await trainer.evaluate(loader);
    expect(await trainer.evaluate(loader)).toEqual(before);
    expect([...(await trainer.stateDict())['norm.shift']!.data]).toEqual(moved(3));
    net.norm.shift.data = Float32Array.of(1, 2);
    await trainer.step(batch);
    await trainer.syncParameters();
    expect([...net.norm.shift.data]).toEqual(moved(1));
  });

  test('leaves a module alone that was put into evaluation mode by itself', async () => {
    const net = new Net();
    net.norm.eval();
    const trainer = sgd(net);
    await trainer.step(batch);
    expect([...(await trainer.stateDict())['norm.shift']!.data]).toEqual([1, 2]);
    expect([net.training, net.norm.training]).toEqual([true, false]);
    // Between steps, too.
    net.norm.train();
    await trainer.step(batch);
    net.norm.eval();
    await trainer.step(batch);
    expect([...(await trainer.stateDict())['norm.shift']!.data]).toEqual(moved(1));
    // Who evaluated the whole network before training it still trains all of it.
    const other = new Net().eval();
    const second = sgd(other);
    await second.step(batch);
    expect([...(await second.stateDict())['norm.shift']!.data]).toEqual(moved(1));
  });

  test('keeps buffers in checkpoints, and goes on with them', async () => {
    const dir = await temporaryFolder();
    const net = new Net();
    const trainer = sgd(net);
    net.norm.seen.data = Int32Array.of(9);
    await trainer.step(batch);
    const path = await trainer.saveCheckpoint(dir);
    const other = new Net();
    const second = sgd(other);
    await second.step(batch);
    await second.loadCheckpoint(path);
    expect([...(await second.stateDict())['norm.shift']!.data]).toEqual(moved(1));
    expect(other.norm.seen.data).toEqual(Int32Array.of(9));
    await second.step(batch);
    await trainer.step(batch);
    expect(await second.stateDict()).toEqual(await trainer.stateDict());
  });

  test('refuses a buffer that was replaced, and a checkpoint without one', async () => {
    const dir = await temporaryFolder();
    const plain = makeTrainer(seededTiny());
    await plain.compile({ batchSize: 1, imageShape: [1, 10, 10] });
    const path = await plain.saveCheckpoint(dir);
    const net = seededTiny();
    net.registerBuffer('extra', { data: Float32Array.of(1), shape: [1] });
    const trainer = makeTrainer(net);
    await expect(trainer.loadCheckpoint(path)).rejects.toThrow(
      'Missing key(s) in state_dict: "extra"',
    );
    const shifted = new Net();
    const other = sgd(shifted);
    await other.step(batch);
    shifted.norm.registerBuffer('shift', { data: Float32Array.of(1, 2), shape: [1, 2] });
    await expect(other.step(batch)).rejects.toThrow('norm.shift was replaced');
  });
});
