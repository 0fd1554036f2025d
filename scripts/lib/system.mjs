/**
 * Owns what must come from the system: compilers, libraries and the data set. Each need is probed
 * by use (probes.mjs), once in a run, so that what serves will do from anywhere; Debian's package is
 * only how a missing one is installed, which takes root or sudo.
 */

import { spawnSync } from 'node:child_process';
import { logged, shown } from './exec.mjs';
import { inRoot } from './paths.mjs';
import {
  compilesCpp20,
  decodesFashionMnist,
  formatsCpp,
  linksGoogleTest,
  linksOneDnn,
  runsCMake,
  runsNinja,
  runsPip,
  saysVersion,
} from './probes.mjs';
import { note, StepError } from './report.mjs';

/** Every need: how to see whether it is met, and the Debian package that meets it. */
const needs = {
  compiler: {
    text: 'a C++20 compiler (g++ 12, clang 15 or newer)',
    package: 'g++',
    probe: compilesCpp20,
  },
  cmake: { text: 'CMake 3.22 or newer', package: 'cmake', probe: runsCMake },
  ninja: { text: 'Ninja', package: 'ninja-build', probe: runsNinja },
  // These two are linked with the compiler; where there is none, they are not known to be there.
  onednn: {
    text: 'oneDNN 2.6 or newer, below 4, with its headers',
    package: 'libdnnl-dev',
    probe: linksOneDnn,
  },
  googletest: { text: 'GoogleTest', package: 'libgtest-dev', probe: linksGoogleTest },
  clangFormat: { text: 'clang-format', package: 'clang-format', probe: formatsCpp },
  pip: { text: "Python's pip, 22 or newer", package: 'python3-pip', probe: runsPip },
  debootstrap: {
    text: 'debootstrap',
    package: 'debootstrap',
    probe: () => saysVersion('debootstrap'),
  },
  git: { text: 'git', package: 'git', probe: () => saysVersion('git') },
  fashionMnist: {
    text: 'the Fashion-MNIST files',
    package: 'dataset-fashion-mnist',
    probe: decodesFashionMnist,
  },
};

/** What was found in this run. */
const found = new Map();

/** Those of the needs that are not met. */
async function missingOf(names) {
  for (const name of names) if (!found.has(name)) found.set(name, needs[name].probe());
  const met = await Promise.all(names.map((name) => found.get(name)));
  return names.filter((_, i) => !met[i]);
}

function isRoot() {
  return process.getuid?.() === 0;
}

/** The words before apt-get that give it root's rights, or undefined without apt-get or rights. */
function rights() {
  if (spawnSync('apt-get', ['--version'], { stdio: 'ignore' }).status !== 0) return undefined;
  if (isRoot()) return [];
  if (spawnSync('sudo', ['--version'], { stdio: 'ignore' }).status !== 0) return undefined;
  if (spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' }).status === 0) return ['sudo', '-n'];
  // A password is for a person at a terminal to give.
  return process.stdin.isTTY === true && process.env.CI === undefined ? ['sudo'] : undefined;
}

/** For apt-get: what the packages cannot be without, and nothing else. */
const withoutMore = '--no-install-recommends';

/** `wanted`: those of the names that the program can do without. */
function adviceFor(names, wanted = []) {
  const list = names
    .map((name) => `  - ${needs[name].text}${wanted.includes(name) ? ', if not downloaded' : ''}`)
    .join('\n');
  const packages = names.map((name) => needs[name].package).join(' ');
  const sudo = isRoot() ? '' : 'sudo ';
  const command = `${sudo}apt-get update && ${sudo}apt-get install ${withoutMore} ${packages}`;
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
  const words = ['install', withoutMore, ...packages];
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
 * @param {(keyof typeof needs)[]} wanted What is to be had later and can be done without: named
 *   together with the needs, so that all can be installed at once.
 * @returns What was installed, in words, or undefined if nothing was missing.
 * @throws StepError that says what to install, if it cannot be done here.
 */
export async function ensureSystem(names, onProgress, wanted = []) {
  const missing = await missingOf(names);
  if (missing.length === 0) return undefined;
  const prefix = rights();
  if (prefix === undefined) {
    const all = [...missing, ...(await missingOf(wanted))];
    throw new StepError('Something is missing and cannot be installed from here.', {
      advice: adviceFor(all, wanted),
    });
  }
  const packages = missing.map((name) => needs[name].package).join(' ');
  onProgress(packages);
  await install(missing, prefix, () => {});
  for (const name of missing) found.delete(name);
  const still = await missingOf(missing);
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
    const missing = await missingOf(names);
    return `not installed, going on without ${missing.map((name) => needs[name].text).join(', ')}`;
  }
}
