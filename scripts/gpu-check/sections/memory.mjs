/** 200 steps: the device's memory and the process's do not grow, and a program gives back what it took. */
import { loadPackage } from '../inside.mjs';
import { sizesOf } from '../measure.mjs';
import { openTraining } from '../training.mjs';

const steps = 200;
const mib = 1024 * 1024;
/** The device's own granularity is 2 MiB; the process's memory moves with the garbage collector. */
const mostGrowth = { device: 8 * mib, process: 48 * mib };

const shown = (bytes) => `${(bytes / mib).toFixed(1)} MiB`;

export async function run(report, options) {
  const { device } = options;
  const inside = await loadPackage();
  const { network, batch } = sizesOf(options);
  const free = () => inside.package.devices().find(({ name }) => name === device).availableMemory;
  const target = { device, network, batch, precision: 'bf16' };

  // Libraries load their code at first use, and keep it.
  const first = await openTraining(inside, target);
  for (let step = 0; step < 5; step++) await first.run();
  await first.dispose();
  const before = free();

  const training = await openTraining(inside, target);
  const plan = training.plan();
  report.fact(
    'planned',
    `${shown(plan.arenaBytes)} arena, ${shown(plan.persistentBytes)} parameters and state`,
  );
  const samples = [];
  try {
    for (let step = 1; step <= steps; step++) {
      await training.run();
      if (step % 5 === 0) samples.push({ step, free: free(), resident: process.memoryUsage.rss() });
    }
  } finally {
    await training.dispose();
  }
  const after = free();
  /** The least of a quarter of the samples: what is not garbage. */
  const resident = (from, to) => Math.min(...samples.slice(from, to).map((each) => each.resident));
  const count = samples.length;
  const growth = {
    device: samples[1].free - samples[count - 1].free,
    process: resident((3 * count) / 4, count) - resident(count / 4, count / 2),
    left: before - after,
  };
  report.data('samples', samples);
  const add = (name, bytes, most) =>
    report.check(name, bytes <= most, `${shown(bytes)}; allowed ${shown(most)}`);
  add(`the device's memory over ${steps} steps of ${network}`, growth.device, mostGrowth.device);
  add(
    `the process's memory over the second ${steps / 2} of them`,
    growth.process,
    mostGrowth.process,
  );
  add('what a disposed program leaves behind', growth.left, mostGrowth.device);
}
