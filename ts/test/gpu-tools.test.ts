/**
 * How the GPU check gets along with the programs that it finds beside a GPU (Python with PyTorch,
 * nvidia-smi, compute-sanitizer), each played by a script: what they say, and that they fail.
 */
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';

const load = (name: string): Promise<unknown> =>
  import(new URL(`../../scripts/gpu-check/${name}.mjs`, import.meta.url).href);

interface Peer {
  ask(request: object, ms: number): Promise<Record<string, unknown>>;
  isAlive(): boolean;
  end(): Promise<void>;
}
interface Python {
  readonly path: string;
  readonly version: string;
  readonly torch: string | null;
  readonly folders: readonly string[];
}
const { startPeer } = (await load('peer')) as { startPeer(python: string, log: string): Peer };
const { watchPower } = (await load('power')) as { watchPower(): () => Promise<object> };
const { findPython } = (await load('python')) as { findPython(): Python | null };
const { Report, readState } = (await load('state')) as {
  Report: new (path: string) => object;
  readState(path: string): {
    facts: { name: string; value: string }[];
    checks: { name: string; ok: boolean; detail: string }[];
    tables: { title: string; rows: string[][] }[];
    notApplicable?: string;
  };
};
const sanitizers = (await load('sections/sanitizers')) as {
  run(report: object, options: object): Promise<void>;
};

const { timePeer } = (await load('peer-variants')) as {
  timePeer(
    report: object,
    rows: object[],
    sizes: object,
    options: object,
    onRow: () => void,
  ): Promise<void>;
};

