/**
 * run.sh of the GPU pack, with a pack whose Node.js is a script: where it unpacks, which libraries it
 * gives, and that what ends it reaches Node and leaves nothing behind.
 */
import { spawn, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, expect, test } from 'vitest';

const script = fileURLToPath(new URL('../../scripts/gpu-pack/run.sh', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'neuronode-gpu-pack-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A pack; `tests` is what its native tests do when they are listed, `node` what Node does. */
function makePack({ tests = 'exit 0', node = 'exit 3' } = {}) {
  const pack = mkdtempSync(join(folder, 'pack-'));
  const files = {
    'build/Release/neuronode.node': '',
    'build/native/neuronode_cuda_device_tests': `#!/bin/sh\n${tests}\n`,
    'lib/c++/libstdc++.so.6': '',
  };
  const staged = join(pack, 'staged');
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(staged, name)), { recursive: true });
    writeFileSync(join(staged, name), text, { mode: 0o755 });
  }
  spawnSync('tar', ['-C', staged, '-czf', join(pack, 'app.tar.gz'), 'build', 'lib']);
  rmSync(staged, { recursive: true });
  const body = `#!/bin/sh\n[ "$1" = -e ] && exit 0\n${node}\n`;
  writeFileSync(join(pack, 'node.gz'), gzipSync(body));
  copyFileSync(script, join(pack, 'run.sh'));
  return pack;
}

const run = (pack: string, words: readonly string[], env: Record<string, string>) =>
  spawnSync('bash', [join(pack, 'run.sh'), ...words], {
    encoding: 'utf8',
    env: { ...process.env, LD_LIBRARY_PATH: '/theirs', ...env },
  });

const telling = 'echo "$0|$*|$LD_LIBRARY_PATH|$NEURONODE_PACK_LIBRARIES"; exit 3';

test('unpacks where it can, passes its words and its status on, and leaves nothing behind', () => {
  const pack = makePack({ node: telling });
  const { stdout, status } = run(pack, ['--minutes', '2'], { TMPDIR: join(folder, 'nowhere') });
  const [node, words, path, ours] = stdout.trim().split('|') as [string, string, string, string];
  const place = dirname(node);
  expect(dirname(place)).toBe('/tmp');
  expect(words).toBe(`${place}/scripts/gpu-check/main.mjs --minutes 2`);
  expect([path, ours]).toEqual([`${place}/lib:/theirs`, `${place}/lib`]);
  expect(status).toBe(3);
  expect(existsSync(place)).toBe(false);
});

test('brings its own C++ library where the system’s is too old for any of its programs', () => {
  const tests = 'case $LD_LIBRARY_PATH in *c++*) exit 0 ;; esac; exit 1';
  const [, , , ours] = run(makePack({ node: telling, tests }), [], {})
    .stdout.trim()
    .split('|');
  expect(ours).toMatch(/^(.*\/lib):\1\/c\+\+$/);
});

test('goes without where nothing makes its native tests start', () => {
  const [, , , ours] = run(makePack({ node: telling, tests: 'exit 1' }), [], {})
    .stdout.trim()
    .split('|');
  expect(ours).toMatch(/\/lib$/);
});

test('has Node end in its own way when it is ended', async () => {
  const marks = join(folder, 'marks');
  const pack = makePack({
    node: `trap "echo ended >> '${marks}'; exit 7" TERM
echo "$0" > '${marks}'
while :; do sleep 0.05; done`,
  });
  const child = spawn('bash', [join(pack, 'run.sh')], { stdio: 'ignore' });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  while (!existsSync(marks) || readFileSync(marks, 'utf8') === '')
    await new Promise((resolve) => setTimeout(resolve, 10));
  child.kill('SIGTERM');
  expect(await ended).toBe(7);
  const [node, end] = readFileSync(marks, 'utf8').split('\n');
  expect(end).toBe('ended');
  expect(existsSync(dirname(node!))).toBe(false);
});
