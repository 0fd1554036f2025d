/**
 * Owns the measurements: a GPU's peaks where no data sheet is in the table, the training step in
 * turns with PyTorch's, and each kernel beside its floor.
 */
import { costsOfPlan, floorOf, sumOf } from './costs.mjs';
import { peaksOf } from './peaks.mjs';
import { openTraining, timeSteps } from './training.mjs';

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Milliseconds of the one kernel of `op` in a program that applies it to inputs of these shapes. */
async function timeOperation({ GraphBuilder, finish, native }, op, shapes, attrs, target) {
  const builder = new GraphBuilder();
  const inputs = Object.entries(shapes).map(([name, shape]) =>
    // Parameters stay on the device, so that no upload is timed.
    builder.named('parameter', name, 'f32', shape),
  );
  const [output] = builder.apply(op, inputs, attrs, { name: op, phase: 'forward' });
  const program = await native.compile(finish(builder, new Map([['y', output]])), target);
  try {
    const steps = await program.profile({}, 9);
    return steps.find((step) => step.op === op).medianMs;
  } finally {
    await program.dispose();
  }
}

/**
 * The peaks of a GPU: the data sheet's, or measured by an addition of long vectors (three passes
 * over memory) and by square matrix products in each precision.
 */
export async function findPeaks(inside, device, { elements = 1 << 26, edge = 8192 } = {}) {
  const known = device.emulated ? undefined : peaksOf(device.model);
  if (known !== undefined) return known;
  const target = { device: device.name };
  const rows = [elements / 1024, 1024];
  const copyMs = await timeOperation(inside, 'add', { a: rows, b: rows }, {}, target);
  const flops = {};
  for (const precision of ['f32', 'tf32', 'bf16']) {
    const square = [edge, edge];
    const attrs = { transposeA: false, transposeB: true, alpha: 1 };
    const shapes = { a: square, b: square };
    const ms = await timeOperation(inside, 'gemm', shapes, attrs, { ...target, precision });
    flops[precision] = (2 * edge ** 3) / (ms / 1e3);
  }
  return {
    source: 'measured here: addition of vectors, square matrix products',
    bandwidth: (12 * elements) / (copyMs / 1e3),
    flops,
  };
}

/** Each kernel of a step with its time, its floor, and how near it comes. */
async function measureKernels({ operations }, training, { precision, rounds }, peaks) {
  const kernels = await training.profile(rounds);
  const costs = costsOfPlan(training.graph, kernels, operations, precision);
  const rows = kernels.map(({ name, op, phase, kernel, medianMs }, index) => {
    const floor = costs[index] === undefined ? undefined : floorOf(costs[index], peaks, precision);
    const row = { name, op, phase, kernel, ms: medianMs };
    if (floor === undefined) return { ...row, floorMs: null, bound: null, ratio: null };
    return { ...row, floorMs: floor.ms, bound: floor.bound, ratio: medianMs / floor.ms };
  });
  return {
    rows,
    total: floorOf(sumOf(costs.filter((cost) => cost !== undefined)), peaks, precision),
  };
}

/**
 * The training step in one precision: ours and the peer's in turns, and our kernels.
 *
 * @param {{ ask: (request: object) => Promise<object> } | undefined} peer
 */
export async function measureStep(inside, options, peaks, peer) {
  const { device, network, batch, precision, rounds, stepsPerRound } = options;
  const target = { device: device.name, network, batch, precision, autotune: options.autotune };
  const training = await openTraining(inside, target);
  try {
    await timeSteps(training, 3); // eager, recorded, replayed
    const variant = await peer?.ask({
      cmd: 'prepare',
      device: device.name,
      network,
      batch,
      precision,
      steps: stepsPerRound,
    });
    const ours = [];
    const theirs = [];
    for (let round = 0; round < rounds; round++) {
      ours.push(await timeSteps(training, stepsPerRound));
      if (peer !== undefined)
        theirs.push((await peer.ask({ cmd: 'time', steps: stepsPerRound })).ms);
    }
    const { rows, total } = await measureKernels(inside, training, options, peaks);
    const ms = median(ours);
    const peerMs = peer === undefined ? null : median(theirs);
    return {
      network,
      precision,
      batch,
      ms,
      peerMs,
      peerVariant: variant?.variant ?? null,
      ratio: peerMs === null ? null : peerMs / ms,
      arithmeticMs: total.arithmeticMs,
      memoryMs: total.memoryMs,
      kernels: rows,
    };
  } finally {
    await training.dispose();
  }
}
