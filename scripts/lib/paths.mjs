/**
 * Owns where things are: the repository's root, the build folders, and the addon's place in them.
 * Plain Node with no dependency, as everything in scripts/: it runs before node_modules exists.
 */
import { homedir } from 'node:os';
import { fileURLToPath } from 'node:url';

/** The repository's root, without a trailing separator. */
export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/[\\/]$/, '');

/** A path inside the repository. */
export function inRoot(...parts) {
  return [root, ...parts].join('/');
}

/** What all clones of a user share: downloads that are too large for each to have its own. */
export const cacheFolder = `${process.env.XDG_CACHE_HOME || `${homedir()}/.cache`}/neuronode`;

/** Build folder of the addon that users load. */
export const releaseDir = inRoot('build');

/** Build folder of the addon and the native tests with address and undefined-behaviour sanitizers. */
export const sanitizeDir = inRoot('build', 'asan');

/** The addon that a build folder holds after a build. */
export function addonIn(buildDir) {
  return `${buildDir}/Release/neuronode.node`;
}

/** The CUDA backend beside it, where it was built. */
export function cudaLibraryIn(buildDir) {
  return `${buildDir}/Release/libneuronode_cuda.so`;
}
