/**
 * How a run of the GPU check goes through its sections where they hang, crash, lose the device or are
 * not begun: what was found before is kept, each failure is listed, and the next one is run.
 */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';

interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}
interface Section {
  readonly name: string;
  readonly title: string;
  readonly seconds: number;
  readonly least: number;
}
interface Result {
  readonly name: string;
  readonly outcome: string;
  readonly reason: string;
  readonly checks: readonly Check[];
}

interface Options {
  readonly seconds?: number;
  readonly stop?: AbortSignal;
  readonly graceMs?: number;
  readonly onBegin?: (ms: number) => void;
}

const scripts = new URL('../../scripts/gpu-check/', import.meta.url);
const load = (name: string): Promise<unknown> => import(new URL(`${name}.mjs`, scripts).href);
const { runSections } = (await load('sequence')) as {
  runSections(sections: readonly Section[], options: object): Promise<Result[]>;
};
const { asMarkdown, summaryLines } = (await load('results')) as {
  asMarkdown(run: object): string;
  summaryLines(sections: readonly object[]): string[];
};
const { runUntilFailure } = (await load('sections/native')) as {
  runUntilFailure(
    command: string,
    names: readonly string[],
    how: {
      onStart: (name: string) => void;
      onTest: (name: string, ok: boolean, text: string) => void;
    },
  ): Promise<void>;
};
const { foreignEnvironment } = (await load('python')) as {
  foreignEnvironment(env: object): Record<string, string>;
};

const folder = mkdtempSync(join(tmpdir(), 'neuronode-gpu-run-'));
afterAll(() => rmSync(folder, { recursive: true }));

const bodies: Record<string, string> = {
  good: "report.check('a', true, 'fine'); report.done();",
  wrong: "report.check('a', false, '2 instead of 1'); report.check('b', true); report.done();",
  hangs: "report.check('before', true); report.cursor('b'); setInterval(() => {}, 1000);",
  throws: "report.check('a', true); report.failed(new Error('no such thing')); process.exit(1);",
  exits:
    "report.check('a', true); report.done(); process.kill(process.pid, 'SIGSEGV'); await new Promise(() => {});",
  lingers: "report.check('a', true); report.done(); setInterval(() => {}, 1000);",
  says: "report.check('a', true); console.error('terminate called'); process.abort();",
  // Leaves a process behind that holds its standard error open.
  leaves: `
    const { spawn } = await import('node:child_process');
    spawn('sleep', ['100'], { stdio: ['ignore', 'ignore', 'inherit'] });
    report.check('a', true); report.done(); process.exit(0);`,
  absent: "report.notApplicable('there is no GPU'); report.done();",
  // Dies at b, loses the device at c, and comes to its end.
  dies: `
    const done = report.checked;
    if (!done.has('a')) report.check('a', true);
    if (!done.has('b')) { report.cursor('b'); process.kill(process.pid, 'SIGKILL'); await new Promise(() => {}); }
    if (!done.has('c')) { report.cursor('c'); report.check('c', false, 'lost'); process.exit(75); }
    report.check('d', true);
    report.done();`,
};

/** Runs sections whose bodies are above. */
async function run(
  names: readonly string[],
  more: Partial<Section> = {},
  { seconds = 60, onBegin = (_ms: number) => {}, ...how }: Options = {},
) {
  const sections = names.map((name) => ({
    name,
    title: `Section ${name}`,
    seconds: 30,
    least: 0,
    ...more,
  }));
  const written: number[] = [];
  const out = mkdtempSync(join(folder, 'out-'));
  const results = await runSections(sections, {
    ...how,
    seconds,
    out,
    command: ({ name }: Section, path: string, ms: number) => {
      onBegin(ms);
      const script = join(folder, `${name}.mjs`);
      const state = new URL('state.mjs', scripts).href;
      writeFileSync(
        script,
        `import { Report } from '${state}';\nconst report = new Report(process.argv[2]);\n${bodies[name]}`,
      );
      return [process.execPath, script, path];
    },
    onResult: (all: readonly Result[]) => written.push(all.length),
    obstacle: (found: readonly Result[]) =>
      found.some(({ name }) => name === 'absent') ? 'there is no device' : undefined,
  });
  expect(written).toEqual(names.map((_, i) => i + 1));
  expect(readdirSync(out)).toEqual([]);
  return results;
}

