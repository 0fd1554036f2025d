/**
 * `npm run gpu-check`: everything that only a GPU can show. Builds the real backend, runs the device
 * tests on it, runs it under compute-sanitizer, compares replays with eager runs, measures the
 * training step against PyTorch and each kernel against its floor, and writes docs/gpu-results.md.
 * Without a GPU it says what is missing and fails.
 *
 *   --no-peer       measure without PyTorch
 *   --no-sanitizer  leave compute-sanitizer out, which takes minutes
 */
import { checkReplays, describeDevice, measureDevice } from './gpu-check/check.mjs';
import { missingHardware, oldestDriver } from './gpu-check/hardware.mjs';
import { loadPackage } from './gpu-check/inside.mjs';
import { missingPeer, startPeer } from './gpu-check/peer.mjs';
import { asMarkdown, writeResults } from './gpu-check/report.mjs';
import { findSanitizer, runSanitizers } from './gpu-check/sanitizers.mjs';
import { bootstrap } from './lib/bootstrap.mjs';
import { inRoot } from './lib/paths.mjs';
import { main, note, StepError } from './lib/report.mjs';
import { runTypeScriptTests, summary } from './lib/suites.mjs';

const deviceName = 'cuda:0';
const known = ['--no-peer', '--no-sanitizer'];

async function deviceTests() {
  const env = { NEURONODE_TEST_DEVICE: 'cuda' };
  const result = await runTypeScriptTests(['--config', inRoot('vitest.cuda.config.ts')], { env });
  return {
    name: 'operation table, gradients and trajectories on the device',
    ok: result.ok,
    detail: summary(result),
  };
}

async function measure(inside, device, checks, withPeer) {
  const peer = withPeer ? startPeer() : undefined;
  try {
    const options = { device, network: 'alexnet', batch: 128, rounds: 7, stepsPerRound: 20 };
    return await measureDevice(inside, { ...options, autotune: true }, checks, peer);
  } finally {
    await peer?.end();
  }
}

main(async () => {
  const words = process.argv.slice(2);
  const unknown = words.filter((word) => !known.includes(word));
  if (unknown.length > 0) {
    throw new StepError(`Unknown: ${unknown.join(' ')}. There are: ${known.join(', ')}.`);
  }
  const missing = missingHardware();
  if (missing.length > 0) {
    throw new StepError(['There is no GPU to check here.', ...missing].join('\n'), {
      advice:
        `Run it on a machine with an NVIDIA GPU (Ampere or newer) and a driver of ${oldestDriver} ` +
        'or newer. What can be shown without one, npm test shows.',
    });
  }
  const withPeer = !words.includes('--no-peer');
  const noPeer = withPeer ? missingPeer() : undefined;
  if (noPeer !== undefined) {
    throw new StepError(noPeer, {
      advice: 'Or measure without it: npm run gpu-check -- --no-peer',
    });
  }
  await bootstrap('test');
  const inside = await loadPackage();
  const device = describeDevice(inside, deviceName);
  const checks = [await deviceTests()];
  if (words.includes('--no-sanitizer')) note('compute-sanitizer was left out');
  else checks.push(...(await runSanitizers(findSanitizer(), deviceName)));
  checks.push(...(await checkReplays(inside, { device, network: 'lenet', batch: 32, steps: 4 })));
  checks.push(...(await checkReplays(inside, { device, network: 'alexnet', batch: 16, steps: 2 })));
  const report = await measure(inside, device, checks, withPeer);
  writeResults(report);
  process.stdout.write(asMarkdown(report));
  if (checks.some(({ ok }) => !ok)) process.exitCode = 1;
});
