/** Owns the section on memory: the peak resident set of a training process of each side. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Peer, type PeerSettings } from './peer.js';
import type { Measure } from './report.js';
import type { Bench, Subject } from './speed.js';

const child = fileURLToPath(new URL('memory-child.js', import.meta.url));
const steps = 3;

/** `settings` are those that the peer of the other sections found fastest. */
export async function measureMemory(
  { options: { threads } }: Bench,
  subject: Subject,
  settings: PeerSettings | undefined,
): Promise<Measure[]> {
  const { name, batch } = subject;
  const args = [child, name, threads, batch, steps].map(String);
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const ours = Number(stdout) / 2 ** 20;
  const peer = settings && (await peerPeak(threads, subject, settings));
  return [
    {
      name: `${name} peak memory of training, batch ${batch}`,
      unit: 'MiB',
      value: ours,
      peer_value: peer ?? null,
      ratio: peer === undefined ? null : peer / ours,
    },
  ];
}

async function peerPeak(
  threads: number,
  { network, batch }: Subject,
  settings: PeerSettings,
): Promise<number> {
  await using peer = await Peer.start(threads);
  await peer.network(network);
  await peer.use(settings);
  return (await peer.memory(batch, steps)) / 2 ** 20;
}
