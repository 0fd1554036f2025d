/**
 * Owns what must come from the system: compilers, libraries and the data set. Each need is probed
 * by what it provides, so that a tool from anywhere will do; Debian's package is only how a missing
 * one is installed, which takes root or sudo.
 */

import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { logged, shown } from './exec.mjs';
import { inRoot } from './paths.mjs';
import { note, StepError } from './report.mjs';

function onPath(...names) {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  const endings = process.platform === 'win32' ? ['.exe', '.cmd', '.bat'] : [''];
  const isProgram = (path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false; // absent, or not to be executed: either way not a program
    }
  };
  return names.some((name) =>
    folders.some((folder) => endings.some((ending) => isProgram(join(folder, name + ending)))),
  );
}

/** Whether a header lies in a usual folder, or in one that the environment names to CMake or gcc. */
function hasHeader(name) {
  const named = (process.env.CPATH ?? '').split(delimiter);
  const prefixes = (process.env.CMAKE_PREFIX_PATH ?? '').split(delimiter);
  const folders = [
    '/usr/include',
    '/usr/local/include',
    '/opt/homebrew/include',
    ...named,
    ...prefixes.filter((prefix) => prefix !== '').map((prefix) => `${prefix}/include`),
  ];
  return folders.some((folder) => folder !== '' && existsSync(`${folder}/${name}`));
}

/** Every need: how to see whether it is met, and the Debian package that meets it. */
const needs = {
  compiler: {
    text: 'a C++20 compiler (g++ 12, clang 15 or newer)',
    package: 'g++',
    isMet: () => onPath('g++', 'clang++'),
  },
  cmake: { text: 'CMake 3.22 or newer', package: 'cmake', isMet: () => onPath('cmake') },
  ninja: { text: 'Ninja', package: 'ninja-build', isMet: () => onPath('ninja') },
  onednn: {
    text: 'oneDNN 2.6 or newer with its headers',
    package: 'libdnnl-dev',
    isMet: () => hasHeader('dnnl.hpp') || hasHeader('oneapi/dnnl/dnnl.hpp'),
  },
  googletest: {
    text: 'GoogleTest',
    package: 'libgtest-dev',
    isMet: () => hasHeader('gtest/gtest.h'),
  },
  clangFormat: {
    text: 'clang-format',
    package: 'clang-format',
    isMet: () => onPath('clang-format'),
  },
  pip: {
    text: "Python's pip",
    package: 'python3-pip',
    isMet: () => spawnSync('python3', ['-m', 'pip', '--version']).status === 0,
  },
  debootstrap: {
    text: 'debootstrap',
    package: 'debootstrap',
    isMet: () => onPath('debootstrap'),
  },
  fashionMnist: {
    text: 'the Fashion-MNIST files',
    package: 'dataset-fashion-mnist',
    isMet: () => existsSync('/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz'),
  },
};

function isRoot() {
  return process.getuid?.() === 0;
}

/** The words before apt-get that give it root's rights, or undefined where there are none. */
function rights() {
  if (isRoot()) return [];
  if (!onPath('sudo')) return undefined;
  if (spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0) return ['sudo', '-n'];
  // A password is for a person at a terminal to give.
  return process.stdin.isTTY === true && process.env.CI === undefined ? ['sudo'] : undefined;
}

function adviceFor(names) {
  const list = names.map((name) => `  - ${needs[name].text}`).join('\n');
  const packages = names.map((name) => needs[name].package).join(' ');
  const command = `${isRoot() ? '' : 'sudo '}apt-get install ${packages}`;
  return `Needed from the system:\n${list}\nOn Debian or Ubuntu: ${command}\nThen run the same command again.`;
}

async function install(names, prefix, onOutput) {
  const packages = names.map((name) => needs[name].package);
  // Another apt may be at work, on a machine that has just started above all.
  const apt = ['apt-get', '-y', '-o', 'DPkg::Lock::Timeout=300'];
  const log = inRoot('build', 'log', 'apt.log');
  const run = (words) => {
    const [command, ...args] = [
      ...prefix,
      'env',
      'DEBIAN_FRONTEND=noninteractive',
      ...apt,
      ...words,
    ];
    return logged(log, command, args, { advice: adviceFor(names), onOutput });
  };
  if (prefix[0] === 'sudo' && prefix[1] !== '-n') {
    note(`installing ${packages.join(' ')} with sudo`);
    if ((await shown('sudo', ['-v'])) !== 0) {
      throw new StepError('sudo was refused', { advice: adviceFor(names) });
    }
  }
  const words = ['install', '--no-install-recommends', ...packages];
  try {
    await run(words);
  } catch {
    // Package lists may be absent or old; if that was not the reason, this fails and says why.
    await run(['update']);
    await run(words);
  }
  return packages;
}

/**
 * Sees to it that the needs are met.
 *
 * @param {(keyof typeof needs)[]} names
 * @returns What was installed, in words, or undefined if nothing was missing.
 * @throws StepError that says what to install, if it cannot be done here.
 */
export async function ensureSystem(names, onProgress) {
  const missing = names.filter((name) => !needs[name].isMet());
  if (missing.length === 0) return undefined;
  const prefix = onPath('apt-get') ? rights() : undefined;
  if (prefix === undefined) {
    throw new StepError('Something is missing and cannot be installed from here.', {
      advice: adviceFor(missing),
    });
  }
  const packages = missing.map((name) => needs[name].package).join(' ');
  onProgress(packages);
  await install(missing, prefix, () => {});
  const still = missing.filter((name) => !needs[name].isMet());
  if (still.length > 0) {
    throw new StepError(`Installed ${packages}, and yet something is missing.`, {
      advice: adviceFor(still),
    });
  }
  return `installed ${packages}`;
}

/** As `ensureSystem`, for what the program can do without: a remark where it cannot be had. */
export async function tryEnsureSystem(names, onProgress) {
  try {
    return await ensureSystem(names, onProgress);
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    const missing = names.filter((name) => !needs[name].isMet());
    return `not installed, going on without ${missing.map((name) => needs[name].text).join(', ')}`;
  }
}
