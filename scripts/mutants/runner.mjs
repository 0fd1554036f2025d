/**
 * Owns the mutation check: seeds one mistake at a time into native/cuda and requires that the native
 * tests on the emulated device notice. A survivor is a hole in the tests.
 *
 * Policy: a mistake counts as caught if the tests named for it fail, crash or hang. One that does
 * not compile, whose place in the source is gone, or whose tests do not exist or fail without it is
 * an error of the list, never a catch.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { inRoot } from '../lib/paths.mjs';
import { StepError } from '../lib/report.mjs';
import { commandsFor, readBuild, run } from './commands.mjs';

const compileMs = 180_000;
const testMs = 60_000;

/**
 * @typedef {object} Mutant
 * @property {string} id
 * @property {string} what The mistake, in words.
 * @property {string} file Relative to the repository.
 * @property {[find: string, replace: string][]} edits What stands there, exactly once, and what
 *   stands there instead.
 * @property {string} tests GoogleTest filter of the tests that must notice.
 */

/** Text without white space, and where in it each character stood: formatting is no matter here. */
function squeezed(text) {
  const places = [...text.matchAll(/\S/g)].map(({ index }) => index);
  return { dense: places.map((place) => text[place]).join(''), places };
}

/** The source with the mistake in it. */
export function mutate({ id, file, edits }, text) {
  return edits.reduce((before, [find, replace]) => {
    const { dense, places } = squeezed(before);
    const { dense: wanted } = squeezed(find);
    const first = dense.indexOf(wanted);
    if (first < 0 || dense.indexOf(wanted, first + 1) >= 0) {
      const what = first < 0 ? 'does not stand' : 'stands more than once';
      throw new StepError(`Mutant ${id}: its text ${what} in ${file}:\n${find}`);
    }
    const end = places[first + wanted.length - 1] + 1;
    return `${before.slice(0, places[first])} ${replace} ${before.slice(end)}`;
  }, text);
}

/** The full names of a test program's tests. */
async function listTests(program, cwd) {
  const options = { cwd, timeoutMs: testMs };
  const { status, output } = await run([program, '--gtest_list_tests'], options);
  if (status !== 0) throw new StepError(`${program} cannot list its tests:\n${output}`);
  let suite = '';
  return output.split('\n').flatMap((line) => {
    const [name] = line.trim().split(/\s/);
    if (line.startsWith('  ')) return [suite + name];
    suite = name;
    return [];
  });
}

/** Whether a filter of the form `A.b:C.*` selects a test. */
function selects(filter, name) {
  return filter.split(':').some((pattern) => {
    const parts = pattern.split('*').map((part) => part.replace(/[^\w]/g, '\\$&'));
    return new RegExp(`^${parts.join('.*')}$`).test(name);
  });
}

/**
 * The tests as they are must exist and pass, or what fails later says nothing.
 *
 * @returns Milliseconds that all of them took.
 */
async function checkTests(build, mutants, env) {
  const program = `${build.buildDir}/${build.target}`;
  const names = await listTests(program, build.buildDir);
  for (const { id, tests } of mutants) {
    for (const pattern of tests.split(':')) {
      if (!names.some((name) => selects(pattern, name))) {
        throw new StepError(`Mutant ${id}: no test is called ${pattern}.`);
      }
    }
  }
  const patterns = [...new Set(mutants.flatMap(({ tests }) => tests.split(':')))];
  const words = [`--gtest_filter=${patterns.join(':')}`, '--gtest_brief=1'];
  const options = { cwd: build.buildDir, timeoutMs: 10 * testMs, env };
  const started = performance.now();
  const { status, output } = await run([program, ...words], options);
  if (status !== 0) {
    throw new StepError(`The tests fail without any mutant (${status}):\n${output.slice(-4000)}`);
  }
  return performance.now() - started;
}

/** How the tests noticed, or undefined where they did not. */
function verdict({ status, output }) {
  if (status === 0) return undefined;
  if (status === 'timeout') return 'hangs';
  const failed = /^\[ {2}FAILED {2}\] ([^\s(,]+)/m.exec(output)?.[1];
  return failed ?? `ends with ${status}`;
}

async function tryMutant(build, mutant, timeoutMs, env) {
  const source = inRoot(mutant.file);
  const folder = `${build.buildDir}/mutants/${mutant.id}`;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const changed = `${folder}/mutant.cc`;
  writeFileSync(changed, mutate(mutant, readFileSync(source, 'utf8')));
  const { compile, link, program } = commandsFor(build, { source, changed, folder });
  for (const command of [compile, link]) {
    const { status, output } = await run(command, { cwd: build.buildDir, timeoutMs: compileMs });
    if (status !== 0) {
      throw new StepError(
        `Mutant ${mutant.id} cannot be built (${status}):\n${output.slice(-4000)}`,
      );
    }
  }
  const words = [`--gtest_filter=${mutant.tests}`, '--gtest_fail_fast', '--gtest_brief=1'];
  const result = await run([program, ...words], { cwd: build.buildDir, timeoutMs, env });
  rmSync(folder, { recursive: true, force: true });
  return verdict(result);
}

/**
 * Tries every mutant, `jobs` at a time.
 *
 * @param {{ mutants: Mutant[], buildDir: string, target: string, jobs?: number, env?: object,
 *   onResult?: (mutant: Mutant, caughtBy: string | undefined, error?: Error) => void }} options
 * @returns {Promise<{ caught: number, survivors: string[], errors: string[] }>}
 */
export async function runMutants({ mutants, buildDir, target, jobs = 2, env, onResult }) {
  const ids = new Set(mutants.map(({ id }) => id));
  if (ids.size !== mutants.length) throw new StepError('Two mutants have the same id.');
  const build = readBuild(buildDir, target);
  // No test takes longer than all of them did, unless it hangs: on a busy machine too.
  const timeoutMs = Math.max(testMs, 2 * (await checkTests(build, mutants, env)));
  const waiting = [...mutants];
  const result = { caught: 0, survivors: [], errors: [] };
  const work = async () => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      try {
        const caughtBy = await tryMutant(build, mutant, timeoutMs, env);
        if (caughtBy === undefined) result.survivors.push(mutant.id);
        else result.caught += 1;
        onResult?.(mutant, caughtBy);
      } catch (error) {
        if (!(error instanceof StepError)) throw error;
        result.errors.push(mutant.id);
        onResult?.(mutant, undefined, error);
      }
    }
  };
  await Promise.all(Array.from({ length: jobs }, work));
  return result;
}
