/**
 * Owns the comparison of recorded runs with eager ones, bit for bit. A program's first run is eager
 * and its later ones replay the recording: so each step of one long-lived program is compared with
 * the first run of a new program that was given the same parameters and state.
 */
import { openTraining } from './training.mjs';

const bits = (array) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
const same = (a, b) => Buffer.compare(bits(a), bits(b)) === 0;

function differences(step, [replayed, eager], [outputs, eagerOutputs]) {
  const names = [...replayed.keys()].filter((name) => !same(replayed.get(name), eager.get(name)));
  for (const [name, value] of Object.entries(outputs)) {
    if (!same(value, eagerOutputs[name])) names.push(name);
  }
  return names.map((name) => `step ${step}: ${name}`);
}

/**
 * Compares `steps` steps.
 *
 * @returns What differs: names with their step, empty where every bit agrees.
 */
export async function compareReplays(inside, { steps, ...options }) {
  const found = [];
  const target = { ...options, deterministic: true };
  const replayed = await openTraining(inside, target);
  try {
    await replayed.runStep(1); // eager
    for (let step = 2; step <= steps + 1; step++) {
      found.push(...(await compareStep(inside, target, replayed, step)));
    }
  } finally {
    await replayed.dispose();
  }
  return found;
}

async function compareStep(inside, target, replayed, step) {
  const before = await replayed.read();
  const outputs = await replayed.runStep(step);
  const eager = await openTraining(inside, target);
  try {
    await eager.write(before);
    const eagerOutputs = await eager.runStep(step);
    const after = [await replayed.read(), await eager.read()];
    return differences(step, after, [outputs, eagerOutputs]);
  } finally {
    await eager.dispose();
  }
}
