/**
 * Owns the native build: cmake-js configures (it knows where Node's headers are), CMake and Ninja
 * build. CMakeLists.txt is the one description of the build.
 *
 * A build folder keeps its options: once the native tests have been asked for, later builds of the
 * addon alone leave the configuration as it is and do not build the tests. The CUDA backend is
 * different: it shares C++ objects with the addon, so where it has been asked for it is kept as new
 * as the addon, and where it is not to be built no old one stays beside it.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { basename } from 'node:path';
import { logged } from './exec.mjs';
import { addonIn, cudaLibraryIn, inRoot, releaseDir, root } from './paths.mjs';
import { StepError } from './report.mjs';

/** The cache of a configured build folder as a map, or undefined. */
function readCache(buildDir) {
  const path = `${buildDir}/CMakeCache.txt`;
  if (!existsSync(path) || !existsSync(`${buildDir}/build.ninja`)) return undefined;
  const entries = readFileSync(path, 'utf8').matchAll(/^([^#/][^:\n]*):[A-Z]+=(.*)$/gm);
  return new Map(Array.from(entries, ([, key, value]) => [key, value]));
}

/** Removes what CMake wrote at the top of a build folder, and leaves the TypeScript output be. */
function forgetConfiguration(buildDir) {
  for (const name of ['CMakeCache.txt', 'CMakeFiles', 'build.ninja', '.ninja_deps', '.ninja_log']) {
    rmSync(`${buildDir}/${name}`, { recursive: true, force: true });
  }
}

function logName(buildDir, stage) {
  const suffix = buildDir === releaseDir ? '' : `-${basename(buildDir)}`;
  return inRoot('build', 'log', `${stage}${suffix}.log`);
}

async function configure(buildDir, options) {
  const cmakeJs = inRoot('node_modules', 'cmake-js', 'bin', 'cmake-js');
  const definitions = Object.entries(options).map(([key, value]) => `--CD${key}=${value}`);
  await logged(
    logName(buildDir, 'configure'),
    process.execPath,
    [cmakeJs, 'configure', '--generator', 'Ninja', '--out', buildDir, ...definitions],
    {
      advice: 'CMake could not set up the native build; the lines above say what it missed.',
    },
  );
}

/**
 * Builds in `buildDir`, configuring it first if it is new, moved or lacks an option.
 *
 * @param {{
 *   buildDir: string,
 *   options?: Record<string, string>,
 *   targets?: string[],
 *   cudaTargets?: string[],
 * }} what `cudaTargets`: more of them where the CUDA backend is built.
 * @returns What was done, in words, or undefined if all was up to date.
 */
export async function buildNative(
  { buildDir, options = {}, targets = ['all'], cudaTargets = [] },
  onProgress,
) {
  const cache = readCache(buildDir);
  const isMoved = cache !== undefined && cache.get('CMAKE_HOME_DIRECTORY') !== root;
  if (isMoved) forgetConfiguration(buildDir);
  const lacks = Object.entries(options).some(([key, value]) => cache?.get(key) !== value);
  if (cache === undefined || isMoved || lacks) {
    onProgress('configuring');
    await configure(buildDir, options);
  }
  const hasCuda = readCache(buildDir)?.get('NEURONODE_CUDA') === 'ON';
  if (!hasCuda) rmSync(cudaLibraryIn(buildDir), { force: true });
  const wanted =
    hasCuda && !targets.includes('all') ? [...targets, 'neuronode_cuda', ...cudaTargets] : targets;
  const output = await logged(
    logName(buildDir, 'build'),
    'cmake',
    ['--build', buildDir, '--target', ...wanted],
    {
      advice: 'The native code did not compile; the lines above say where.',
      onOutput: (text) => onProgress(text.match(/\[\d+\/\d+\](?![\s\S]*\[\d+\/\d+\])/)?.[0] ?? ''),
    },
  );
  if (!existsSync(addonIn(buildDir))) {
    throw new StepError(`The build ended well but left no ${addonIn(buildDir)}.`);
  }
  return output.includes('ninja: no work to do') ? undefined : 'built';
}
