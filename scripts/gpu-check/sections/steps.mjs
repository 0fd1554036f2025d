/**
 * The time of a training step in each precision, called and recorded, with power and clocks meanwhile;
 * beside the least it can take; and PyTorch's, in the variants that it has, each in turn.
 */
import { join } from 'node:path';
import { loadPackage } from '../inside.mjs';
import { measureStep, precisions, settled, sizesOf } from '../measure.mjs';
import { milliseconds, times } from '../numbers.mjs';
import { peaksOf } from '../peaks.mjs';
import { startPeer } from '../peer.mjs';
import { watchPower } from '../power.mjs';

/** PyTorch's ways to run a step, those that are likely to be the fastest first; compiling takes long. */
const variants = [
  { memory_format: 'channels_last', graphed: true, compiled: false },
  { memory_format: 'channels_last', graphed: false, compiled: false },
  { memory_format: 'channels_last', graphed: true, compiled: true },
  { memory_format: 'contiguous', graphed: true, compiled: false },
  { memory_format: 'channels_last', graphed: false, compiled: true },
];
/** It imports itself in many seconds, and compiles in more. */
const mostMs = { info: 60_000, prepare: 30_000, compiled: 60_000 };

const nameOf = ({ memory_format: format, graphed, compiled }) =>
  [format, ...(compiled ? ['compiled'] : []), graphed ? 'CUDA graph' : 'eager'].join(', ');

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

/**
 * Times the variants that there is time for, each noted as it comes; `rows`, of each precision, get the
 * fastest.
 */
export async function timePeer(report, rows, sizes, { device, python, out, deadline }) {
  const log = join(out, 'pytorch.log');
  const left = () => deadline - Date.now() - 3000;
  let peer;
  const found = [];
  const note = (precision, variant, text) => {
    found.push([precision, nameOf(variant), text]);
    report.table("PyTorch's variants", ['precision', 'variant', 'ms'], found);
  };
  const start = async () => {
    peer = startPeer(python.path, log);
    return peer.ask({ cmd: 'info' }, Math.min(mostMs.info, left()));
  };
  try {
    const { version, cuda, cudnn, available } = await start();
    report.fact(
      'PyTorch',
      `${version}, CUDA ${cuda}, cuDNN ${cudnn}, GPU ${available ? 'seen' : 'not seen'}`,
    );
    for (const variant of variants) {
      for (const row of rows) {
        const { precision } = row;
        if (left() < 2000) {
          note(precision, variant, 'not run: the section has no time left');
          continue;
        }
        try {
          if (!peer.isAlive()) await start();
          const { network, batch, steps } = sizes;
          const request = { cmd: 'prepare', device, network, batch, precision, ...variant };
          const limit = variant.compiled ? mostMs.compiled : mostMs.prepare;
          await peer.ask(request, Math.min(limit, left()));
          const time = () => peer.ask({ cmd: 'time', steps }, Math.min(mostMs.prepare, left()));
          const ms = await settled(async () => (await time()).ms, sizes);
          note(precision, variant, milliseconds(ms));
          if (row.peerMs === null || ms < row.peerMs) {
            row.peerMs = ms;
            row.peerVariant = nameOf(variant);
          }
          writeSteps(report, rows, sizes);
        } catch (error) {
          note(precision, variant, `failed: ${error.message.split('\n')[0].slice(0, 200)}`);
          // Its context or its recording may be lost with that; a new process has its own.
          if (/cuda|cublas|cudnn/i.test(error.message)) await peer.end();
        }
      }
    }
  } catch (error) {
    report.fact('PyTorch', `not measured: ${error.message.slice(0, 300)}`);
  } finally {
    await peer?.end();
  }
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
  } else await timePeer(report, rows, sizes, options);
}
