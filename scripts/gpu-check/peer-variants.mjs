/** Owns which of PyTorch's ways to run a training step are timed, and in which order. */
import { join } from 'node:path';
import { settled } from './measure.mjs';
import { milliseconds } from './numbers.mjs';
import { startPeer } from './peer.mjs';

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

/**
 * Times the variants that there is time for, each noted as it comes; `rows`, of each precision, get the
 * fastest, and `onRow` is called when one has.
 */
export async function timePeer(report, rows, sizes, { device, python, out, deadline }, onRow) {
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
          onRow();
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