describe('a run of sections', () => {
  test('tells what passed, what failed and what does not apply', async () => {
    const [good, wrong, absent, never] = await run(['good', 'wrong', 'absent', 'good']);
    expect(good).toMatchObject({ outcome: 'passed', reason: '' });
    expect(good!.checks).toEqual([{ name: 'a', ok: true, detail: 'fine' }]);
    expect(wrong).toMatchObject({ outcome: 'failed', reason: '' });
    expect(wrong!.checks.map(({ ok }) => ok)).toEqual([false, true]);
    expect(absent).toMatchObject({ outcome: 'not applicable', reason: 'there is no GPU' });
    expect(never).toMatchObject({ outcome: 'not run', reason: 'there is no device' });
  });

  test('ends one that is over its time, keeps what it had found, and goes on', async () => {
    const [hangs, good] = await run(['hangs', 'good'], { seconds: 5 });
    expect(hangs).toMatchObject({ outcome: 'failed' });
    expect(hangs!.reason).toMatch(/^ended after [\d.]+ s, its limit at b$/);
    expect(hangs!.checks).toEqual([{ name: 'before', ok: true, detail: '' }]);
    expect(good!.outcome).toBe('passed');
  });

  test('starts one that died or lost the device again, behind what it was doing', async () => {
    const [dies] = await run(['dies']);
    expect(dies!.outcome).toBe('failed');
    expect(dies!.reason).toBe('');
    expect(dies!.checks).toEqual([
      { name: 'a', ok: true, detail: '' },
      { name: 'b', ok: false, detail: 'the process ended with SIGKILL' },
      { name: 'c', ok: false, detail: 'lost' },
      { name: 'd', ok: true, detail: '' },
    ]);
  });

  test('says what ended one that threw', async () => {
    const [throws, good] = await run(['throws', 'good']);
    expect(throws!.outcome).toBe('failed');
    expect(throws!.reason).toContain('its process ended with status 1: Error: no such thing');
    expect(good!.outcome).toBe('passed');
  });

  test('does not pass one whose process dies after its last finding', async () => {
    const [exits] = await run(['exits']);
    expect(exits!.outcome).toBe('failed');
    expect(exits!.reason).toBe('its process ended with SIGSEGV, after its last finding');
  });

  test('keeps what one said that died', async () => {
    const [says, good] = await run(['says', 'good']);
    expect(says!.outcome).toBe('failed');
    expect(says!.reason).toMatch(/^its process ended with SIGABRT\nterminate called/);
    expect(good!.outcome).toBe('passed');
  });

  test('ends one that goes on after its last finding', async () => {
    const [lingers, good] = await run(['lingers', 'good'], {}, { graceMs: 100 });
    expect(lingers!.outcome).toBe('failed');
    expect(lingers!.reason).toBe('its process ended with SIGKILL, after its last finding');
    expect(good!.outcome).toBe('passed');
  });

  test('does not wait for what one has left behind', async () => {
    const [leaves] = await run(['leaves']);
    expect(leaves).toMatchObject({ outcome: 'passed', reason: '' });
  });

  test('that is stopped tells what it has found, and begins nothing else', async () => {
    const stop = new AbortController();
    const onBegin = () => setTimeout(() => stop.abort('SIGTERM'), 3000);
    const [hangs, good] = await run(['hangs', 'good'], {}, { stop: stop.signal, onBegin });
    expect(hangs!.reason).toMatch(/^ended after [\d.]+ s, SIGTERM at b$/);
    expect(hangs!.checks).toEqual([{ name: 'before', ok: true, detail: '' }]);
    expect(good).toMatchObject({ outcome: 'not run', reason: 'SIGTERM' });
  });

  test('leaves to the sections behind one the least that they need', async () => {
    const given: number[] = [];
    const onBegin = (ms: number) => given.push(Math.round(ms / 10_000) * 10);
    const begin = (seconds: number) =>
      run(['good', 'good', 'good'], { seconds: 1000, least: 100 }, { seconds, onBegin });
    await begin(1000);
    expect(given.splice(0)).toEqual([800, 900, 1000]);
    // Where there is not enough for all, the first still get half of what there is.
    await begin(300);
    expect(given).toEqual([150, 200, 300]);
  });

  test('begins none for which too little time is left', async () => {
    const [good] = await run(['good'], { least: 100 }, { seconds: 50 });
    expect(good!.outcome).toBe('not run');
    expect(good!.reason).toMatch(/^50 s of the 50 s were left, and it takes at least 100 s$/);
  });
});

