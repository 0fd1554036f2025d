/**
 * Owns our side of the measurements: a GPU's peaks, the time of a training step, and each kernel beside
 * its floor.
 */
import { costsOfPlan, floorOf, sumOf } from './costs.mjs';
import { median } from './numbers.mjs';
import { openTraining, timeSteps } from './training.mjs';

export const precisions = ['f32', 'tf32', 'bf16'];

/** What is measured: the founding network, or, where times say nothing, a small one. */
export function sizesOf({ emulated }) {
  return emulated
    ? { network: 'lenet', batch: 2, rounds: 1, steps: 3, warmMs: 0, peaks: { rows: 16, edge: 16 } }
    : {
        network: 'alexnet',
        batch: 128,
        rounds: 5,
        steps: 20,
        warmMs: 500,
        peaks: { rows: 1 << 16, edge: 8192 },
      };
}

/**
 * The median of what `time` gives in `rounds` calls, and in as many more as fill `leastMs`, after calls
 * for `warmMs`: the clocks of an idle GPU take a while to rise.
 */
export async function settled(time, { rounds, warmMs, leastMs = 0, onWarm = () => {} }) {
  const warmed = performance.now() + warmMs;
  while (performance.now() < warmed) await time();
  onWarm();
  const started = performance.now();
  const found = [];
  while (found.length < rounds || performance.now() - started < leastMs) found.push(await time());
  return median(found);
}

/** Numbers that are no constant: products of zeros take less power, and less time. */
function numbers(count) {
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) values[i] = Math.imul(i, 0x9e3779b1) / 2 ** 31;
  return values;
}

/** Milliseconds of the one kernel of `op` in a program that applies it to inputs of equal shapes. */
async function timeOperation({ GraphBuilder, finish, native }, op, shapes, attrs, target) {
  const builder = new GraphBuilder();
  const [given] = Object.keys(shapes);
  const inputs = Object.entries(shapes).map(([name, shape]) =>
    // What reads nothing but parameters runs once and is not timed.
    builder.named(name === given ? 'input' : 'parameter', name, 'f32', shape),
  );
  const [output] = builder.apply(op, inputs, attrs, { name: op, phase: 'forward' });
  const program = await native.compile(finish(builder, new Map([['y', output]])), target);
  try {
    const [[rows, columns]] = Object.values(shapes);
    const values = numbers(rows * columns);
    for (const name of Object.keys(shapes)) {
      if (name !== given) await program.write(name, values);
    }
    const steps = await program.profile({ [given]: values }, 15);
    // Where a clock is too coarse for a small imitation's work, there is still no infinite peak.
    return Math.max(steps.find((step) => step.op === op).medianMs, 1e-6);
  } finally {
    await program.dispose();
  }
}

/**
 * What a device reaches: square matrix products in each precision, and an addition of long vectors,
 * which passes over memory three times.
 *
 * @param {string} device
 * @param {{ rows: number, edge: number }} sizes Vectors of 1024 times `rows` elements.
 * @returns {Promise<import('./peaks.mjs').Peaks>}
 */
export async function measurePeaks(inside, device, { rows, edge }) {
  const flops = {};
  for (const precision of precisions) {
    const square = [edge, edge];
    const attrs = { transposeA: false, transposeB: true, alpha: 1 };
    const target = { device, precision };
    const ms = await timeOperation(inside, 'gemm', { a: square, b: square }, attrs, target);
    flops[precision] = (2 * edge ** 3) / (ms / 1e3);
  }
  // Last, so that the clocks have risen.
  const vector = [rows, 1024];
  const ms = await timeOperation(inside, 'add', { a: vector, b: vector }, {}, { device });
  return { source: 'measured here', bandwidth: (12 * 1024 * rows) / (ms / 1e3), flops };
}

/** Peaks in words. */
export function peaksText({ source, bandwidth, flops }) {
  const tflops = Object.entries(flops).map(
    ([name, value]) => `${name} ${(value / 1e12).toFixed(1)}`,
  );
  return `${(bandwidth / 1e12).toFixed(2)} TB/s; TFLOP/s: ${tflops.join(', ')} (${source})`;
}

/** A shorter time is over before nvidia-smi has looked twice. */
const leastWatchedMs = 2000;

/**
 * The time of one training step, and the least that it can take.
 *
 * `watch`, where given, is called when all is warm, and what it returns when the steps are over; its
 * answer is `watched`.
 *
 * @param {{ device: string, network: string, batch: number, precision: string, recorded: boolean,
 *   autotune?: boolean, rounds: number, steps: number, warmMs: number }} options
 * @param {import('./peaks.mjs').Peaks} [peaks]
 * @param {() => () => Promise<T>} [watch]
 * @returns {Promise<{ ms: number, loss: number, floor: ReturnType<typeof floorOf>, watched?: T }>}
 */
export async function measureStep(inside, { rounds, steps, warmMs, ...target }, peaks, watch) {
  const training = await openTraining(inside, target);
  try {
    await timeSteps(training, 3); // called, recorded, replayed
    let stop;
    const leastMs = watch === undefined ? 0 : leastWatchedMs;
    const onWarm = () => {
      stop = watch?.();
    };
    const time = () => timeSteps(training, steps);
    const ms = await settled(time, { rounds, warmMs, leastMs, onWarm });
    const watched = await stop?.();
    const { loss } = await training.run();
    const { graph } = training;
    const costs = costsOfPlan(graph, training.plan().steps, inside.operations, target.precision);
    const known = costs.filter((cost) => cost !== undefined);
    const floor = floorOf(sumOf(known), peaks, target.precision);
    return { ms, watched, loss: loss[0], floor };
  } finally {
    await training.dispose();
  }
}

/** Each kernel of a step with its time, its floor, and how near it comes; a reorder has no floor. */
export async function measureKernels(inside, { rounds, warmMs, ...target }, peaks) {
  const training = await openTraining(inside, target);
  try {
    await settled(() => timeSteps(training, 3), { rounds: 1, warmMs });
    const kernels = await training.profile(rounds);
    const costs = costsOfPlan(training.graph, kernels, inside.operations, target.precision);
    return kernels.map(({ name, op, phase, kernel, medianMs }, index) => {
      const row = { name, op, phase, kernel, ms: medianMs };
      if (costs[index] === undefined) return { ...row, floorMs: null, bound: null, ratio: null };
      const floor = floorOf(costs[index], peaks, target.precision);
      const ratio = floor.ms > 0 ? medianMs / floor.ms : null;
      return { ...row, floorMs: floor.ms, bound: floor.bound, ratio };
    });
  } finally {
    await training.dispose();
  }
}
