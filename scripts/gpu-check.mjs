/**
 * `npm run gpu-check`: on a machine with a GPU, everything that only a GPU can show: makes the pack
 * that `npm run gpu-pack` makes, runs it here, and copies its results to docs/gpu-results.md. Without
 * a GPU it says what is missing and fails.
 *
 *   --minutes 20  how long it may take
 */
import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import { missingHardware, oldestDriver } from './gpu-check/hardware.mjs';
import { makePack } from './gpu-pack/pack.mjs';
import { bootstrap } from './lib/bootstrap.mjs';
import { shown } from './lib/exec.mjs';
import { cacheFolder, inRoot } from './lib/paths.mjs';
import { main, note, StepError } from './lib/report.mjs';

main(async () => {
  const words = process.argv.slice(2);
  const isMinutes = words.length === 2 && words[0] === '--minutes' && Number(words[1]) > 0;
  if (words.length > 0 && !isMinutes) {
    throw new StepError(`Expected nothing or --minutes N, got: ${words.join(' ')}`);
  }
  const missing = missingHardware();
  if (missing.length > 0) {
    throw new StepError(['There is no GPU to check here.', ...missing].join('\n'), {
      advice:
        `Run it on a machine with an NVIDIA GPU (Ampere or newer) and a driver of ${oldestDriver} ` +
        'or newer; where that has no Node.js, npm run gpu-pack makes a folder to take there. ' +
        'What can be shown without a GPU, npm test shows.',
    });
  }
  await bootstrap('test');
  const [pack, out] = [inRoot('build', 'gpu-pack'), inRoot('build', 'gpu-results')];
  await makePack(pack);
  // PyTorch as scripts/peers installs it, where it did.
  const peers = `${cacheFolder}/peers/bin/python`;
  const env = existsSync(peers) ? { NEURONODE_PYTHON: peers } : {};
  const minutes = isMinutes ? words : ['--minutes', '20'];
  const status = await shown('bash', [`${pack}/run.sh`, ...minutes, '--out', out], { env });
  const results = `${out}/results.json`;
  if (!existsSync(results))
    throw new StepError(`run.sh ended with status ${status}, and no results.`);
  // Times of an imitation say nothing of a GPU.
  if (JSON.parse(readFileSync(results, 'utf8')).emulated === false) {
    copyFileSync(`${out}/results.md`, inRoot('docs', 'gpu-results.md'));
    note('docs/gpu-results.md has the results');
  }
  process.exitCode = status;
});
