/**
 * The recorded training step with cuDNN's plans timed (`autotune`) instead of taken by its heuristics.
 * Timing builds every plan that cuDNN has, which may take long: hence a section of its own, with the
 * precision that gains most first.
 */
import { loadPackage } from '../inside.mjs';
import { measureStep, precisions, sizesOf } from '../measure.mjs';
import { milliseconds } from '../numbers.mjs';
import { peaksOf } from '../peaks.mjs';

export async function run(report, options) {
  const { device, model } = options;
  const inside = await loadPackage();
  const { network, batch, rounds, steps, warmMs } = sizesOf(options);
  const peaks = options.peaks ?? peaksOf(model);
  const target = { device, network, batch, rounds, steps, warmMs, recorded: true, autotune: true };
  const rows = [];
  for (const precision of precisions.toReversed()) {
    const started = performance.now();
    const { ms, loss } = await measureStep(inside, { ...target, precision }, peaks);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    report.check(`${network} in ${precision} trains`, Number.isFinite(loss), `loss ${loss}`);
    rows.push([precision, milliseconds(ms), ((batch * 1000) / ms).toFixed(0), seconds]);
    const head = ['precision', 'recorded, ms', 'images/s', 'seconds to time and measure'];
    report.table(`Training step of ${network}, batch ${batch}, plans timed`, head, rows);
    report.data(precision, { ms });
  }
}
