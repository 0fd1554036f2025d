/**
 * Owns what the gate consists of: each section makes ready what it needs, runs, and returns a result
 * with `ok` (and counts, where it ran tests).
 */

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { runMutantSuite } from '../mutants/suite.mjs';
import { bootstrap } from './bootstrap.mjs';
import { clangFormat } from './clang-format.mjs';
import { runCudaGates } from './cuda-gates.mjs';
import { cudaObstacle } from './cuda-toolchain.mjs';
import { shown } from './exec.mjs';
import { layerFaults } from './layers.mjs';
import { addonIn, inRoot, releaseDir, sanitizeDir } from './paths.mjs';
import { note, StepError } from './report.mjs';
import { runNativeTests, runTypeScriptTests, summary, total } from './suites.mjs';

/** Runs biome with the given words. */
export async function biome(...args) {
  const bin = inRoot('node_modules', '@biomejs', 'biome', 'bin', 'biome');
  return (await shown(process.execPath, [bin, ...args])) === 0;
}

/** Formatters, linters and the check of layers, writing nothing. */
export async function lint() {
  await bootstrap('lint');
  const typescript = await biome('ci', '--error-on-warnings');
  const native = await clangFormat('--dry-run', '-Werror');
  const faults = layerFaults(inRoot('ts', 'src'));
  for (const fault of faults) note(fault);
  const ok = typescript && native && faults.length === 0;
  if (!typescript || !native) note('npm run format puts formatting right');
  return { ok };
}

/** Runs suites one after another, then prints what each came to. */
async function runSuites(suites) {
  const results = [];
  for (const [name, run] of suites) {
    process.stdout.write(`\n--- ${name}\n`);
    results.push(await run());
  }
  process.stdout.write('\n');
  suites.forEach(([name], i) => {
    process.stdout.write(
      `${results[i].ok ? 'ok    ' : 'FAILED'}  ${name}: ${summary(results[i])}\n`,
    );
  });
  return total(results);
}

/** The native tests of the CUDA backend in a folder of the build. */
function cudaTests(folder, name, more = []) {
  const words = ['--parallel', String(availableParallelism()), ...more];
  return runNativeTests(`${releaseDir}/native/test/cuda${folder}`, { words, name });
}

/** What stands for the TypeScript tests when all is built and only tried: operations and training. */
const quickTests = ['data-idx', 'data-mnist', 'ops-pytorch', 'trainer'].map(
  (name) => `ts/test/${name}.test.ts`,
);
/** The same on the emulated GPU. */
const quickCudaTests = ['ts/test/cuda/emulated-devices.test.ts', 'ts/test/ops-pytorch.test.ts'];

/**
 * Type check, native tests, TypeScript tests; where the CUDA backend can be built, its own as well,
 * on the emulated GPU. Words name test files of the CPU's suite, and run those alone. `quick` leaves
 * out the CUDA backend's native tests, which take most of the build, and runs few of the TypeScript ones.
 */
export async function test({ native = true, typescript = true, quick = false, args = [] } = {}) {
  await bootstrap(quick ? 'quickTest' : 'test');
  const hasCuda = cudaObstacle() === undefined;
  const suites = [];
  if (native) {
    // The CUDA backend's folders are run by themselves.
    const words = ['--label-regex', '^cpu$'];
    suites.push(['native tests', () => runNativeTests(releaseDir, { words })]);
  }
  if (native && hasCuda && !quick) {
    suites.push(
      ["finding NVIDIA's libraries", () => cudaTests('/loading', 'ctest-cuda-loading')],
      // One test, which says how many cases it planned.
      [
        'plans by the real cuDNN',
        () => cudaTests('/planning', 'ctest-cuda-planning', ['--verbose']),
      ],
      ['native tests on the emulated GPU', () => cudaTests('', 'ctest-cuda')],
    );
  }
  if (native && hasCuda) suites.push(['the real CUDA library', runCudaGates]);
  if (typescript) {
    const words = quick ? [...quickTests, ...args] : args;
    suites.push(['TypeScript tests', () => runTypeScriptTests(words)]);
  }
  if (typescript && hasCuda && args.length === 0) {
    const files = quick ? quickCudaTests : [];
    const config = ['--config', inRoot('vitest.cuda.config.ts'), ...files];
    const run = () => runTypeScriptTests(config, { name: 'vitest-cuda' });
    suites.push(['TypeScript tests on the emulated GPU', run]);
  }
  return runSuites(suites);
}

