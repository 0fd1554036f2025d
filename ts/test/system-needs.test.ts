/**
 * What the commands need from the system is seen by using it: a program of the right name that does
 * not do its work counts for nothing.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'neuronode-needs-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A program that prints `text` whatever it is asked. */
function program(name: string, text: string): void {
  writeFileSync(join(folder, name), `#!/bin/sh\necho '${text}'\n`);
  chmodSync(join(folder, name), 0o755);
}

/** Runs a script of the repository's in a Node that finds programs on `path` only. */
function run(words: string[], env: NodeJS.ProcessEnv): ReturnType<typeof spawnSync> {
  return spawnSync(process.execPath, words, { cwd: root, env, encoding: 'utf8' });
}

/** The answers of probes, by name. */
function probe(names: string[], env: NodeJS.ProcessEnv): unknown {
  const script = `import * as probes from ${JSON.stringify(`${root}scripts/lib/probes.mjs`)};
    const answers = {};
    for (const name of ${JSON.stringify(names)}) answers[name] = await probes[name]();
    process.stdout.write(JSON.stringify(answers));`;
  const { stdout, stderr } = run(['--input-type=module', '-e', script], env);
  if (String(stdout) === '') throw new Error(String(stderr));
  return JSON.parse(String(stdout));
}

describe('needs of the system', () => {
  // What these tests were built with.
  test('are met here', () => {
    const names = [
      'compilesCpp20',
      'runsCMake',
      'runsNinja',
      'linksOneDnn',
      'linksGoogleTest',
      'decodesFashionMnist',
    ];
    expect(probe(names, process.env)).toEqual(
      Object.fromEntries(names.map((name) => [name, true])),
    );
  });

  test('are not met by programs that only have the names', () => {
    for (const name of ['c++', 'g++', 'ninja', 'clang-format']) program(name, 'hello');
    program('cmake', 'cmake version 3.21.9');
    program('python3', 'pip 20.3 from somewhere');
    const names = [
      'compilesCpp20',
      'runsCMake',
      'runsNinja',
      'linksOneDnn',
      'linksGoogleTest',
      'formatsCpp',
      'runsPip',
    ];
    const answers = probe(names, { PATH: `${folder}:/bin` });
    expect(answers).toEqual(Object.fromEntries(names.map((name) => [name, false])));
  });

  test.each([
    ['-std=c++20', { compilesCpp20: false, linksOneDnn: false }],
    ['-ldnnl', { compilesCpp20: true, linksOneDnn: false }],
  ])('are not met by a compiler that refuses %s', (word, expected) => {
    const shim = join(folder, 'compiler');
    const check = `for each; do test "$each" != ${word} || exit 1; done`;
    writeFileSync(shim, `#!/bin/sh\n${check}\nexec c++ "$@"\n`);
    chmodSync(shim, 0o755);
    const answers = probe(Object.keys(expected), { ...process.env, CXX: shim });
    expect(answers).toEqual(expected);
  });
});

test('check:fresh says what it needs where it cannot run', () => {
  const { status, stderr } = run(['scripts/check-fresh.mjs'], { PATH: folder });
  expect(status).toBe(1);
  expect(String(stderr)).toMatch(
    /^\nCannot try a fresh machine here: .*\n\nRun it as root, on Linux/,
  );
  expect(String(stderr)).toContain('debootstrap');
});

test.each(['ninety', '90-real', '80;;90'])(
  'NEURONODE_CUDA_ARCHITECTURES=%s is refused',
  (given) => {
    const script = `import { cudaArchitectures } from ${JSON.stringify(`${root}scripts/lib/cuda-architectures.mjs`)};
    cudaArchitectures();`;
    const env = { ...process.env, NEURONODE_CUDA_ARCHITECTURES: given };
    const { status, stderr } = run(['--input-type=module', '-e', script], env);
    expect(status).toBe(1);
    expect(String(stderr)).toContain(`NEURONODE_CUDA_ARCHITECTURES, got '${given}'`);
  },
);
