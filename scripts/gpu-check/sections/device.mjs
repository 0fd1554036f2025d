/**
 * The device: which there is, with which libraries, one convolution on it, and what it reaches at most.
 * Where there is none, every reason that the package gives, since nothing else can run then.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { missingHardware } from '../hardware.mjs';
import { loadPackage } from '../inside.mjs';
import { describeMachine } from '../machine.mjs';
import { measurePeaks, peaksText, sizesOf } from '../measure.mjs';
import { difference } from '../numbers.mjs';
import { peaksOf } from '../peaks.mjs';
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

/** Whether the machine's own software reaches the GPU that we do not: its result, or what it says. */
function askPyTorch(python) {
  if (python === null || python.torch === null) return 'there is none';
  const question =
    "import torch; print(torch.ones(2, 2, device='cuda').mm(torch.ones(2, 2, device='cuda')).tolist())";
  const { status, stdout, stderr, error } = spawnSync(python.path, ['-c', question], {
    encoding: 'utf8',
    env: foreignEnvironment(),
    timeout: 60_000,
  });
  if (status === 0) return stdout.trim();
  return error?.message ?? stderr.trim().split('\n').at(-1);
}

function describePython(python) {
  if (python === null) return 'none was found';
  const torch = python.torch === null ? 'without PyTorch' : `PyTorch ${python.torch}`;
  return `${python.path}, ${python.version}, ${torch}`;
}

/** What products in f32 may be apart, and those in tf32 exceed. */
export const mostApart = 1e-5;

/**
 * A convolution and a matrix product of numbers with whole mantissas: how far the device's are from the
 * CPU's, by name. Those of the table of operations have ten bits, which tf32 keeps too.
 */
async function products({ package: { ops } }, options) {
  const tensor = (...shape) => {
    const count = shape.reduce((product, extent) => product * extent, 1);
    const mixed = (i) => Math.imul(i ^ (i >>> 15), 0x85ebca6b);
    const value = (_, i) => mixed(Math.imul(i + 1, 0x9e3779b1)) / 2 ** 31;
    return { data: Float32Array.from({ length: count }, value), shape };
  };
  const [image, filter] = [tensor(2, 16, 14, 14), tensor(32, 16, 3, 3)];
  const [rows, weight] = [tensor(64, 300), tensor(80, 300)];
  const of = {
    'one convolution': (on) => ops.conv2d(image, filter, undefined, { padding: [1, 1], ...on }),
    'one matrix product': (on) => ops.linear(rows, weight, undefined, on),
  };
  const reference = { device: 'cpu', algorithm: 'direct' };
  const apart = async (run) => difference(await run(options), await run(reference));
  const found = [];
  for (const [name, run] of Object.entries(of)) found.push([name, await apart(run)]);
  return found;
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
    report.check(`device ${name}`, false, `there are ${devices().map((each) => each.name)}`);
    for (const words of missingHardware()) report.fact('missing', words);
    report.fact('libraries are sought in', process.env.LD_LIBRARY_PATH ?? 'the system');
    report.fact('PyTorch, asked for a product on the GPU', askPyTorch(python));
    return;
  }
  report.data('device', device);
  for (const [key, value] of Object.entries(describeMachine(device))) report.fact(key, value);
  report.fact('oneDNN, for the CPU', inside.native.versions().onednn);
  report.check(`device ${name}`, true, device.model);
  const errors = async (precision) => await products(inside, { device: name, precision });
  for (const [which, error] of await errors('f32')) {
    report.check(which, error <= mostApart, `differs from the CPU's by ${error.toExponential(1)}`);
  }
  for (const precision of ['tf32', 'bf16']) {
    const found = (await errors(precision)).map(([, error]) => error);
    report.data(precision, found);
    const shown = found.map((error) => error.toExponential(1));
    report.fact(`the same in ${precision} differ by`, shown.join(', '));
  }
  const sheet = peaksOf(device.model);
  if (sheet !== undefined) report.fact('peaks', peaksText(sheet));
  try {
    const peaks = await measurePeaks(inside, name, sizesOf(device).peaks);
    report.data('peaks', peaks);
    report.fact('peaks', peaksText(peaks));
  } catch (error) {
    report.check('matrix products and an addition are timed', false, error.message);
  }
}
