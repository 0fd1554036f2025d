/** Owns the sections that time a network against PyTorch: step and inference. */
import { interleave, type Run } from './measure.js';
import { type Network, type NetworkName, networks } from './networks.js';
import { batchOf, type Options } from './options.js';
import { Inference, type Phase, sumOf, Training } from './ours.js';
import type { Peer, Unit } from './peer.js';
import type { Timing } from './report.js';

const phases: readonly Phase[] = ['forward', 'backward', 'optimizer'];

/** What the sections measure with. */
export interface Bench {
  readonly options: Options;
  readonly peer: Peer | undefined;
  /** 'PyTorch 2.15.0', or null without a peer. */
  readonly peerName: string | null;
  readonly subject: string;
}

/** The network of a section, which the peer has taken up, and the larger of its batches. */
export interface Subject {
  readonly name: NetworkName;
  readonly network: Network;
  readonly batch: number;
}

export function subjectOf(name: NetworkName, options: Options): Subject {
  const network = networks[name];
  return { name, network, batch: batchOf(network, options) };
}

export function timing(
  { options, peerName, subject }: Bench,
  name: string,
  batch: number,
  medians: { ours: number; peer: number | undefined },
): Timing {
  return {
    name,
    subject,
    peer: peerName,
    batch,
    precision: 'f32',
    threads: options.threads,
    median_ms: medians.ours,
    peer_median_ms: medians.peer ?? null,
    ratio: medians.peer === undefined ? null : medians.peer / medians.ours,
  };
}

function peerRun({ peer }: Bench, unit: Unit, batch: number): Run | undefined {
  return peer && (() => peer.time(unit, batch));
}

/**
 * A whole training step, then its parts. Ours are parts of the real step, where the optimizer's
 * kernels run between those of the backward pass: each is the sum of its kernels' times.
 */
export async function timeSteps(
  bench: Bench,
  { name, network, batch }: Subject,
): Promise<Timing[]> {
  const { rounds } = bench.options;
  await using training = await Training.create(network, batch);
  const compare = async (what: string, unit: Unit, ours: Run) => {
    const medians = await interleave(ours, peerRun(bench, unit, batch), rounds, 2);
    return timing(bench, `${name} ${what}`, batch, medians);
  };
  const timings = [await compare('training step', 'step', () => training.step())];
  for (const phase of phases) {
    const part = async () => sumOf(await training.profile(1), phase);
    timings.push(await compare(phase, phase, part));
  }
  return timings;
}

/** Inference of one image, and of a batch. */
export async function timeInference(
  bench: Bench,
  { name, network, batch: largest }: Subject,
): Promise<Timing[]> {
  const timings: Timing[] = [];
  for (const batch of [1, largest]) {
    await using inference = await Inference.create(network, batch);
    const rounds = batch === 1 ? bench.options.rounds * 10 : bench.options.rounds;
    const run = () => inference.run();
    const medians = await interleave(run, peerRun(bench, 'inference', batch), rounds, 2);
    timings.push(timing(bench, `${name} inference`, batch, medians));
  }
  return timings;
}
