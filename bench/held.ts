/**
 * Owns the section on the event loop: how long the calls of the package hold it, each in fresh
 * processes of its own (held-child.ts), medians of as many as there are rounds.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { median } from './measure.js';
import type { Options } from './options.js';
import type { Measure } from './report.js';

const child = fileURLToPath(new URL('held-child.js', import.meta.url));

export async function measureHolds({ rounds }: Options): Promise<Measure[]> {
  const measures: Measure[] = [];
  for (const name of (await run()) as string[]) {
    const times: number[] = [];
    for (let round = 0; round < rounds; round++) times.push((await run(name)) as number);
    const value = median(times);
    measures.push({ name, unit: 'ms', value, peer_value: null, ratio: null });
  }
  return measures;
}

async function run(...args: string[]): Promise<unknown> {
  const { stdout } = await promisify(execFile)(process.execPath, [child, ...args]);
  return JSON.parse(stdout);
}
