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

/** The source with the mistake in it. */
export function mutate({ id, file, edits }, text) {
  return edits.reduce((before, [find, replace]) => {
    const places = before.split(find).length - 1;
    if (places !== 1) {
      const what = `stands ${places} times in ${file}, not once`;
      throw new StepError(`Mutant ${id}: its text ${what}:\n${find}`);
    }
    return before.replace(find, () => replace);
  }, text);
}

/** The names of the tests that a filter selects. */
async function listTests(program, filter, cwd) {
  const { status, output } = await run(
    [program, '--gtest_list_tests', `--gtest_filter=${filter}`],
    {
      cwd,
      timeoutMs: testMs,
    },
  );
  if (status !== 0) throw new StepError(`${program} cannot list its tests:\n${output}`);
  return output.split('\n').filter((line) => line.startsWith('  '));
}

/** The tests as they are must exist and pass, or what fails later says nothing. */
async function checkTests(build, mutants, env) {
  const program = `${build.buildDir}/${build.target}`;
  for (const { id, tests } of mutants) {
    if ((await listTests(program, tests, build.buildDir)).length === 0) {
      throw new StepError(`Mutant ${id}: no test is called ${tests}.`);
    }
  }
  const positive = [...new Set(mutants.flatMap(({ tests }) => tests.split('-')[0].split(':')))];
  const filter = `--gtest_filter=${positive.join(':')}`;
  const { status, output } = await run([program, filter, '--gtest_brief=1'], {
    cwd: build.buildDir,
    timeoutMs: 5 * testMs,
    env,
  });
  if (status !== 0) {
    throw new StepError(`The tests fail without any mutant (${status}):\n${output.slice(-4000)}`);
  }
}

/** How the tests noticed, or undefined where they did not. */
function verdict({ status, output }) {
  if (status === 0) return undefined;
  if (status === 'timeout') return `hangs for ${testMs / 1000} s`;
  const failed = /^\[ {2}FAILED {2}\] ([^\s(,]+)/m.exec(output)?.[1];
  return failed ?? `ends with ${status}`;
}

async function tryMutant(build, mutant, env) {
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
  const result = await run([program, ...words], { cwd: build.buildDir, timeoutMs: testMs, env });
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
  await checkTests(build, mutants, env);
  const waiting = [...mutants];
  const result = { caught: 0, survivors: [], errors: [] };
  const work = async () => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      try {
        const caughtBy = await tryMutant(build, mutant, env);
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
