/** Each kernel of a training step beside its floor; those that lose most time come first. */
import { loadPackage } from '../inside.mjs';
import { measureKernels, precisions, sizesOf } from '../measure.mjs';
import { milliseconds, times } from '../numbers.mjs';
import { peaksOf } from '../peaks.mjs';

const head = ['kernel', 'of', 'phase', 'algorithm', 'ms', 'floor, ms', 'set by', 'time / floor'];
const loss = ({ ms, floorMs }) => ms - (floorMs ?? 0);

export async function run(report, options) {
  const { device, model } = options;
  const inside = await loadPackage();
  const { network, batch, rounds, warmMs } = sizesOf(options);
  const peaks = options.peaks ?? peaksOf(model);
  for (const precision of precisions) {
    const target = { device, network, batch, precision, rounds: 4 * rounds, warmMs };
    const kernels = await measureKernels(inside, target, peaks);
    const sum = kernels.reduce((total, { ms }) => total + ms, 0);
    const floor = kernels.reduce((total, { floorMs }) => total + (floorMs ?? 0), 0);
    report.fact(
      `${network}, batch ${batch}, in ${precision}`,
      `${kernels.length} kernels, ${milliseconds(sum)} ms together; floors ${milliseconds(floor)} ms`,
    );
    // Only reorders are nobody's.
    const unknown =
      peaks === undefined
        ? []
        : kernels.filter(({ op, floorMs }) => floorMs === null && op !== 'reorder');
    const isTimed = kernels.every(({ ms }) => Number.isFinite(ms) && ms >= 0);
    report.check(
      `every kernel in ${precision} has a time and a floor`,
      kernels.length > 0 && unknown.length === 0 && isTimed,
      unknown.map(({ op, name }) => `${op} ${name}`).join(', '),
    );
    const rows = kernels
      .toSorted((a, b) => loss(b) - loss(a))
      .map(({ op, name, phase, kernel, ms, floorMs, bound, ratio }) => [
        op,
        name === '' ? '-' : name,
        phase,
        kernel,
        milliseconds(ms),
        milliseconds(floorMs),
        bound ?? '-',
        times(ratio),
      ]);
    report.table(`Kernels in ${precision}`, head, rows);
    report.data(precision, kernels);
  }
}
