/** Recorded steps against the same steps called kernel by kernel: every bit, in every precision. */
import { loadPackage } from '../inside.mjs';
import { precisions } from '../measure.mjs';
import { compareReplays } from '../replay.mjs';

export async function run(report, { device, emulated }) {
  const inside = await loadPackage();
  const cases = emulated
    ? [{ network: 'lenet', batch: 2, steps: 3 }]
    : [
        { network: 'lenet', batch: 32, steps: 5 },
        { network: 'medley', batch: 5, steps: 5 },
        { network: 'alexnet', batch: 16, steps: 4 },
      ];
  for (const { steps, ...each } of cases) {
    for (const precision of precisions) {
      const found = await compareReplays(inside, { device, precision, steps, ...each });
      const name = `${each.network} in ${precision}, batch ${each.batch}`;
      const detail =
        found.length === 0 ? `${steps} steps` : `other bits: ${found.slice(0, 8).join(', ')}`;
      report.check(name, found.length === 0, detail);
    }
  }
}
