/**
 * Every operation on the device under test against the CPU, on the rows of op-cases.json: outputs and
 * gradients, optimizer state included. In f32 they may differ by rounding, and where the table says
 * that an operation is exact, not at all.
 */
import { ops } from 'neuronode';
import { afterAll, describe, expect, it } from 'vitest';
import { operations } from '../../../dist/graph/table.js';
import { testDevice } from '../device.js';
import { lowerPrecisionCases, lowerPrecisions, type OpCase, opCases } from '../op-cases.js';
import { type Outputs, runCase } from '../op-runner.js';

const cases = opCases();
const limit = 1e-5;

afterAll(() => ops.clearCache());

/** The largest |a - b| over the largest |b|; Infinity for another shape or a NaN. */
function difference(a: Outputs[string], b: Outputs[string]): number {
  if (String(a.shape) !== String(b.shape) || a.data.length !== b.data.length) return Infinity;
  let apart = 0;
  let peak = 0;
  for (let i = 0; i < b.data.length; i++) {
    const here = Math.abs(a.data[i]! - b.data[i]!);
    apart = Number.isNaN(here) ? Infinity : Math.max(apart, here);
    peak = Math.max(peak, Math.abs(b.data[i]!));
  }
  return apart === 0 ? 0 : apart / peak;
}

/** The largest difference of a row's outputs, and the output that has it. */
async function worstOf(opCase: OpCase, wanted: Outputs, options: ops.OpOptions) {
  const found = await runCase(opCase, { device: testDevice, ...options });
  expect(Object.keys(found).sort()).toEqual(Object.keys(wanted).sort());
  const differences = Object.entries(wanted).map(([name, output]) => ({
    name,
    error: difference(found[name]!, output),
  }));
  return differences.reduce((worst, each) => (each.error > worst.error ? each : worst));
}

const onCpu = (opCase: OpCase) => runCase(opCase, { device: 'cpu' });

describe(`operations give the CPU's numbers on ${testDevice}`, () => {
  const errors = new Map<string, number>();
  afterAll(() => {
    const worst = [...errors].map(([op, error]) => `${op} ${error.toExponential(1)}`);
    console.log(`${cases.length} cases, ${testDevice} against cpu: ${worst.join(', ')}`);
  });

  it('for every operation of the graph contract', () => {
    const covered = new Set<string>(cases.flatMap(({ op, gradients }) => [op, ...gradients]));
    expect([...covered].sort()).toEqual(Object.keys(operations).sort());
  });

  it.each(cases)('$id', async (opCase) => {
    const { name, error } = await worstOf(opCase, await onCpu(opCase), {});
    errors.set(opCase.op, Math.max(errors.get(opCase.op) ?? 0, error));
    expect(error, name).toBeLessThanOrEqual(opCase.tolerance === 0 ? 0 : limit);
  });
});

describe('max-pooling by the library gives the same', () => {
  it.each(cases.filter(({ op }) => op === 'maxPool2d'))('$id', async (opCase) => {
    const { name, error } = await worstOf(opCase, await onCpu(opCase), { pooling: 'library' });
    expect(error, name).toBe(0);
  });
});

describe('other precisions', () => {
  const rows = lowerPrecisionCases(cases);

  it.each(
    (['tf32', 'bf16'] as const).flatMap((precision) => rows.map((row) => ({ ...row, precision }))),
  )('$id in $precision', async ({ precision, ...opCase }) => {
    const { name, error } = await worstOf(opCase, await onCpu(opCase), { precision });
    expect(error, name).toBeLessThanOrEqual(lowerPrecisions[precision]);
    if (precision === 'bf16') expect(error, name).toBeGreaterThan(1e-4);
  });
});
