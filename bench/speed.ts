/** Owns the sections that time AlexNet against PyTorch: step, inference, primitives. */
import { interleave, median, type Run } from './measure.js';
import type { Options } from './options.js';
import { Inference, type KernelTime, type Phase, sumOf, Training } from './ours.js';
import type { Peer, Unit } from './peer.js';
import type { Measure, Timing } from './report.js';

const phases: readonly Phase[] = ['forward', 'backward', 'optimizer'];

/** What the sections measure with. */
export interface Bench {
  readonly options: Options;
  readonly peer: Peer | undefined;
  /** 'PyTorch 2.15.0', or null without a peer. */
  readonly peerName: string | null;
  readonly subject: string;
}

function timing(
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
export async function timeSteps(bench: Bench): Promise<Timing[]> {
  const { batch, rounds } = bench.options;
  await using training = await Training.create(batch);
  const step = () => training.step();
  const whole = await interleave(step, peerRun(bench, 'step', batch), rounds, 2);
  const timings = [timing(bench, 'training step', batch, whole)];

  // One profiled step of ours, then one run of each of the peer's parts, and so on.
  const ours = new Map(phases.map((phase) => [phase, [] as number[]]));
  const peers = new Map(phases.map((phase) => [phase, [] as number[]]));
  for (let round = 0; round < rounds; round++) {
    const kernels = await training.profile(1);
    for (const phase of phases) {
      ours.get(phase)!.push(sumOf(kernels, phase));
      const run = peerRun(bench, phase, batch);
      if (run !== undefined) peers.get(phase)!.push(await run());
    }
  }
  for (const phase of phases) {
    const medians = { ours: median(ours.get(phase)!), peer: peerMedian(peers.get(phase)!) };
    timings.push(timing(bench, phase, batch, medians));
  }
  return timings;
}

function peerMedian(times: readonly number[]): number | undefined {
  return times.length === 0 ? undefined : median(times);
}

/** Inference of one image, and of a batch. */
export async function timeInference(bench: Bench): Promise<Timing[]> {
  const timings: Timing[] = [];
  for (const batch of [1, bench.options.batch]) {
    await using inference = await Inference.create(batch);
    const rounds = batch === 1 ? bench.options.rounds * 10 : bench.options.rounds;
    const run = () => inference.run();
    const medians = await interleave(run, peerRun(bench, 'inference', batch), rounds, 2);
    timings.push(timing(bench, 'inference', batch, medians));
  }
  return timings;
}

/** The step against the sum of its kernels, each timed alone: what the program itself costs. */
export async function timePrimitives({ options }: Bench): Promise<Measure[]> {
  await using training = await Training.create(options.batch);
  await training.step();
  const wholes: number[] = [];
  const sums: number[] = [];
  let kernels: readonly KernelTime[] = [];
  for (let round = 0; round < options.rounds; round++) {
    wholes.push(await training.step());
    kernels = await training.profile(1);
    sums.push(sumOf(kernels));
  }
  printKernels(kernels);
  const value = median(wholes) / median(sums);
  const name = `training step of ${options.batch} / sum of its kernels`;
  return [{ name, unit: 'ratio', value, peer_value: null, ratio: null }];
}

function printKernels(kernels: readonly KernelTime[]): void {
  console.log('\nkernels of one training step, in order:');
  for (const { name, op, phase, kernel, medianMs } of kernels) {
    const time = medianMs.toFixed(2).padStart(9);
    console.log(`${time} ms  ${phase.padEnd(9)}  ${op.padEnd(20)}  ${name.padEnd(16)}  ${kernel}`);
  }
}
