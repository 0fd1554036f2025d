/**
 * Owns how the test suites run and how their results are counted: ctest for the native tests, vitest
 * for the rest. Both print their own reports; the counts come from the files that they write.
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { shown } from './exec.mjs';
import { inRoot } from './paths.mjs';

/** The result of one suite. One that broke off, or ran no test, counts as a failure of its own. */
function result(status, passed, failed, skipped) {
  const ok = status === 0 && failed === 0 && passed > 0;
  return { ok, passed, failed: ok ? 0 : Math.max(failed, 1), skipped };
}

function freshFile(name) {
  mkdirSync(inRoot('build', 'log'), { recursive: true });
  const path = inRoot('build', 'log', name);
  rmSync(path, { force: true });
  return path;
}

/**
 * Runs the native tests of a build folder or of a folder in it, with further words for ctest.
 * `name` is that of the file of results.
 */
export async function runNativeTests(buildDir, { env, words = [], name = 'ctest' } = {}) {
  const report = freshFile(`${name}.xml`);
  const args = ['--test-dir', buildDir, '--output-on-failure', '--no-tests=error', ...words];
  const status = await shown('ctest', [...args, '--output-junit', report], { env });
  if (!existsSync(report)) return result(1, 0, 0, 0);
  const head = readFileSync(report, 'utf8').match(/<testsuite [^>]*>/)?.[0] ?? '';
  const count = (name) => Number(head.match(new RegExp(`\\b${name}="(\\d+)"`))?.[1] ?? 0);
  const failed = count('failures');
  const skipped = count('skipped') + count('disabled');
  return result(status, count('tests') - failed - skipped, failed, skipped);
}

/** Runs vitest with further arguments, such as the files to run. */
export async function runTypeScriptTests(args, { env, name = 'vitest' } = {}) {
  const report = freshFile(`${name}.json`);
  const vitest = inRoot('node_modules', 'vitest', 'vitest.mjs');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const status = await shown(process.execPath, [vitest, 'run', ...reporters, ...args], { env });
  if (!existsSync(report)) return result(1, 0, 0, 0);
  const counts = JSON.parse(readFileSync(report, 'utf8'));
  return result(
    status,
    counts.numPassedTests,
    counts.numFailedTests,
    counts.numPendingTests + counts.numTodoTests,
  );
}

/** Adds up results. */
export function total(results) {
  const sum = (name) => results.reduce((before, each) => before + each[name], 0);
  return {
    ok: results.every((each) => each.ok),
    passed: sum('passed'),
    failed: sum('failed'),
    skipped: sum('skipped'),
  };
}

/** A result as one line. */
export function summary({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}
