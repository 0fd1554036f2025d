/**
 * `npm run gpu-check` where there is no GPU: floors worked out from shapes, what compute-sanitizer
 * said, what is missing.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { models, nn, optim } from 'neuronode';
import { describe, expect, test } from 'vitest';
import { operations } from '../../dist/graph/table.js';
import { trainGraph } from '../../dist/program/graphs.js';

interface Cost {
  bytes: number;
  flops: number;
}
interface Floor {
  memoryMs: number;
  arithmeticMs: number;
  ms: number;
  bound: string;
}
type Precision = 'f32' | 'tf32' | 'bf16';

const root = new URL('../../', import.meta.url);
const load = (name: string): Promise<unknown> =>
  import(new URL(`scripts/gpu-check/${name}.mjs`, root).href);
const { costOf, costsOfPlan, sumOf, floorOf } = (await load('costs')) as {
  costOf(node: unknown, values: unknown, table: unknown, precision: Precision): Cost;
  costsOfPlan(
    graph: unknown,
    plan: unknown,
    table: unknown,
    precision: Precision,
  ): (Cost | undefined)[];
  sumOf(costs: readonly Cost[]): Cost;
  floorOf(cost: Cost, peaks: unknown, precision: Precision): Floor;
};
const { peaksOf } = (await load('peaks')) as {
  peaksOf(model: string): { bandwidth: number; flops: Record<Precision, number> } | undefined;
};
const { sanitizerSummary } = (await load('sections/sanitizers')) as {
  sanitizerSummary(text: string): string;
};

function alexnet() {
  const net = models.alexnet();
  const optimizer = new optim.Adam(net.parameters(), { lr: 0.001 });
  const image = { batchSize: 128, shape: [1, 224, 224] };
  return trainGraph(net, new nn.CrossEntropyLoss(), optimizer, image).spec;
}

describe('floors of AlexNet at batch 128', () => {
  const graph = alexnet();
  const h100 = peaksOf('NVIDIA H100 80GB HBM3');
  const costs = (precision: Precision) =>
    graph.nodes.map((node) => costOf(node, graph.values, operations, precision));
  const floor = (precision: Precision) => floorOf(sumOf(costs(precision)), h100, precision);
  const adam = (precision: Precision) =>
    sumOf(costs(precision).filter((_, index) => graph.nodes[index]!.op === 'adamStep'));

  test('the arithmetic is 0.71 TFLOP', () => {
    expect(sumOf(costs('f32')).flops / 1e12).toBeCloseTo(0.712, 3);
    expect(floor('f32').arithmeticMs).toBeCloseTo(10.6, 1);
    expect(floor('tf32').arithmeticMs).toBeCloseTo(1.44, 2);
    expect(floor('bf16').arithmeticMs).toBeCloseTo(0.72, 2);
  });

  test('Adam moves 28 bytes a parameter, 30 with the rounded copy', () => {
    expect(adam('f32').bytes / 46_764_746).toBeCloseTo(28, 3);
    expect(adam('bf16').bytes / 46_764_746).toBeCloseTo(30, 2);
    expect(floorOf(adam('f32'), h100, 'f32')).toMatchObject({ bound: 'memory' });
    expect(floorOf(adam('f32'), h100, 'f32').ms).toBeCloseTo(0.39, 2);
  });

  test('a merged optimizer step costs what its nodes do, and a reorder is nobody’s', () => {
    const plan = [
      { name: '', op: 'reorder', phase: 'forward' },
      { name: 'fc.0', op: 'linear', phase: 'forward' },
      { name: 'conv.0.weight', op: 'adamStep', phase: 'optimizer' },
    ];
    const [reorder, linear, step] = costsOfPlan(graph, plan, operations, 'f32');
    expect(reorder).toBeUndefined();
    expect(linear?.flops).toBe(2 * 128 * 6400 * 4096);
    expect(step).toEqual(adam('f32'));
  });
});

test('where no peaks are known there is no floor', () => {
  expect(floorOf({ bytes: 1, flops: 1 }, undefined, 'f32')).toEqual({
    memoryMs: null,
    arithmeticMs: null,
    ms: null,
    bound: null,
  });
});

test('data sheets are chosen by the driver’s name of the model', () => {
  expect(peaksOf('NVIDIA H100 PCIe')?.bandwidth).toBe(2e12);
  expect(peaksOf('NVIDIA H200')?.bandwidth).toBe(4.8e12);
  expect(peaksOf('NVIDIA A100-SXM4-40GB')?.flops.tf32).toBe(156e12);
  expect(peaksOf('Emulated GPU')).toBeUndefined();
});

test('the last line of compute-sanitizer is its summary', () => {
  const text = '========= COMPUTE-SANITIZER\n========= ERROR SUMMARY: 0 errors\n';
  expect(sanitizerSummary(text)).toBe('ERROR SUMMARY: 0 errors');
});

test.skipIf(existsSync('/dev/nvidia0'))('without a GPU it says what is missing, and fails', () => {
  const script = fileURLToPath(new URL('scripts/gpu-check.mjs', root));
  const { status, stderr } = spawnSync(process.execPath, [script], { encoding: 'utf8' });
  expect(status).toBe(1);
  expect(stderr).toContain('There is no GPU to check here.');
  expect(stderr).toContain('driver');
});
