/**
 * GroupNorm and LayerNorm with all their gradients, against PyTorch, in float64 by the reference
 * interpreter and natively, and against what smaller operations compose.
 */
import { readFileSync } from 'node:fs';
import { type LabelledBatch, nn, optim, type Tensor } from 'neuronode';
import { describe, expect, it } from 'vitest';
import { addBackward } from '../../dist/graph/backward.js';
import { finish } from '../../dist/graph/finish.js';
import { Tracer } from '../../dist/graph/tracer.js';
import { compile } from '../../dist/program/native.js';
import { testDevice } from './device.js';
import { hashAt } from './op-cases.js';
import { ReferenceProgram } from './reference/interpreter.js';
import { makeTrainer } from './trainer-support.js';

type Shape = readonly number[];

interface NormCase {
  readonly name: string;
  readonly kind: 'GroupNorm' | 'LayerNorm';
  readonly args: [number, number] | [number | Shape];
  readonly options: object;
  readonly shape: Shape;
  readonly outputs: Readonly<Record<string, readonly number[]>>;
}

const cases = JSON.parse(
  readFileSync(new URL('fixtures/norms.json', import.meta.url), 'utf8'),
) as NormCase[];

const size = (shape: Shape) => shape.reduce((product, length) => product * length, 1);

/** The values of scripts/fixtures/case_values.py: x by 'logits', all else by 'uniform'. */
function valuesOf(key: string, shape: Shape): Float32Array {
  const divisor = key.endsWith('/x') ? 128 : 1024;
  return Float32Array.from(
    { length: size(shape) },
    (_, index) => ((hashAt(key, index) >>> 21) - 1024) / divisor,
  );
}

function moduleOf({ kind, args, options }: NormCase): nn.GroupNorm | nn.LayerNorm {
  return kind === 'GroupNorm'
    ? new nn.GroupNorm(...(args as [number, number]), options)
    : new nn.LayerNorm(...(args as [number | Shape]), options);
}

type Norm = nn.GroupNorm | nn.LayerNorm;

/** What the module gives, in means, differences and rsqrt. */
function composed(module: Norm, x: Tensor): Tensor {
  const { weight, bias, eps } = module;
  const isGroup = module instanceof nn.GroupNorm;
  const [rows = 1, channels = 1, ...axes] = x.shape;
  const seen = isGroup ? x.reshape(rows, module.numGroups, -1) : x;
  const dim = isGroup ? [2] : module.normalizedShape.map((_, index) => -1 - index);
  const centred = seen.sub(seen.mean(dim, true));
  const variance = nn.functional.square(centred).mean(dim, true);
  const y = centred.mul(nn.functional.rsqrt(variance.add(eps))).reshape(x.shape);
  const each = (parameter: nn.Parameter) => {
    const tensor = x.tracer.parameter(parameter);
    return isGroup ? tensor.reshape(channels, ...axes.map(() => 1)) : tensor;
  };
  const scaled = weight === null ? y : y.mul(each(weight));
  return bias === null ? scaled : scaled.add(each(bias));
}

/** The graph of sum(gy * module(x)) with its gradients, and what it is fed. */
function graphOf(normCase: NormCase, forward = (module: Norm, x: Tensor) => module.forward(x)) {
  const module = moduleOf(normCase);
  const x = new nn.Parameter(valuesOf(`${normCase.name}/x`, normCase.shape), normCase.shape);
  const named = new Map([['x', x], ...module.namedParameters()]);
  const tracer = new Tracer(new Map([...named].map(([name, parameter]) => [parameter, name])));
  const input = tracer.parameter(x);
  const y = forward(module, input);
  const loss = y.mul(tracer.input('gy', 'f32', normCase.shape)).sum();
  const ids = new Map(
    [...named].map(([name, parameter]) => [name, tracer.parameter(parameter).id]),
  );
  const gradients = addBackward(tracer.builder, loss.id, new Set(ids.values()));
  const outputs = new Map([['y', y.id]]);
  for (const [name, id] of ids) outputs.set(`g${name}`, gradients.get(id)!);
  const parameters = [...named].map(
    ([name, { shape }]) => [name, valuesOf(`${normCase.name}/${name}`, shape)] as const,
  );
  const gy = valuesOf(`${normCase.name}/gy`, normCase.shape);
  return { spec: finish(tracer.builder, outputs), parameters, feeds: { gy } };
}

