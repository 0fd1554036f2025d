/**
 * Owns what each command needs before it can run, and brings it about: system packages, node
 * modules, the addon, the TypeScript. A second run finds all in place and prints nothing.
 */
import { cudaArchitectures } from './cuda-architectures.mjs';
import {
  cudaObstacle,
  ensureCudaToolchain,
  hasCudaToolchain,
  needsCudaWheels,
} from './cuda-toolchain.mjs';
import { withLock } from './lock.mjs';
import { buildNative } from './native.mjs';
import { ensureNodeModules } from './node-modules.mjs';
import { inRoot, releaseDir, sanitizeDir } from './paths.mjs';
import { note, StepError, step } from './report.mjs';
import { ensureSystem, tryEnsureSystem } from './system.mjs';
import { buildTypeScript } from './typescript.mjs';

const toolchain = ['compiler', 'cmake', 'ninja', 'onednn'];
const addon = { buildDir: releaseDir, targets: ['neuronode'] };
const addonAndTests = { buildDir: releaseDir, options: { NEURONODE_TESTS: 'ON' } };
const sanitized = {
  buildDir: sanitizeDir,
  options: { NEURONODE_TESTS: 'ON', NEURONODE_SANITIZE: 'ON' },
};

const fullTest = {
  system: [...toolchain, 'googletest', 'fashionMnist'],
  wanted: [],
  cuda: { NEURONODE_CUDA: 'ON', NEURONODE_CUDA_TESTS: 'ON' },
  native: [addonAndTests],
  typescript: [],
};

/**
 * What each command needs. `wanted`: the loader can fetch the data set itself where no package has
 * it. `typescript`: the projects to build, none for all. `cuda`: NVIDIA's compiler as well, and what
 * it adds to the options of native builds; only these commands download it.
 */
const commands = {
  build: { system: toolchain, wanted: [], native: [addon], typescript: [] },
  native: { system: toolchain, wanted: [], native: [addon], typescript: undefined },
  train: {
    system: toolchain,
    wanted: ['fashionMnist'],
    native: [addon],
    typescript: ['ts/src', 'examples'],
  },
  bench: {
    system: toolchain,
    wanted: ['fashionMnist'],
    native: [addon],
    typescript: ['ts/src', 'examples', 'bench'],
  },
  test: fullTest,
  quickTest: {
    ...fullTest,
    native: [
      {
        ...addonAndTests,
        targets: ['neuronode', 'neuronode_tests'],
        cudaTargets: ['neuronode_cuda_emulated'],
      },
    ],
  },
  cuda: {
    system: toolchain,
    wanted: [],
    cuda: { NEURONODE_CUDA: 'ON' },
    native: [addon],
    typescript: [],
  },
  sanitize: {
    system: [...toolchain, 'googletest', 'fashionMnist'],
    wanted: [],
    native: [sanitized],
    typescript: [],
  },
  onednn3: { system: ['compiler', 'onednn', 'pip'], wanted: [], native: [], typescript: undefined },
  lint: { system: ['clangFormat'], wanted: [], native: [], typescript: undefined },
};

/** The commands that `bootstrap` knows. */
export const commandNames = Object.keys(commands);

const oldestNode = 20;

function checkNode() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < oldestNode) {
    throw new StepError(
      `neuronode needs Node.js ${oldestNode} or newer; this is ${process.version}.`,
      {
        advice: `Install Node.js ${oldestNode} or newer, then run the same command again.`,
      },
    );
  }
}

/** What a native build is to be configured with, given what there is of CUDA. */
function withCuda(build, options) {
  // An earlier command may have set the folder up for a toolchain that has gone since.
  const gone = { NEURONODE_CUDA: 'OFF', NEURONODE_CUDA_TESTS: 'OFF' };
  const more = options ?? (hasCudaToolchain() ? {} : gone);
  return { ...build, options: { ...build.options, ...more } };
}

function goWithoutCuda(obstacle) {
  // Where all is to be tested, a part left out is a failure.
  if (process.env.CI !== undefined) throw new StepError(`${obstacle}.`);
  note(`without the CUDA backend: ${obstacle}`);
}

/**
 * Makes the working tree ready for a command. Two at the same time take turns.
 *
 * @param {keyof typeof commands} name
 * @throws StepError that says what to do.
 */
export async function bootstrap(name) {
  checkNode();
  const { system, wanted, cuda, native, typescript } = commands[name];
  const obstacle = cuda === undefined ? undefined : cudaObstacle();
  const cudaOptions =
    cuda === undefined || obstacle !== undefined
      ? undefined
      : { ...cuda, NEURONODE_CUDA_ARCHITECTURES: cudaArchitectures().join(';') };
  const onWait = (pid) => note(`waiting for another bootstrap here (process ${pid})`);
  await withLock(inRoot('build', 'bootstrap.lock'), onWait, async () => {
    const wheels = cudaOptions !== undefined && needsCudaWheels() ? ['pip'] : [];
    await step('system packages', (progress) =>
      ensureSystem([...system, ...wheels], progress, wanted),
    );
    if (wanted.length > 0) {
      await step('data set', (progress) => tryEnsureSystem(wanted, progress));
    }
    await step('node modules', ensureNodeModules);
    if (obstacle !== undefined) goWithoutCuda(obstacle);
    if (cudaOptions !== undefined) await step('CUDA toolchain', ensureCudaToolchain);
    for (const build of native) {
      const kind = build.buildDir === sanitizeDir ? 'native code with sanitizers' : 'native code';
      await step(kind, (progress) => buildNative(withCuda(build, cudaOptions), progress));
    }
    if (typescript !== undefined) await step('TypeScript', () => buildTypeScript(typescript));
  });
}
