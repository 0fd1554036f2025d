/**
 * The tests that run on a GPU: those that do not depend on the device, and those of ts/test/cuda.
 * `npx vitest run --config vitest.cuda.config.ts` runs them on the emulated GPU, which is built for
 * tests; with NEURONODE_TEST_DEVICE set, such as to `cuda`, on a real one, without the tests that
 * inject faults. Other words name files, as always.
 */
import { defineConfig, mergeConfig } from 'vitest/config';
import { emulatedLibrary } from './ts/test/cuda/library.js';
import base from './vitest.config.js';

const device = process.env.NEURONODE_TEST_DEVICE;
const isEmulated = device === undefined || device === '';

/** Tests of the CPU's suite that name no device of their own. */
const shared = [
  'buffers',
  'checkpoint',
  'composed',
  'fold',
  'graph-native',
  'losses',
  'native-program',
  'ops',
  'ops-dropout',
  'ops-errors',
  'ops-gradients',
  'ops-pytorch',
  'predict',
  'trainer',
  'trainer-fit',
  'trainer-misuse',
  'trainer-process',
  'trainer-programs',
].map((name) => `ts/test/${name}.test.ts`);

const config = mergeConfig(
  base,
  defineConfig({
    test: {
      globalSetup: isEmulated ? ['ts/test/cuda/setup.ts'] : [],
      env: isEmulated
        ? { NEURONODE_TEST_DEVICE: 'cuda', NEURONODE_CUDA_LIBRARY: emulatedLibrary() }
        : { NEURONODE_TEST_DEVICE: device },
    },
  }),
);
// Lists are not to be merged.
config.test = {
  ...config.test,
  include: ['ts/test/cuda/**/*.test.ts', ...shared],
  exclude: isEmulated ? [] : ['ts/test/cuda/emulated-*.test.ts'],
};

export default config;
