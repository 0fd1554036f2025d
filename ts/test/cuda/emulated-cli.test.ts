/** The training programs on the emulated GPU, on real images: what they say, and that they go on. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../data-support.js';
import { examplePath, startNode } from '../trainer-support.js';

const emulated = 'cuda:0 is EMULATED on the CPU: for tests; slow; no GPU is used';

function train(name: string, ...args: string[]) {
  return startNode([examplePath(name), '--threads', '1', '--workers', '0', ...args]).ended;
}

async function lossesIn(file: string): Promise<number[]> {
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line).loss as number);
}

test('AlexNet trains in bf16, and says plainly that no GPU is used', {
  timeout: 300_000,
}, async () => {
  const dir = await temporaryFolder();
  const { status, stdout, stderr } = await train(
    'train-alexnet',
    ...['--device', 'cuda', '--precision', 'bf16', '--deterministic'],
    ...['--batch-size', '2', '--max-steps', '2', '--checkpoint-dir', dir],
  );
  expect([status, stderr]).toEqual([0, '']);
  const [first, second, third] = stdout.split('\n');
  expect(first).toMatch(/^training on cuda:0 \(.+, compute capability 9\.0, .+\) in bf16$/);
  expect(second).toBe(emulated);
  expect(third).toBe('AlexNet(');
  expect(stdout).toContain('\nstep 2, train_acc: ');
  expect(await readdir(dir)).toEqual(['step-00000002']);
});

test('LeNet takes the same steps as on the CPU, and goes on there', {
  timeout: 120_000,
}, async () => {
  const dir = await temporaryFolder();
  const run = (name: string, device: string, steps: number, ...more: string[]) =>
    train(
      'lenet',
      ...['--device', device, '--algorithm', 'direct', '--batch-size', '16'],
      ...['--max-steps', String(steps), '--metrics', join(dir, `${name}.jsonl`)],
      ...['--checkpoint-dir', join(dir, name), ...more],
    );
  const gpu = await run('gpu', 'auto', 5);
  expect([gpu.status, gpu.stderr]).toEqual([0, '']);
  expect(gpu.stdout).toMatch(/^auto: training on cuda:0 \(/);
  expect(gpu.stdout).toContain(`\n${emulated}\n`);
  const rest = await run('gpu', 'cpu', 5, '--resume', join(dir, 'gpu'));
  expect([rest.status, rest.stderr]).toEqual([0, '']);
  expect(rest.stdout).toMatch(/^training on cpu \(/);
  expect((await run('cpu', 'cpu', 10)).status).toBe(0);
  const wanted = await lossesIn(join(dir, 'cpu.jsonl'));
  const found = await lossesIn(join(dir, 'gpu.jsonl'));
  expect(found).toHaveLength(10);
  for (const [i, loss] of wanted.entries()) {
    expect(Math.abs(found[i]! / loss - 1), `step ${i + 1}`).toBeLessThan(1e-3);
  }
});
