/**
 * The time of a training step in each precision, called and recorded, with power and clocks meanwhile;
 * beside the least it can take; and PyTorch's, in the variants that it has, each in turn.
 */
import { loadPackage } from '../inside.mjs';
import { measureStep, precisions, sizesOf } from '../measure.mjs';
import { milliseconds, times } from '../numbers.mjs';
import { peaksOf } from '../peaks.mjs';
import { timePeer } from '../peer-variants.mjs';
import { watchPower } from '../power.mjs';

const powerText = ({ reason, watts, smMHz, memoryMHz, celsius }) =>
  reason ?? `${watts} W, SM ${smMHz} MHz, memory ${memoryMHz} MHz, ${celsius} °C`;

function writeSteps(report, rows, { network, batch }) {
  const head = [
    'precision',
    'called one by one, ms',
    'recorded, ms',
    'images/s',
    "PyTorch's fastest, ms",
    'PyTorch / recorded',
    'floor: arithmetic, ms',
    'floor: memory, ms',
  ];
  const table = rows.map(({ precision, eager, recorded, peerMs, floor }) => [
    precision,
    milliseconds(eager),
    milliseconds(recorded),
    ((batch * 1000) / recorded).toFixed(0),
    milliseconds(peerMs),
    times(peerMs === null ? null : peerMs / recorded),
    milliseconds(floor.arithmeticMs),
    milliseconds(floor.memoryMs),
  ]);
  report.table(`Training step of ${network}, batch ${batch}`, head, table);
  report.data('steps', rows);
}

export async function run(report, options) {
  const { device, model, emulated, python } = options;
  const inside = await loadPackage();
  const sizes = sizesOf(options);
  const { network, batch, rounds, steps, warmMs } = sizes;
  const peaks = options.peaks ?? peaksOf(model);
  const rows = [];
  for (const precision of precisions) {
    const target = { device, network, batch, precision, rounds, steps, warmMs };
    const eager = await measureStep(inside, { ...target, recorded: false }, peaks);
    const watch = emulated ? undefined : watchPower;
    const recorded = await measureStep(inside, { ...target, recorded: true }, peaks, watch);
    const power = recorded.watched;
    if (power !== undefined)
      report.fact(`power and clocks, recorded, ${precision}`, powerText(power));
    report.check(
      `${network} in ${precision} trains`,
      Number.isFinite(eager.loss) && Number.isFinite(recorded.loss),
      `losses ${eager.loss}, ${recorded.loss}`,
    );
    rows.push({
      precision,
      eager: eager.ms,
      recorded: recorded.ms,
      peerMs: null,
      peerVariant: null,
      floor: recorded.floor,
      power: power ?? null,
    });
    writeSteps(report, rows, sizes);
  }
  if (emulated) {
    report.fact('PyTorch, power and clocks', 'not applicable: the device is emulated');
  } else if (python === null || python.torch === null) {
    report.fact('PyTorch', 'not measured: no python3 has it');
  } else await timePeer(report, rows, sizes, options, () => writeSteps(report, rows, sizes));
}