/** Seeded mistakes in the CUDA backend, each of which the native tests must notice. */
export async function mutants() {
  await bootstrap('test');
  // Where the backend is required, in CI, the bootstrap has failed already.
  if (cudaObstacle() !== undefined) return { ok: true };
  return runMutantSuite();
}

/**
 * Compiles, without linking, what uses oneDNN against the headers of version 3, which come as a
 * Python package; Debian 12 has version 2.
 */
export async function onednn3() {
  await bootstrap('onednn3');
  const folder = inRoot('build', 'onednn3');
  const include = `${folder}/include`;
  if (!existsSync(`${include}/oneapi/dnnl/dnnl.hpp`)) {
    const pip = ['-m', 'pip', 'install', '--quiet', '--no-deps', '--root-user-action=ignore'];
    const wheel = ['--prefix', folder, '--ignore-installed', 'onednn-devel-cpu-gomp==2023.2.0'];
    // Debian refuses pip's installs unless told that nothing goes to the system's own folders.
    const env = { PIP_BREAK_SYSTEM_PACKAGES: '1' };
    if ((await shown('python3', [...pip, ...wheel], { env })) !== 0) return { ok: false };
  }
  const sources = ['native/src/cpu', 'native/bench']
    .flatMap((folder) =>
      readdirSync(inRoot(folder), { recursive: true }).map((name) => inRoot(folder, name)),
    )
    .filter(
      (path) => path.endsWith('.cc') && /onednn|cpu_backend/.test(readFileSync(path, 'utf8')),
    );
  const flags = ['-std=c++20', '-Wall', '-Wextra', '-Werror', '-fopenmp', '-fsyntax-only'];
  const paths = ['-I', inRoot('native', 'src'), '-isystem', include];
  const ok = (await shown('c++', [...flags, ...paths, ...sources])) === 0;
  note(`${sources.length} files ${ok ? 'compile' : 'do not compile'} against oneDNN 3`);
  return { ok };
}

/** The TypeScript tests that drive the addon hardest; the rest would only test V8 under ASan. */
const addonTests = [
  'graph-native',
  'ops',
  'ops-dropout',
  'ops-errors',
  'ops-gradients',
  'ops-pytorch',
].map((name) => `ts/test/${name}.test.ts`);

/** The sanitizer's runtime library, which must be loaded before an uninstrumented Node starts. */
function asanRuntime() {
  const cache = readFileSync(`${sanitizeDir}/CMakeCache.txt`, 'utf8');
  const compiler = cache.match(/^CMAKE_CXX_COMPILER:[A-Z]+=(.*)$/m)?.[1] ?? 'c++';
  const isClang = /clang/.test(compiler);
  const name = isClang
    ? `libclang_rt.asan-${process.arch === 'x64' ? 'x86_64' : 'aarch64'}.so`
    : 'libasan.so';
  const { stdout } = spawnSync(compiler, [`-print-file-name=${name}`], { encoding: 'utf8' });
  const path = stdout?.trim() ?? '';
  if (!path.includes('/')) {
    throw new StepError(`${compiler} has no ${name}.`, {
      advice: 'Install the address sanitizer of this compiler.',
    });
  }
  return path;
}

/** Native tests and the addon's tests with address and undefined-behaviour sanitizers. */
export async function sanitize() {
  const gone = addonTests.filter((path) => !existsSync(inRoot(path)));
  if (gone.length > 0) {
    throw new StepError(`Found no ${gone.join(', ')}.`, {
      advice: 'scripts/lib/sections.mjs names the tests to run with sanitizers.',
    });
  }
  await bootstrap('sanitize');
  const ubsan = { UBSAN_OPTIONS: 'print_stacktrace=1:halt_on_error=1' };
  const native = await runNativeTests(sanitizeDir, {
    env: { ...ubsan, ASAN_OPTIONS: 'detect_leaks=1:detect_stack_use_after_return=1' },
  });
  const typescript = await runTypeScriptTests(addonTests, {
    env: {
      ...ubsan,
      NEURONODE_ADDON: addonIn(sanitizeDir),
      LD_PRELOAD: asanRuntime(),
      // Node frees little of its own at exit, so leaks are the native tests' to find.
      ASAN_OPTIONS: 'detect_leaks=0',
    },
  });
  return total([native, typescript]);
}