test('results list every failure with its numbers, and say that a device was emulated', async () => {
  const sections = await run(['wrong', 'absent', 'good']);
  const all = { started: 'now', minutes: 6, pack: { commit: 'abc' }, sections };
  const text = asMarkdown({ ...all, emulated: true });
  expect(text).toContain('**Emulated device:');
  expect(text).toContain('| a | **FAILED** | 2 instead of 1 |');
  expect(text).toContain('1 checks passed, 1 failed.');
  expect(text).toMatch(/\| Section absent \| not applicable \| [\d.]+ \| there is no GPU \|/);
  expect(text).toContain('| Section good | not run | 0 | there is no device |');
  expect(text).toContain('| section | outcome | seconds |  |\n| --- | --- | ---: | --- |');
  expect(asMarkdown({ ...all, emulated: false })).not.toContain('Emulated');
});

test('a section is told in a line, with the first of what failed', () => {
  const checks = Array.from({ length: 9 }, (_, i) => ({
    name: `c${i}`,
    ok: i < 2,
    detail: 'a\n b',
  }));
  const section = { title: 'T', outcome: 'failed', reason: '', seconds: 3, checks };
  expect(summaryLines([section])).toEqual([
    'failed: T, 3 s, 2 of 9 checks',
    ...[2, 3, 4, 5, 6].map((i) => `  c${i}: a b`),
    '  and 2 more',
  ]);
});

describe('native tests on a device', () => {
  /** A program that says what GoogleTest says. */
  async function testsOf(lines: readonly string[], end = 'exit 1') {
    const program = join(folder, 'tests.sh');
    const said = lines.map((line) => `echo '${line}'`).join('\n');
    writeFileSync(program, `#!/bin/sh\n${said}\n${end}\n`, { mode: 0o755 });
    const found: [string, boolean, string][] = [];
    const begun: string[] = [];
    await runUntilFailure(program, ['*'], {
      onStart: (name) => begun.push(name),
      onTest: (...each) => found.push(each),
    });
    expect(begun).toEqual(found.map(([name]) => name));
    return found;
  }

  test('those behind a failure are not counted as run', async () => {
    const found = await testsOf([
      '[ RUN      ] A.one',
      '[       OK ] A.one (3 ms)',
      '[ RUN      ] A.two',
      'a.cc:7: Failure',
      '[  FAILED  ] A.two (4 ms)',
      '[ RUN      ] A.three',
      '[  SKIPPED ] A.three (0 ms)',
      '[  FAILED  ] A.two',
    ]);
    expect(found).toEqual([
      ['A.one', true, ''],
      ['A.two', false, 'a.cc:7: Failure\n'],
    ]);
  });

  test('one that ends the program has failed', async () => {
    const found = await testsOf(['[ RUN      ] A.one'], 'kill -SEGV $$');
    expect(found).toEqual([['A.one', false, 'The process ended with SIGSEGV.']]);
  });
});

test('foreign programs do not get the libraries of the pack', () => {
  const env = {
    LD_LIBRARY_PATH: '/pack/lib:/theirs',
    NEURONODE_PACK_LIBRARIES: '/pack/lib',
    A: 'b',
  };
  expect(foreignEnvironment(env)).toEqual({ LD_LIBRARY_PATH: '/theirs', A: 'b' });
  expect(foreignEnvironment({ ...env, LD_LIBRARY_PATH: '/pack/lib' })).toEqual({ A: 'b' });
});
