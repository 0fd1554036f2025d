/**
 * The table of operations on the device: every row of op-cases.json against the values that PyTorch
 * gave for it (dropout, for which there are none, against the CPU, bit for bit), in f32; and the rows
 * of products in tf32 and bf16 against the CPU. Each output that is off is listed; a row that loses
 * the device, or ends the process, is listed too, and the next process goes on behind it.
 */
import { loadPackage } from '../inside.mjs';
import { difference } from '../numbers.mjs';
import { restart } from '../state.mjs';

const test = (name) => import(new URL(`../../../ts/test/${name}.js`, import.meta.url).href);

/** What an emulated device has time for: the table in full is the tests' matter there. */
const mostElements = 20_000;

const elements = ({ shapes }) =>
  Object.values(shapes).reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);

/** What is to be done: a name, an operation, and a function that gives the error of each output. */
async function plannedChecks(device, emulated) {
  const { lowerPrecisionCases, lowerPrecisions, opCases } = await test('op-cases');
  const { runCase } = await test('op-runner');
  const { referenceNames, relativeError } = await test('references');
  const all = opCases();
  const cases = emulated ? all.filter((each) => elements(each) <= mostElements) : all;
  const againstCpu = async (each, options) => {
    const [found, wanted] = [
      await runCase(each, { device, ...options }),
      await runCase(each, { device: 'cpu' }),
    ];
    return Object.entries(wanted).map(([output, value]) => [
      output,
      difference(found[output], value),
    ]);
  };
  const againstPyTorch = async (each) => {
    const found = await runCase(each, { device });
    const wanted = referenceNames(each);
    const missing = wanted.filter((output) => found[output] === undefined);
    const errors = Object.entries(found).map(([output, value]) => [
      output,
      relativeError(each, output, value),
    ]);
    return [...errors, ...missing.map((output) => [output, Infinity])];
  };
  const table = cases.map((each) => ({
    name: each.id,
    op: each.op,
    tolerance: each.tolerance,
    errors: () => (each.op === 'dropout' ? againstCpu(each, {}) : againstPyTorch(each)),
  }));
  const rows = lowerPrecisionCases(all).filter((each) => cases.includes(each));
  const lower = Object.entries(lowerPrecisions).flatMap(([precision, tolerance]) =>
    rows.map((each) => ({
      name: `${each.id} in ${precision}`,
      op: `${each.op} in ${precision}`,
      tolerance,
      errors: () => againstCpu(each, { precision }),
    })),
  );
  return { checks: [...table, ...lower], leftOut: all.length - cases.length };
}

const shown = (error) => (Number.isFinite(error) ? error.toExponential(2) : String(error));

function writeWorst(report, worst) {
  report.data('worst', [...worst]);
  const rows = [...worst].map(([op, [error, tolerance]]) => [op, shown(error), String(tolerance)]);
  report.table('Largest relative errors', ['operation', 'largest', 'allowed'], rows);
}

export async function run(report, { device, emulated }) {
  await loadPackage();
  const { checks, leftOut } = await plannedChecks(device, emulated);
  const before = report.checked;
  if (leftOut > 0 && before.size === 0) {
    report.fact('left out', `${leftOut} larger rows, since the device is emulated`);
  }
  // Of the processes before this one too; JSON has no infinity.
  const worst = new Map(
    report.get('worst')?.map(([op, [error, ...of]]) => [op, [error ?? Infinity, ...of]]),
  );
  for (const { name, op, tolerance, errors } of checks) {
    if (before.has(name)) continue;
    report.cursor(name);
    try {
      const found = await errors();
      const off = found.filter(([, error]) => !(error <= tolerance));
      const most = found.reduce((largest, [, error]) => Math.max(largest, error), 0);
      worst.set(op, [Math.max(worst.get(op)?.[0] ?? 0, most), tolerance]);
      writeWorst(report, worst);
      const detail = (off.length > 0 ? off : found).map(
        ([output, error]) => `${output} ${shown(error)}`,
      );
      report.check(name, off.length === 0, `${detail.join(', ')}; allowed ${tolerance}`);
    } catch (error) {
      report.check(name, false, `${error.code ?? error.name}: ${error.message}`.slice(0, 500));
      if (error.code === 'ERR_NN_DEVICE_FAILED') process.exit(restart);
    }
  }
}
