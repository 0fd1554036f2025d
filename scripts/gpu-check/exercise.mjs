/**
 * Runs every kernel of the backend a few times, for compute-sanitizer to watch: small networks with
 * each kind of layer, both optimizers, every precision, called, recorded and replayed. A program of
 * its own: `node exercise.mjs cuda:0 quick 1700000000000`, which takes no step after that time.
 */
import { loadPackage } from './inside.mjs';
import { openTraining } from './training.mjs';

const precisions = ['f32', 'tf32', 'bf16'];
const medley = { network: 'medley', batch: 5, optimizer: 'adam' };
const lenet = { network: 'lenet', batch: 8, optimizer: 'adam' };
const inAll = (options) => precisions.map((precision) => ({ ...options, precision }));

/** What is trained: a little of each kind, and the rest. */
export const sets = {
  quick: [
    { ...medley, precision: 'f32' },
    { ...medley, optimizer: 'sgd', pooling: 'library', precision: 'bf16' },
    { ...lenet, precision: 'bf16' },
  ],
  rest: [
    ...inAll(medley),
    ...inAll({ ...medley, optimizer: 'sgd', pooling: 'library' }),
    ...inAll(lenet),
    ...inAll({ network: 'alexnet', batch: 2, optimizer: 'adam' }),
  ],
};

const steps = 4;

/** Trains each while there is time, and gives its last loss, by the case's name. */
export async function exercise(inside, device, cases, deadline = Infinity) {
  const losses = new Map();
  for (const options of cases) {
    if (Date.now() >= deadline) break;
    const training = await openTraining(inside, { ...options, device });
    try {
      for (let step = 1; step <= steps && Date.now() < deadline; step++) {
        const { loss } = await training.run();
        const { network, optimizer, precision } = options;
        if (step === steps) losses.set(`${network}, ${optimizer}, ${precision}`, loss[0]);
      }
    } finally {
      await training.dispose();
    }
  }
  return losses;
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const [device, set, deadline] = process.argv.slice(2);
  const losses = await exercise(await loadPackage(), device, sets[set], Number(deadline));
  for (const [name, loss] of losses) console.log(`${name}: ${loss}`);
  console.log(`trained ${losses.size} of ${sets[set].length} to their end`);
  if ([...losses.values()].some((loss) => !Number.isFinite(loss))) process.exitCode = 1;
}
