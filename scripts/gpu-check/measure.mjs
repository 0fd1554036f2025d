/**
 * Owns our side of the measurements: a GPU's peaks where no data sheet is in the table, the time of a
 * training step, and each kernel beside its floor.
 */
import { costsOfPlan, floorOf, sumOf } from './costs.mjs';
import { median } from './numbers.mjs';
import { peaksOf } from './peaks.mjs';
import { openTraining, timeSteps } from './training.mjs';

export const precisions = ['f32', 'tf32', 'bf16'];

/** What is measured: the founding network, or, where times say nothing, a small one. */
export function sizesOf({ emulated }) {
  return emulated
    ? { network: 'lenet', batch: 2, rounds: 1, steps: 3, peaks: { elements: 1 << 14, edge: 16 } }
    : { network: 'alexnet', batch: 128, rounds: 5, steps: 20 };
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
 *
 * @param {{ device: string, emulated: boolean, model: string }} of
 * @returns {Promise<import('./peaks.mjs').Peaks>}
 */
export async function findPeaks(inside, { device, emulated, model }, sizes = {}) {
  const known = emulated ? undefined : peaksOf(model);
  if (known !== undefined) return known;
  const { elements = 1 << 26, edge = 8192 } = sizes;
  const rows = [elements / 1024, 1024];
  const copyMs = await timeOperation(inside, 'add', { a: rows, b: rows }, {}, { device });
  const flops = {};
  for (const precision of precisions) {
    const square = [edge, edge];
    const attrs = { transposeA: false, transposeB: true, alpha: 1 };
    const shapes = { a: square, b: square };
    const ms = await timeOperation(inside, 'gemm', shapes, attrs, { device, precision });
    flops[precision] = (2 * edge ** 3) / (ms / 1e3);
  }
  return {
    source: 'measured here: addition of vectors, square matrix products',
    bandwidth: (12 * elements) / (copyMs / 1e3),
    flops,
  };
}

/** Peaks in words. */
export function peaksText({ source, bandwidth, flops }) {
  const tflops = Object.entries(flops).map(
    ([name, value]) => `${name} ${(value / 1e12).toFixed(1)}`,
  );
  return `${(bandwidth / 1e12).toFixed(2)} TB/s; TFLOP/s: ${tflops.join(', ')} (${source})`;
}

/** A shorter time is over before the clocks have settled, and nvidia-smi has looked twice. */
const leastWatchedMs = 2000;

/**
 * The time of one training step, and the least that it can take.
 *
 * `watch`, where given, is called when all is warm, and what it returns when the steps are over; its
 * answer is `watched`.
 *
 * @param {{ device: string, network: string, batch: number, precision: string, recorded: boolean,
 *   rounds: number, steps: number }} options
 * @param {() => () => Promise<T>} [watch]
 * @returns {Promise<{ ms: number, loss: number, floor: ReturnType<typeof floorOf>, watched?: T }>}
 */
export async function measureStep(inside, { rounds, steps, ...target }, peaks, watch) {
  const training = await openTraining(inside, { ...target, autotune: true });
  try {
    await timeSteps(training, 3); // called, recorded, replayed
    const stop = watch?.();
    const started = performance.now();
    const isOver = () => stop === undefined || performance.now() - started >= leastWatchedMs;
    const found = [];
    for (let round = 0; round < rounds || !isOver(); round++) {
      found.push(await timeSteps(training, steps));
    }
    const watched = await stop?.();
    const { loss } = await training.run();
    const { graph } = training;
    const costs = costsOfPlan(graph, training.plan().steps, inside.operations, target.precision);
    const known = costs.filter((cost) => cost !== undefined);
    return {
      ms: median(found),
      watched,
      loss: loss[0],
      floor: floorOf(sumOf(known), peaks, target.precision),
    };
  } finally {
    await training.dispose();
  }
}

/** Each kernel of a step with its time, its floor, and how near it comes; a reorder has no floor. */
export async function measureKernels(inside, { rounds, ...target }, peaks) {
  const training = await openTraining(inside, { ...target, autotune: true });
  try {
    await timeSteps(training, 3);
    const kernels = await training.profile(Math.max(rounds, 3));
    const costs = costsOfPlan(training.graph, kernels, inside.operations, target.precision);
    return kernels.map(({ name, op, phase, kernel, medianMs }, index) => {
      const row = { name, op, phase, kernel, ms: medianMs };
      if (costs[index] === undefined) return { ...row, floorMs: null, bound: null, ratio: null };
      const floor = floorOf(costs[index], peaks, target.precision);
      const ratio = floor.ms === 0 ? null : medianMs / floor.ms;
      return { ...row, floorMs: floor.ms, bound: floor.bound, ratio };
    });
  } finally {
    await training.dispose();
  }
}
