/**
 * Tests run against the built package: `neuronode` means dist/index.js here as it does for users,
 * and dist is loaded by Node itself, so that a test's inside view ('../../dist/...') and the public
 * API share one copy of every class.
 */
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: {
    alias: [
      {
        find: /^neuronode$/,
        replacement: fileURLToPath(new URL('./dist/index.js', import.meta.url)),
      },
    ],
  },
  test: {
    include: ['ts/test/**/*.test.ts'],
    // Those of vitest.cuda.config.ts.
    exclude: ['ts/test/cuda/**'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    server: { deps: { external: [/\/dist\/.*\.js$/] } },
  },
});
