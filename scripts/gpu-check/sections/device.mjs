/**
 * The device: which there is, with which libraries, and one convolution on it. Where there is none,
 * every reason that the package gives, since nothing else can run then.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { loadPackage } from '../inside.mjs';
import { describeMachine } from '../machine.mjs';
import { foreignEnvironment } from '../python.mjs';

function smi() {
  const fields =
    'name,driver_version,memory.total,power.limit,clocks.max.sm,clocks.max.mem,mig.mode.current';
  const { status, stdout, error } = spawnSync(
    'nvidia-smi',
    [`--query-gpu=${fields}`, '--format=csv,noheader'],
    { encoding: 'utf8', env: foreignEnvironment(), timeout: 20_000 },
  );
  if (error !== undefined) return `none: ${error.message}`;
  return status === 0 ? stdout.trim() : `status ${status}: ${stdout.trim().slice(0, 300)}`;
}

function describePython(python) {
  if (python === null) return 'none was found';
  const torch = python.torch === null ? 'without PyTorch' : `PyTorch ${python.torch}`;
  return `${python.path}, ${python.version}, ${torch}`;
}

/** y = conv2d(x, w) on the device and on the CPU: the largest difference over the largest value. */
async function convolution({ package: { ops } }, device) {
  const values = (count, step) =>
    Float32Array.from({ length: count }, (_, i) => ((i * step) % 64) / 32 - 1);
  const x = { data: values(2 * 16 * 14 * 14, 7), shape: [2, 16, 14, 14] };
  const w = { data: values(32 * 16 * 3 * 3, 11), shape: [32, 16, 3, 3] };
  const run = (on) => ops.conv2d(x, w, undefined, { padding: [1, 1], device: on });
  const [found, wanted] = [await run(device), await run('cpu')];
  let apart = 0;
  let peak = 0;
  for (let i = 0; i < wanted.data.length; i++) {
    const here = Math.abs(found.data[i] - wanted.data[i]);
    apart = Number.isNaN(here) ? Infinity : Math.max(apart, here);
    peak = Math.max(peak, Math.abs(wanted.data[i]));
  }
  return apart / peak;
}

export async function run(report, { device: name, python }) {
  report.fact('python', describePython(python));
  report.fact("NVIDIA's libraries in its wheels", python?.folders.join(', ') || 'none');
  report.fact('nvidia-smi', smi());
  const version = '/proc/driver/nvidia/version';
  report.fact(
    'driver',
    existsSync(version) ? readFileSync(version, 'utf8').split('\n')[0] : 'none',
  );
  const inside = await loadPackage();
  const { devices, missingDevices } = inside.package;
  const device = devices().find((each) => each.name === name);
  if (device === undefined) {
    for (const { name: which, code, reason } of missingDevices()) {
      report.check(`device ${which}`, false, `${code}: ${reason}`);
    }
    return;
  }
  report.data('device', device);
  for (const [key, value] of Object.entries(describeMachine(device))) report.fact(key, value);
  report.fact('oneDNN, for the CPU', inside.native.versions().onednn);
  report.check(`device ${name}`, true, device.model);
  const error = await convolution(inside, name);
  report.check(
    'one convolution',
    error <= 1e-5,
    `differs from the CPU's by ${error.toExponential(1)}`,
  );
}
