/**
 * A training process of its own, of which only the peak memory counts:
 * `node memory-child.js NETWORK THREADS BATCH STEPS` prints its largest resident set in bytes.
 */
import { setNumThreads } from 'neuronode';
import { peakBytes } from './machine.js';
import { type NetworkName, networks } from './networks.js';
import { Training } from './ours.js';

const [name, ...counts] = process.argv.slice(2) as [NetworkName, ...string[]];
const [threads, batch, steps] = counts.map(Number) as [number, number, number];
setNumThreads(threads);
await using training = await Training.create(networks[name], batch);
for (let step = 0; step < steps; step++) await training.step();
console.log(peakBytes());
