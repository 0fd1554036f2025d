/**
 * Owns what the check must find before it builds anything: a driver and a GPU of NVIDIA's. Looks for
 * them without any library of theirs, so that what is missing can be said plainly.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';

/** The oldest driver that runs CUDA 13. */
export const oldestDriver = 580;

function read(path) {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}

/** The kernel module's version, such as '580.65.06', or undefined where it is not loaded. */
function driverVersion() {
  const text = read('/proc/driver/nvidia/version');
  return text === undefined ? undefined : /Module.*?\s(\d+\.\d+(?:\.\d+)?)\s/.exec(text)?.[1];
}

function hasDriverLibrary() {
  const { stdout } = spawnSync('ldconfig', ['-p'], { encoding: 'utf8' });
  if (stdout?.includes('libcuda.so.1')) return true;
  const folders = (process.env.LD_LIBRARY_PATH ?? '').split(':').filter((folder) => folder !== '');
  return folders.some((folder) => existsSync(`${folder}/libcuda.so.1`));
}

function gpuNodes() {
  return readdirSync('/dev').filter((name) => /^nvidia\d+$/.test(name));
}

/** What is missing here for a check on a GPU: nothing, or sentences. */
export function missingHardware() {
  const missing = [];
  // Windows' subsystem for Linux passes GPUs on in another way, without these files.
  if (existsSync('/dev/dxg') && hasDriverLibrary()) return missing;
  const version = driverVersion();
  if (version === undefined) {
    missing.push('No NVIDIA driver is loaded (there is no /proc/driver/nvidia/version).');
  } else if (Number(version.split('.')[0]) < oldestDriver) {
    missing.push(`The NVIDIA driver is ${version}; CUDA 13 needs ${oldestDriver} or newer.`);
  }
  if (!hasDriverLibrary()) missing.push("The driver's library libcuda.so.1 is not to be found.");
  if (gpuNodes().length === 0) missing.push('No GPU is to be seen (there is no /dev/nvidia0).');
  return missing;
}
