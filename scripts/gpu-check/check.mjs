/**
 * Owns the check as a whole: which parts it has, in which order, and what each puts into the report.
 * Without hardware of its own, so that a test can run the parts on an emulated device.
 */
import { note, StepError } from '../lib/report.mjs';
import { describeMachine } from './machine.mjs';
import { findPeaks, measureStep } from './measure.mjs';
import { compareReplays } from './replay.mjs';

const precisions = ['f32', 'tf32', 'bf16'];

/** The device of that name, as the package describes it. */
export function describeDevice({ package: neuronode }, name) {
  const found = neuronode.devices().find((device) => device.name === name);
  if (found !== undefined) return found;
  const reasons = neuronode.missingDevices().map((it) => `${it.name}: ${it.reason}`);
  throw new StepError(`There is no device ${name}.\n${reasons.join('\n')}`);
}

/** Replays against eager runs in each precision. */
export async function checkReplays(inside, { device, network, batch, steps }) {
  const checks = [];
  for (const precision of precisions) {
    const options = { device: device.name, network, batch, precision, steps };
    const found = await compareReplays(inside, options);
    const name = `replayed graphs give the bits of eager runs, ${network} in ${precision}`;
    const detail = found.length === 0 ? `${steps} steps` : found.slice(0, 5).join(', ');
    checks.push({ name, ok: found.length === 0, detail });
  }
  return checks;
}

/**
 * Measures a device and gives the whole report, `checks` in it.
 *
 * @param {{ device: object, network: string, batch: number, rounds: number, stepsPerRound: number,
 *   peaks?: object, autotune?: boolean }} options
 * @param {{ name: string, ok: boolean, detail: string }[]} checks
 * @returns {Promise<import('./report.mjs').GpuReport>}
 */
export async function measureDevice(inside, { peaks: sizes, ...options }, checks, peer) {
  const { device } = options;
  const peaks = await findPeaks(inside, device, sizes);
  const steps = [];
  for (const precision of precisions) {
    note(`measuring ${options.network} in ${precision}`);
    steps.push(await measureStep(inside, { ...options, precision }, peaks, peer));
  }
  const info = await peer?.ask({ cmd: 'info' });
  return {
    emulated: device.emulated === true,
    machine: describeMachine(device),
    peaks,
    peer: info === undefined ? null : `${info.name} ${info.version}`,
    checks,
    steps,
  };
}
