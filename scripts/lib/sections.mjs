/**
 * Owns what the gate consists of: each section makes ready what it needs, runs, and returns a result
 * with `ok` (and counts, where it ran tests).
 */

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { bootstrap } from './bootstrap.mjs';
import { clangFormat } from './clang-format.mjs';
import { shown } from './exec.mjs';
import { addonIn, inRoot, releaseDir, sanitizeDir } from './paths.mjs';
import { note, StepError } from './report.mjs';
import { runNativeTests, runTypeScriptTests, total } from './suites.mjs';

/** Runs biome with the given words. */
export async function biome(...args) {
  const bin = inRoot('node_modules', '@biomejs', 'biome', 'bin', 'biome');
  return (await shown(process.execPath, [bin, ...args])) === 0;
}

/** Formatters and linters, writing nothing. */
export async function lint() {
  await bootstrap('lint');
  const typescript = await biome('ci', '--error-on-warnings');
  const native = await clangFormat('--dry-run', '-Werror');
  const ok = typescript && native;
  if (!ok) note('npm run format puts formatting right');
  return { ok };
}

/** Type check, native tests, TypeScript tests. */
export async function test({ native = true, typescript = true, args = [] } = {}) {
  await bootstrap('test');
  const results = [];
  if (native) results.push(await runNativeTests(releaseDir));
  if (typescript) results.push(await runTypeScriptTests(args));
  return total(results);
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
  const sources = readdirSync(inRoot('native', 'src', 'cpu'))
    .map((name) => inRoot('native', 'src', 'cpu', name))
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
