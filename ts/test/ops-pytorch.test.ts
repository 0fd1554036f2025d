/**
 * Every operation against PyTorch in float64, on the rows of op-cases.json: outputs and gradients,
 * through the public `ops`. Tolerances are those of the table, one per operation.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { operations } from '../../dist/graph/table.js';
import { isOnCpu } from './device.js';
import { type OpCase, opCases } from './op-cases.js';
import { type Algorithm, kernelsOf, runCase } from './op-runner.js';
import { referenceNames, relativeError } from './references.js';

const cases = opCases();
const compared = cases.filter((opCase) => opCase.op !== 'dropout');
// Our Winograd kernels are the CPU's.
const winograd = cases.filter((opCase) => isOnCpu && opCase.winogradTolerance !== undefined);

describe('the table of operation cases', () => {
  it('has a case for every operation of the graph contract', () => {
    const covered = new Set<string>(cases.flatMap(({ op, gradients }) => [op, ...gradients]));
    expect(Object.keys(operations).filter((op) => !covered.has(op))).toEqual([]);
    expect([...covered].filter((op) => !Object.hasOwn(operations, op))).toEqual([]);
  });

  it.runIf(isOnCpu)('has rows for both of the Winograd kernels', () => {
    const kernels = winograd.map(({ shapes }) => shapes.w![2]);
    expect(new Set(kernels)).toEqual(new Set([3, 5]));
  });
});

async function check(opCase: OpCase, algorithm: Algorithm, tolerance: number): Promise<number> {
  const outputs = await runCase(opCase, { algorithm });
  expect(Object.keys(outputs).sort()).toEqual(referenceNames(opCase));
  let worst = 0;
  for (const [name, output] of Object.entries(outputs)) {
    const error = relativeError(opCase, name, output);
    expect(error, `relative error of ${name}`).toBeLessThanOrEqual(tolerance);
    worst = Math.max(worst, error);
  }
  return worst;
}

describe("operations give PyTorch's numbers", () => {
  const errors = new Map<string, number>();
  const note = (what: string, error: number) =>
    errors.set(what, Math.max(errors.get(what) ?? 0, error));
  afterAll(() => {
    const worst = [...errors].map(([what, error]) => `${what} ${error.toExponential(1)}`);
    console.log(
      `${compared.length} cases against PyTorch, ${winograd.length} of them by Winograd too; ` +
        `largest errors: ${worst.join(', ')}`,
    );
  });

  it.each(compared)('$id', async (opCase) => {
    note(opCase.op, await check(opCase, 'direct', opCase.tolerance));
  });

  it.each(winograd)('$id by Winograd', async (opCase) => {
    const kernel = opCase.shapes.w![2] === 3 ? 'winograd F(4x4,3x3)' : 'winograd F(2x2,5x5)';
    expect(await kernelsOf(opCase, 'winograd')).toEqual({
      conv2d: kernel,
      conv2dInputGrad: kernel,
      conv2dWeightGrad: kernel,
    });
    for (const used of Object.values(await kernelsOf(opCase, 'direct'))) {
      expect(used).not.toContain('winograd');
    }
    note('winograd', await check(opCase, 'winograd', opCase.winogradTolerance!));
  });
});

describe('the comparison sees faults', () => {
  const byId = (id: string) => compared.find((opCase) => opCase.id === id)!;

  it.each([
    ['linear/no-bias', 'y'], // stored in full
    ['conv2d/alexnet.conv1', 'y'], // stored as a sample
  ])('%s: a wrong scale, a shift, a NaN and a wrong shape', async (id, name) => {
    const opCase = byId(id);
    const good = (await runCase(opCase))[name]!;
    const changed = (change: (value: number, index: number) => number) => ({
      shape: good.shape,
      data: Array.from(good.data, change),
    });
    expect(relativeError(opCase, name, good)).toBeLessThanOrEqual(opCase.tolerance);
    const faults = [
      changed((value) => value * 1.0001),
      changed((value, index) => value + (index % 2) * 0.01),
      changed((value, index) => (index === 77 ? Number.NaN : value)),
      { shape: [...good.shape].reverse(), data: good.data },
    ];
    for (const fault of faults) {
      expect(relativeError(opCase, name, fault)).toBeGreaterThan(opCase.tolerance);
    }
  });
});
