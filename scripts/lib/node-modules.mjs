/**
 * Owns node_modules: installs exactly what package-lock.json says, and nothing if it is there. No
 * package's install script runs, so nothing is downloaded beside the packages themselves.
 */
import { existsSync, readFileSync } from 'node:fs';
import { logged } from './exec.mjs';
import { inRoot } from './paths.mjs';

function readPackages(path) {
  return JSON.parse(readFileSync(path, 'utf8')).packages;
}

function isForThisMachine(entry) {
  const allows = (list, value) => list === undefined || list.includes(value);
  // Which C library a package wants is npm's to judge.
  return (
    entry.libc === undefined &&
    allows(entry.os, process.platform) &&
    allows(entry.cpu, process.arch)
  );
}

/** Whether npm's own record of what it installed agrees with the lock file. */
function isInstalled() {
  const record = inRoot('node_modules', '.package-lock.json');
  if (!existsSync(record)) return false;
  const have = readPackages(record);
  return Object.entries(readPackages(inRoot('package-lock.json'))).every(([path, entry]) => {
    if (path === '') return true;
    if (have[path] === undefined) {
      const isBinary = entry.os !== undefined || entry.cpu !== undefined;
      return entry.optional === true && !(isBinary && isForThisMachine(entry));
    }
    return have[path].version === entry.version && existsSync(inRoot(path));
  });
}

/** The npm that runs this script, or else the one on PATH. */
function npm() {
  const path = process.env.npm_execpath;
  return path?.endsWith('npm-cli.js') ? [process.execPath, path] : ['npm'];
}

/** @returns What was installed, in words, or undefined if all was there. */
export async function ensureNodeModules() {
  if (isInstalled()) return undefined;
  const [command, ...args] = npm();
  await logged(
    inRoot('build', 'log', 'npm.log'),
    command,
    [...args, 'ci', '--ignore-scripts', '--include=dev'],
    { advice: 'The npm registry must be within reach. Then run the same command again.' },
  );
  return 'installed from package-lock.json';
}
