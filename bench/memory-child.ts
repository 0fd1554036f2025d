/**
 * A training process of its own, of which only the peak memory counts:
 * `node memory-child.js THREADS BATCH STEPS` prints its largest resident set in bytes.
 */
import { setNumThreads } from 'neuronode';
import { peakBytes } from './machine.js';
import { Training } from './ours.js';

const [threads, batch, steps] = process.argv.slice(2).map(Number) as [number, number, number];
setNumThreads(threads);
await using training = await Training.create(batch);
for (let step = 0; step < steps; step++) await training.step();
console.log(peakBytes());
