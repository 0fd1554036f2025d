/**
 * Runs every kernel of the backend a few times, for compute-sanitizer to watch: small networks with
 * each kind of layer, both optimizers, every precision, eager, recorded and replayed. A program of
 * its own: `node exercise.mjs cuda:0`.
 */
import { loadPackage } from './inside.mjs';
import { openTraining } from './training.mjs';

const cases = [
  { network: 'medley', batch: 5, optimizer: 'adam' },
  { network: 'medley', batch: 5, optimizer: 'sgd', pooling: 'library' },
  { network: 'lenet', batch: 8, optimizer: 'adam' },
  { network: 'alexnet', batch: 2, optimizer: 'adam' },
];

/** Runs each case on a device and gives its last loss, by the case's name. */
export async function exercise(inside, device, chosen = cases) {
  const losses = new Map();
  for (const precision of ['f32', 'tf32', 'bf16']) {
    for (const options of chosen) {
      const training = await openTraining(inside, { ...options, device, precision });
      try {
        let outputs;
        for (let step = 0; step < 4; step++) outputs = await training.run();
        const { network, optimizer } = options;
        losses.set(`${network}, ${optimizer}, ${precision}`, outputs.loss[0]);
      } finally {
        await training.dispose();
      }
    }
  }
  return losses;
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const losses = await exercise(await loadPackage(), process.argv[2] ?? 'cuda:0');
  for (const [name, loss] of losses) console.log(`${name}: ${loss}`);
  if ([...losses.values()].some((loss) => !Number.isFinite(loss))) process.exitCode = 1;
}