const folder = mkdtempSync(join(tmpdir(), 'neuronode-gpu-tools-'));
const environment = { ...process.env };
afterEach(() => {
  process.env = { ...environment };
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A program in a folder of its own, which is first on PATH from then on. */
function program(name: string, body: string, bin = mkdtempSync(join(folder, 'bin-'))) {
  mkdirSync(bin, { recursive: true });
  const path = join(bin, name);
  writeFileSync(path, body, { mode: 0o755 });
  process.env.PATH = `${bin}:${process.env.PATH}`;
  return path;
}

describe('PyTorch', () => {
  const log = join(folder, 'pytorch.log');
  /** A peer that answers each line with the next of these, by a script in Node. */
  const answering = (body: string) =>
    program(
      'python3',
      `#!${process.execPath}
const lines = require('node:readline').createInterface({ input: process.stdin });
lines.on('line', (line) => { const request = JSON.parse(line); ${body} });`,
    );

  test('is asked one line at a time; what else it prints is passed over', async () => {
    const peer = startPeer(
      answering(
        `console.log('a warning'); console.log(JSON.stringify({ ms: request.steps * 2 }));`,
      ),
      log,
    );
    expect(await peer.ask({ steps: 3 }, 60_000)).toEqual({ ms: 6 });
    expect(await peer.ask({ steps: 4 }, 60_000)).toEqual({ ms: 8 });
    expect(peer.isAlive()).toBe(true);
    await peer.end();
    expect(peer.isAlive()).toBe(false);
  });

  test('that refuses is quoted, and goes on', async () => {
    const peer = startPeer(answering(`console.log('{"error": "no such variant"}');`), log);
    await expect(peer.ask({}, 60_000)).rejects.toThrow('no such variant');
    expect(peer.isAlive()).toBe(true);
    await peer.end();
  });

  test('that says nothing is ended', async () => {
    const peer = startPeer(answering(''), log);
    await expect(peer.ask({}, 50)).rejects.toThrow('no reply in 0 s');
    await peer.end();
    expect(peer.isAlive()).toBe(false);
  });

  test('that dies is not waited for where a process of its own holds its output', async () => {
    const peer = startPeer(
      program(
        'python3',
        `#!/bin/sh
sleep 100 &
echo $! > '${folder}/sleeping'
read line`,
      ),
      log,
    );
    await expect(peer.ask({}, 600_000)).rejects.toThrow('the process ended');
    expect(peer.isAlive()).toBe(false);
    await peer.end();
    process.kill(Number(readFileSync(join(folder, 'sleeping'), 'utf8')));
  });

  test('that dies leaves its words in a file', async () => {
    const dying = startPeer(answering(`console.error('out of memory'); process.exit(1);`), log);
    await expect(dying.ask({}, 60_000)).rejects.toThrow('the process ended');
    await dying.end();
    const absent = startPeer(join(folder, 'nothing'), log);
    await expect(absent.ask({}, 60_000)).rejects.toThrow('the process ended');
    expect(readFileSync(log, 'utf8')).toContain('out of memory');
  });
});

describe("PyTorch's variants", () => {
  const row = (precision: string) => ({
    ...{ precision, eager: 4, recorded: 2, peerMs: null, peerVariant: null },
    floor: { arithmeticMs: 1, memoryMs: 1 },
  });
  const sizes = { network: 'lenet', batch: 2, rounds: 3, steps: 2, warmMs: 0 };
  /** Times them with a PyTorch whose answer to each request is the value of `body`. */
  async function time(body: string, seconds: number) {
    const path = program(
      'python3',
      `#!${process.execPath}
const lines = require('node:readline').createInterface({ input: process.stdin });
let now = {};
let isLost = false;
lines.on('line', (line) => {
  const request = JSON.parse(line);
  if (request.cmd === 'prepare') now = request;
  console.log(JSON.stringify((() => { ${body} })()));
});`,
    );
    const out = mkdtempSync(join(folder, 'out-'));
    const rows = [row('f32'), row('bf16')];
    const options = { device: 'cuda:0', python: { path }, out };
    const deadline = Date.now() + seconds * 1000;
    const seen: unknown[] = [];
    await timePeer(new Report(join(out, 'state.json')), rows, sizes, { ...options, deadline }, () =>
      seen.push(rows.map(({ peerMs }) => peerMs)),
    );
    expect(seen.at(-1)).toEqual(rows.map(({ peerMs }) => peerMs));
    const { facts, tables } = readState(join(out, 'state.json'));
    const variants = tables.find(({ title }) => title === "PyTorch's variants")?.rows ?? [];
    return { rows, facts, variants };
  }
  const info = `if (request.cmd === 'info') return { version: '2.11', cuda: '13.0', cudnn: 9, available: true };`;

  test('each is noted, the fastest kept; one that fails or dies costs no other', async () => {
    const { rows, facts, variants } = await time(
      `${info}
if (now.compiled && !now.graphed) process.exit(1);
isLost ||= now.memory_format === 'contiguous' && now.precision === 'f32';
if (isLost) return { error: 'AcceleratorError: CUDA error: an illegal memory access' };
if (now.compiled) return { error: 'RuntimeError: Failed to find C compiler.\\n at here' };
return { ms: (now.precision === 'bf16' ? 1 : 3) + (now.graphed ? 0 : 0.5) };`,
      600,
    );
    expect(facts[0]!.value).toBe('2.11, CUDA 13.0, cuDNN 9, GPU seen');
    expect(rows.map(({ peerMs }) => peerMs)).toEqual([3, 1]);
    expect(rows[0]!.peerVariant).toBe('channels_last, CUDA graph');
    expect(variants).toHaveLength(10);
    const of = (name: string) =>
      variants.filter(([, variant]) => variant === name).map(([, , ms]) => ms);
    expect(of('channels_last, eager')).toEqual(['3.50', '1.50']);
    const lost = 'failed: AcceleratorError: CUDA error: an illegal memory access';
    expect(of('contiguous, CUDA graph')).toEqual([lost, '1.00']);
    const failed = 'failed: RuntimeError: Failed to find C compiler.';
    expect(of('channels_last, compiled, CUDA graph')).toEqual([failed, failed]);
    expect(of('channels_last, compiled, eager')).toEqual([
      expect.stringContaining('failed: the process ended'),
      expect.stringContaining('failed: the process ended'),
    ]);
  });
});

describe('nvidia-smi', () => {
  test('medians of what it says, null for what the GPU does not tell', async () => {
    program(
      'nvidia-smi',
      `#!/bin/sh
echo '300.5, 1980, 2619, [N/A]'
echo '301.5, 1980, 2619, [N/A]'
echo '310.0, 1755, 2619, [N/A]'
touch '${folder}/said'
exec sleep 100`,
    );
    const stop = watchPower();
    while (!existsSync(join(folder, 'said')))
      await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await stop()).toEqual({ watts: 301.5, smMHz: 1980, memoryMHz: 2619, celsius: null });
  });

  test('its state right after, where nothing had come out of its buffer', async () => {
    program(
      'nvidia-smi',
      `#!/bin/sh
case "$*" in *-lms*) exec sleep 100 ;; esac
echo '300.5, 1980, 2619, 50'`,
    );
    expect(await watchPower()()).toEqual({
      watts: 300.5,
      smMHz: 1980,
      memoryMHz: 2619,
      celsius: 50,
    });
  });

  test('a reason where it is not there or says something else', async () => {
    process.env.PATH = folder;
    expect(await watchPower()()).toEqual({ reason: expect.stringContaining('ENOENT') });
  });
});

describe('Python', () => {
  test('the one with PyTorch is taken, with the folders of its NVIDIA libraries', () => {
    const answer = {
      version: '3.12.1',
      torch: '2.11.0+cu130',
      folders: ['/wheels/nvidia/cu13/lib'],
    };
    const bin = mkdtempSync(join(folder, 'bin-'));
    program(
      'python3',
      '#!/bin/sh\necho \'{"version": "3.11", "torch": null, "folders": []}\'',
      bin,
    );
    program('python3.12', `#!/bin/sh\necho '${JSON.stringify(answer)}'`, bin);
    // What stands on PATH need not be a folder.
    process.env.PATH = `${join(bin, 'python3')}:${join(bin, 'nothing')}:${process.env.PATH}`;
    expect(findPython()).toEqual({ path: join(bin, 'python3.12'), ...answer });
  });

  const { status } = spawnSync('python3', ['--version']);
  test.skipIf(status !== 0)('wheels are found by what lies in them', () => {
    const site = join(folder, 'site');
    for (const name of ['nvidia/cu13/lib/libcublas.so.13', 'nvidia/cudnn/lib/libcudnn.so.9']) {
      mkdirSync(join(site, name, '..'), { recursive: true });
      writeFileSync(join(site, name), '');
    }
    process.env.PYTHONPATH = site;
    const found = findPython();
    expect(found).not.toBeNull();
    expect(found!.folders.slice(0, 2).sort()).toEqual(
      ['cu13', 'cudnn'].map((name) => join(site, 'nvidia', name, 'lib')),
    );
  });
});

describe('compute-sanitizer', () => {
  let out = '';
  async function run(body: string, seconds: number) {
    const bin = join(mkdtempSync(join(folder, 'cuda-')), 'bin');
    program('compute-sanitizer', body, bin);
    process.env.NEURONODE_CUDA_ROOT = join(bin, '..');
    out = mkdtempSync(join(folder, 'out-'));
    const path = join(out, 'state.json');
    const deadline = Date.now() + seconds * 1000;
    await sanitizers.run(new Report(path), { device: 'cuda:0', emulated: false, out, deadline });
    return readState(path);
  }
  /** Writes what it was asked to its log, as the real one does. */
  const logging = (text: string, status: number) => `#!/bin/sh
[ "$1" = --version ] && { echo 'Version 2025.3'; exit 0; }
echo 'trained 3 of 3 to their end'
while [ "$1" != --log-file ]; do shift; done
printf '%b' '${text}' > "$2"
exit ${status}`;

  test('each tool is run, memory first, and its summary is kept', async () => {
    const state = await run(logging('========= ERROR SUMMARY: 0 errors\\n', 0), 600);
    expect(state.facts[0]!.value).toContain('Version 2025.3');
    expect(state.checks.map(({ name, ok }) => [name, ok])).toEqual([
      ['memcheck, small trainings', true],
      ['racecheck, small trainings', true],
      ['initcheck, small trainings', true],
      ['synccheck, small trainings', true],
      ['memcheck, the other trainings', true],
    ]);
    expect(state.checks[0]!.detail).toMatch(
      /^ERROR SUMMARY: 0 errors, \d+ s, trained 3 of 3 to their end$/,
    );
  });

  test('errors fail with their first lines', async () => {
    const text =
      '========= Invalid __global__ read of size 4\\n=========     at here\\n========= ERROR SUMMARY: 1 error\\n';
    const state = await run(logging(text, 99), 600);
    expect(state.checks.every(({ ok }) => !ok)).toBe(true);
    expect(state.checks[0]!.detail).toContain('ERROR SUMMARY: 1 error');
    expect(state.checks[0]!.detail).toContain('status 99; Invalid __global__ read of size 4');
    // One file for all of them: few travel back.
    expect(readdirSync(out)).toEqual(['compute-sanitizer.log', 'state.json']);
    const log = readFileSync(join(out, 'compute-sanitizer.log'), 'utf8');
    expect(log.match(/^=+ Invalid/gm)).toHaveLength(5);
  });

  test('one that hangs is killed with what it started, and leaves time to the next', async () => {
    const state = await run(
      `#!/bin/sh
[ "$1" = --version ] && exit 0
sleep 1000 &
echo $! >> '${folder}/hanging'
wait`,
      22,
    );
    expect(state.checks).toEqual([]);
    const facts = state.facts.slice(1).map(({ value }) => value);
    expect(facts[0]).toMatch(
      /^killed after \d+ s, .* trained none to its end; 0 errors until then$/,
    );
    expect(facts[1]).toMatch(/^killed after/);
    const pids = readFileSync(join(folder, 'hanging'), 'utf8').trim().split('\n');
    expect(pids).toHaveLength(2);
    // One that has ended and that nobody has waited for has no command line.
    const command = (pid: string) => {
      const path = `/proc/${pid}/cmdline`;
      return existsSync(path) ? readFileSync(path, 'utf8') : '';
    };
    expect(pids.map(command)).toEqual(['', '']);
  });

  test('what there is no time for is said not to have been run', async () => {
    const state = await run(logging('', 0), 1);
    expect(state.checks).toEqual([]);
    expect(state.facts.slice(1).map(({ value }) => value)).toEqual(
      Array(5).fill('not run: the section has no time left'),
    );
  });
});