function expectClose(
  found: Readonly<Record<string, ArrayLike<number>>>,
  wanted: Readonly<Record<string, ArrayLike<number>>>,
  tolerance: number,
  least = 1e-3,
): void {
  expect(Object.keys(found).sort()).toEqual(Object.keys(wanted).sort());
  for (const [name, values] of Object.entries(wanted)) {
    const largest = Array.from(values).reduce((a, b) => Math.max(a, Math.abs(b)), least);
    expect(found[name]!.length, name).toBe(values.length);
    for (const [at, value] of Array.from(values).entries()) {
      const difference = Math.abs(found[name]![at]! - value);
      expect(difference, `${name}, element ${at}`).toBeLessThan(tolerance * largest);
    }
  }
}

describe("GroupNorm and LayerNorm agree with PyTorch's", () => {
  it.each(cases)('$name, in float64', (normCase) => {
    const { spec, parameters, feeds } = graphOf(normCase);
    const program = new ReferenceProgram(spec);
    for (const [name, values] of parameters) program.write(name, values);
    expectClose(program.run(feeds), normCase.outputs, 1e-8);
  });

  async function natively({ spec, parameters, feeds }: ReturnType<typeof graphOf>) {
    const program = await compile(spec, { device: testDevice });
    for (const [name, values] of parameters) await program.write(name, values);
    const found = (await program.run(feeds)) as Record<string, Float32Array>;
    await program.dispose();
    return found;
  }

  it.each(cases)('$name', async (normCase) => {
    // Where a group has one element, what cancels is of the size 1 / sqrt(eps).
    const least = normCase.name === 'layer/one element' ? 1 : undefined;
    expectClose(await natively(graphOf(normCase)), normCase.outputs, 3e-6, least);
  });

  it.each<Omit<NormCase, 'outputs'>>([
    { name: 'images', kind: 'GroupNorm', args: [8, 32], options: {}, shape: [9, 32, 11, 7] },
    { name: 'a matrix', kind: 'GroupNorm', args: [4, 24], options: {}, shape: [21, 24] },
    { name: 'tokens', kind: 'LayerNorm', args: [72], options: {}, shape: [16, 17, 72] },
  ])('and with their composition of smaller operations: $name', async (each) => {
    const normCase = { ...each, outputs: {} };
    const graphs = [graphOf(normCase), graphOf(normCase, composed)] as const;
    const operations = graphs.map(({ spec }) => spec.nodes.some(({ op }) => op === 'groupNorm'));
    expect(operations).toEqual([true, false]);
    const [fused, parts] = [await natively(graphs[0]), await natively(graphs[1])];
    expectClose(fused, parts, 5e-6);
  });
});

class Net extends nn.Module {
  readonly conv = new nn.Conv2d(1, 8, 3);
  readonly group = new nn.GroupNorm(2, 8);
  readonly head = new nn.Sequential(
    new nn.Flatten(),
    new nn.LayerNorm(8 * 16),
    new nn.Linear(8 * 16, 3),
  );

  forward(x: Tensor): Tensor {
    return this.head.forward(this.group.forward(this.conv.forward(x)).relu());
  }
}

describe('in a network', () => {
  it("parameters have PyTorch's names and initial values", () => {
    const state = new Net().stateDict();
    expect(Object.keys(state)).toEqual([
      'conv.weight',
      'conv.bias',
      'group.weight',
      'group.bias',
      'head.1.weight',
      'head.1.bias',
      'head.2.weight',
      'head.2.bias',
    ]);
    expect([...state['group.weight']!.data]).toEqual(new Array(8).fill(1));
    expect([...state['group.bias']!.data]).toEqual(new Array(8).fill(0));
    expect(state['head.1.weight']!.shape).toEqual([128]);
  });

  it('a padded batch gives what its real rows give', async () => {
    const net = new Net();
    for (const [name, parameter] of net.namedParameters()) {
      parameter.data = valuesOf(name, parameter.shape);
    }
    const batchOf = (rows: number): LabelledBatch => ({
      image: Uint8Array.from({ length: rows * 36 }, (_, i) => hashAt('norm', i) >>> 24),
      imageShape: [rows, 1, 6, 6],
      label: Int32Array.from({ length: rows }, (_, i) => i % 3),
    });
    const make = () => makeTrainer(net, { optimizer: new optim.SGD(net.parameters(), { lr: 0 }) });
    const padding = make();
    await padding.step(batchOf(8));
    const { loss, correct } = await padding.step(batchOf(3));
    await padding.syncParameters();
    const alone = await make().step(batchOf(3));
    expect(loss).toBeCloseTo(alone.loss, 6);
    expect(correct).toBe(alone.correct);
  });
});
