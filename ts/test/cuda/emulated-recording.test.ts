/**
 * NEURONODE_CUDA_GRAPHS, by which the check on a GPU compares recorded steps with called ones: a
 * device whose launches of graphs fail trains where it is off, and does not where it is not.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const folder = new URL('../../../scripts/gpu-check/', import.meta.url).href;

/** Trains a few steps in a process whose device refuses to launch graphs. */
function train(recorded: boolean) {
  const script = `
    const { loadPackage } = await import('${folder}inside.mjs');
    const { openTraining } = await import('${folder}training.mjs');
    const options = { device: 'cuda:0', network: 'lenet', batch: 2, precision: 'f32' };
    const training = await openTraining(await loadPackage(), { ...options, recorded: ${recorded} });
    const losses = [];
    try {
      for (let step = 0; step < 4; step++) losses.push((await training.run()).loss[0]);
    } catch (error) {
      losses.push(error.message);
    }
    console.log(JSON.stringify({ losses, left: process.env.NEURONODE_CUDA_GRAPHS ?? null }));`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    cwd: fileURLToPath(new URL('../../../', import.meta.url)),
    encoding: 'utf8',
    env: { ...process.env, NEURONODE_EMULATED_FAULT: 'cudaGraphLaunch:1' },
  });
  expect(stderr).toBe('');
  return JSON.parse(stdout) as { losses: (number | string)[]; left: string | null };
}

test('without recording no graph is launched, and the environment is as it was', () => {
  const { losses, left } = train(false);
  expect(losses.map((loss) => typeof loss)).toEqual(Array(4).fill('number'));
  expect(left).toBeNull();
});

test('with it the second step is one', () => {
  const { losses } = train(true);
  expect(losses).toEqual([expect.any(Number), expect.stringContaining('cudaGraphLaunch')]);
});
