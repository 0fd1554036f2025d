/**
 * Owns the comparison of recorded runs with eager ones, bit for bit: two programs from the same
 * weights take the same steps, one of them calling its kernels one by one in each.
 */
import { openTraining } from './training.mjs';

const bits = (array) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
const same = (a, b) => Buffer.compare(bits(a), bits(b)) === 0;

/** The outputs of each of `steps` steps, and what the parameters and the state are after them. */
async function train(inside, target, steps) {
  const training = await openTraining(inside, target);
  try {
    const outputs = [];
    for (let step = 0; step < steps; step++) outputs.push(await training.run());
    return { outputs, values: await training.read() };
  } finally {
    await training.dispose();
  }
}

/**
 * Compares `steps` steps, of which the first is called one by one by both, and the second recorded.
 *
 * @returns What differs: names, with their step where it is an output; empty where every bit agrees.
 */
export async function compareReplays(inside, { steps, ...options }) {
  const target = { ...options, deterministic: true };
  const recorded = await train(inside, target, steps);
  const eager = await train(inside, { ...target, recorded: false }, steps);
  const outputs = recorded.outputs.flatMap((all, step) =>
    Object.entries(all)
      .filter(([name, value]) => !same(value, eager.outputs[step][name]))
      .map(([name]) => `step ${step + 1}: ${name}`),
  );
  const values = [...recorded.values].filter(
    ([name, value]) => !same(value, eager.values.get(name)),
  );
  return [...outputs, ...values.map(([name]) => name)];
}
