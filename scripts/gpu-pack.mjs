/**
 * `npm run gpu-pack -- DIR`: makes a folder that checks neuronode on a machine with an NVIDIA GPU and
 * nothing of ours: no Node.js, no npm, no network. There: `bash DIR/run.sh [--minutes 6] [--out DIR2]`.
 *
 *   --try  in the place of DIR: makes one in build, and runs it in a bare Debian without a GPU
 */
import { basename, resolve } from 'node:path';
import { makePack } from './gpu-pack/pack.mjs';
import { gpuPack } from './gpu-pack/try.mjs';
import { bootstrap } from './lib/bootstrap.mjs';
import { main, note, StepError } from './lib/report.mjs';

main(async () => {
  const [folder, ...more] = process.argv.slice(2);
  if (folder === '--try' && more.length === 0) {
    await gpuPack();
    return;
  }
  if (folder === undefined || more.length > 0 || folder.startsWith('-')) {
    throw new StepError('Expected one folder: npm run gpu-pack -- DIR (or --try).');
  }
  await bootstrap('test');
  const path = resolve(folder);
  for (const line of await makePack(path)) note(line);
  note(`on the other machine: bash ${basename(path)}/run.sh`);
});
