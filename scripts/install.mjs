/**
 * npm's install script. It builds and downloads nothing and never fails: a package holds its addon
 * ready made, and a clone builds it with the first command that needs it. It is here for two things:
 * without it npm would run node-gyp because there is a binding.gyp; and it says what is missing.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { addonIn, inRoot, releaseDir } from './lib/paths.mjs';

const addon = addonIn(releaseDir);
const isClone = existsSync(inRoot('vitest.config.ts'));

function problem() {
  if (!existsSync(addon)) {
    return `no native addon for ${process.platform}-${process.arch} in this package`;
  }
  try {
    createRequire(import.meta.url)(addon);
    return undefined;
  } catch (error) {
    return `the native addon does not load: ${error.message}`;
  }
}

const found = isClone ? undefined : problem();
if (found !== undefined) {
  process.stderr.write(
    `neuronode: ${found}.\n` +
      'It runs once its libraries are there (Debian and Ubuntu: apt-get install libdnnl2), or after\n' +
      'building it: clone the repository, run npm run build there, and install from that folder.\n',
  );
}
