/** Owns how Node and npm get into a bare root: the ones that run this, copied. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { inRoot } from '../lib/paths.mjs';
import { StepError } from '../lib/report.mjs';

/** The folder of the npm package that runs this script, or else of the one on PATH. */
function npmFolder() {
  const given = process.env.npm_execpath;
  const onPath = () =>
    spawnSync('sh', ['-c', 'command -v npm'], { encoding: 'utf8' }).stdout.trim();
  const cli = realpathSync(given?.endsWith('npm-cli.js') ? given : onPath());
  return dirname(dirname(cli));
}

/** Puts Node and npm into /usr/local of a bare root. */
export async function installNode(bare) {
  const local = `${bare.path}/usr/local`;
  const npm = `${local}/lib/node_modules/npm`;
  copyFileSync(process.execPath, `${local}/bin/node`);
  chmodSync(`${local}/bin/node`, 0o755);
  mkdirSync(dirname(npm), { recursive: true });
  cpSync(npmFolder(), npm, { recursive: true });
  // Settings that who packed this npm gave it.
  rmSync(`${npm}/npmrc`, { force: true });
  for (const name of ['npm', 'npx']) {
    symlinkSync(`../lib/node_modules/npm/bin/${name}-cli.js`, `${local}/bin/${name}`);
  }
  const log = inRoot('build', 'log', `fresh-${bare.suite}-node.log`);
  const { status } = await bare.run(['sh', '-c', 'node --version && npm --version'], { log });
  if (status !== 0) {
    throw new StepError('The Node.js that runs this does not run in a bare Debian root.', {
      log,
      advice: 'Node.js as nodejs.org builds it needs no libraries but those of any Debian.',
    });
  }
}
