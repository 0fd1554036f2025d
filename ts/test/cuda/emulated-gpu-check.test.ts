/**
 * The parts of `npm run gpu-check` that need a device, on the emulated one with small networks: that
 * they run, what their report holds, and that it says what its times are worth.
 */
import { describe, expect, test } from 'vitest';

const load = (name: string): Promise<unknown> =>
  import(new URL(`../../../scripts/gpu-check/${name}.mjs`, import.meta.url).href);

interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}
interface KernelRow {
  readonly op: string;
  readonly ms: number;
  readonly floorMs: number | null;
  readonly bound: string | null;
}
interface StepRow {
  readonly precision: string;
  readonly ms: number;
  readonly arithmeticMs: number;
  readonly memoryMs: number;
  readonly kernels: readonly KernelRow[];
}
interface Report {
  readonly emulated: boolean;
  readonly machine: Readonly<Record<string, string>>;
  readonly peaks: { readonly source: string; readonly bandwidth: number };
  readonly steps: readonly StepRow[];
}
type Options = Readonly<Record<string, unknown>>;

const { loadPackage } = (await load('inside')) as { loadPackage(): Promise<unknown> };
const { describeDevice, checkReplays, measureDevice } = (await load('check')) as {
  describeDevice(inside: unknown, name: string): { readonly emulated: boolean };
  checkReplays(inside: unknown, options: Options): Promise<Check[]>;
  measureDevice(inside: unknown, options: Options, checks: readonly Check[]): Promise<Report>;
};
const { asMarkdown, writeResults } = (await load('report')) as {
  asMarkdown(report: Report): string;
  writeResults(report: Report): void;
};
const { exercise } = (await load('exercise')) as {
  exercise(
    inside: unknown,
    device: string,
    cases: readonly Options[],
  ): Promise<Map<string, number>>;
};

const inside = await loadPackage();
const device = describeDevice(inside, 'cuda:0');

describe('gpu-check on the emulated device', () => {
  test('recorded steps give the bits of eager ones', async () => {
    const options = { device, network: 'lenet', batch: 2, steps: 2 };
    const checks = await checkReplays(inside, options);
    expect(checks.map(({ ok, detail }) => [ok, detail])).toEqual([
      [true, '2 steps'],
      [true, '2 steps'],
      [true, '2 steps'],
    ]);
  });

  test('what compute-sanitizer watches runs, layers of every kind', async () => {
    const losses = await exercise(inside, 'cuda:0', [
      { network: 'medley', batch: 3, optimizer: 'adam' },
      { network: 'medley', batch: 3, optimizer: 'sgd', pooling: 'library' },
    ]);
    expect(losses.size).toBe(6);
    expect([...losses.values()].every((loss) => Number.isFinite(loss))).toBe(true);
  });

  test('a step and its kernels are measured beside their floors', async () => {
    const small = { elements: 1 << 14, edge: 16 };
    const options = { network: 'lenet', batch: 2, rounds: 1, stepsPerRound: 3, peaks: small };
    const report = await measureDevice(inside, { device, ...options }, []);
    expect(report.emulated).toBe(true);
    expect(report.peaks).toMatchObject({ source: expect.stringContaining('measured') });
    expect(report.steps.map(({ precision }) => precision)).toEqual(['f32', 'tf32', 'bf16']);
    for (const step of report.steps) {
      expect(step.ms).toBeGreaterThan(0);
      expect(step.arithmeticMs).toBeGreaterThan(0);
      expect(step.memoryMs).toBeGreaterThan(0);
      // Only reorders are nobody's.
      const unknown = step.kernels.filter(({ floorMs }) => floorMs === null);
      expect(unknown.every(({ op }) => op === 'reorder')).toBe(true);
      const bounds = new Set(step.kernels.map(({ bound }) => bound));
      expect(bounds.has('memory') || bounds.has('arithmetic')).toBe(true);
      expect(step.kernels.filter(({ op }) => op === 'adamStep')).toHaveLength(1);
    }
    const text = asMarkdown(report);
    expect(text).toContain('**Emulated device: these are times of an imitation');
    expect(text).toContain('(emulated)');
    expect(text).toContain('## Kernels in bf16');
    expect(() => writeResults(report)).toThrow('emulated');
  });
});
