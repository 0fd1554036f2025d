/**
 * Owns devices: which there are, why others are not there, and the choice of one by its name.
 *
 * Policy: a device that was named is never replaced by another. `'auto'` takes the first GPU that
 * works, else the CPU, and can tell why. Whoever asks for the CPU opens none of NVIDIA's libraries.
 */

import { show } from '../arguments.js';
import {
  ArgumentError,
  DeviceError,
  type DeviceErrorCode,
  errorFromCode,
  errorFromNative,
} from '../errors.js';
import { addon, type RawDevice } from './addon.js';

/** The processor. */
export interface CpuDeviceInfo {
  readonly type: 'cpu';
  /** What to pass as `device`. */
  readonly name: 'cpu';
  /** The processor's name. */
  readonly model: string;
  /** Widest instruction set in use: `'baseline'`, `'avx2'` or `'avx512'`. */
  readonly isa: string;
  /** Threads that newly compiled programs compute with. */
  readonly threads: number;
  /** Cores that this process may use, by affinity and container limits. */
  readonly usableCores: number;
  /** Bytes that can still be taken. */
  readonly availableMemory: number;
}

/** An NVIDIA GPU. */
export interface CudaDeviceInfo {
  readonly type: 'cuda';
  /** What to pass as `device`: `'cuda:0'`. */
  readonly name: string;
  /** The GPU's name. */
  readonly model: string;
  /** Version of CUDA that the driver offers. */
  readonly driver: string;
  /** Version of the CUDA runtime in use. */
  readonly runtime: string;
  /** Version of cuDNN in use. */
  readonly cudnn: string;
  /** Version of cuBLAS in use. */
  readonly cublas: string;
  /** Compute capability: `'9.0'`. */
  readonly computeCapability: string;
  /** Bytes of the GPU's memory. */
  readonly totalMemory: number;
  /** Bytes of it that can still be taken. */
  readonly availableMemory: number;
  /** Whether this is a test's imitation, computed on the CPU. */
  readonly emulated: boolean;
}

/** One device that programs can run on. */
export type DeviceInfo = CpuDeviceInfo | CudaDeviceInfo;

/** A device that one might expect and that is not there. */
export interface MissingDevice {
  /** `'cuda'` for all GPUs, or one: `'cuda:1'`. */
  readonly name: string;
  readonly code: DeviceErrorCode;
  /** Why it is not there, and what to do. */
  readonly reason: string;
}

/** What a `device` option stands for. */
export interface DeviceChoice {
  /** Name of the device: `'cpu'`, `'cuda:0'`. */
  readonly name: string;
  /** Where `'auto'` chose the CPU: why it did not choose a GPU. */
  readonly reason?: string;
}

function deviceInfo(raw: RawDevice): DeviceInfo {
  const type = raw.name === 'cpu' ? 'cpu' : 'cuda';
  const { emulated, ...own } = raw;
  return (type === 'cpu' ? { type, ...own } : { type, ...own, emulated }) as DeviceInfo;
}

/**
 * The devices that programs can run on here, the CPU first.
 *
 * @throws NativeError The addon cannot be loaded.
 */
export function devices(): DeviceInfo[] {
  try {
    return addon().devices().map(deviceInfo);
  } catch (error) {
    throw errorFromNative(error, devices);
  }
}

/**
 * The devices that are not there, and why: no driver, one that is too old, a library that is missing,
 * a GPU that failed. An empty list where nothing is amiss.
 *
 * @throws NativeError The addon cannot be loaded.
 */
export function missingDevices(): MissingDevice[] {
  try {
    return addon().missingDevices() as MissingDevice[];
  } catch (error) {
    throw errorFromNative(error, missingDevices);
  }
}

/**
 * One device by its own name, as {@link chooseDevice} gives it.
 *
 * @throws DeviceError The device is not there, or not any more; with its code and reason.
 */
export function deviceNamed(name: string): DeviceInfo {
  let raw: RawDevice | undefined;
  try {
    raw = addon().device(name);
  } catch (error) {
    throw errorFromNative(error, deviceNamed);
  }
  if (raw === undefined) throw unavailable(name, devices());
  return deviceInfo(raw);
}

/**
 * The device that a `device` option asks for. `'cuda'` is `'cuda:0'`; `'auto'` is the first GPU that
 * works, or else the CPU, with the reason.
 *
 * @example
 * ```ts
 * const { name, reason } = chooseDevice('auto');
 * if (reason !== undefined) console.log(`no GPU: ${reason}`);
 * ```
 * @throws ArgumentError Not a device's name.
 * @throws DeviceError The device is not available: there is no silent change to another.
 */
export function chooseDevice(device: string): DeviceChoice {
  if (device === 'cpu') return { name: device };
  if (device === 'auto') return chooseBest();
  if (typeof device !== 'string' || !/^cuda(:\d+)?$/.test(device)) {
    throw new ArgumentError(
      `Expected device 'auto', 'cpu', 'cuda' or 'cuda:N', got ${show(device)}.`,
    );
  }
  const name = device === 'cuda' ? 'cuda:0' : `cuda:${Number(device.slice('cuda:'.length))}`;
  deviceNamed(name);
  return { name };
}

/** GPUs are asked one by one: telling of a GPU sets CUDA up on it, which takes some of its memory. */
function chooseBest(): DeviceChoice {
  const missing = missingDevices();
  const isMissing = (name: string) => missing.some((each) => each.name === name);
  for (let number = 0; ; number++) {
    const name = `cuda:${number}`;
    if (isMissing(name)) continue;
    try {
      if (addon().device(name) !== undefined) return { name };
    } catch (error) {
      throw errorFromNative(error, chooseDevice);
    }
    return { name: 'cpu', reason: reasonOf(missing) };
  }
}

/** Why there is no GPU, as a clause: without a period at its end. */
function reasonOf(missing: readonly MissingDevice[]): string {
  const reasons = missing.map(({ name, reason }) =>
    missing.length === 1 ? reason : `${name}: ${reason}`,
  );
  return reasons.map((reason) => reason.replace(/\.$/, '')).join('; ') || 'there is none';
}

function unavailable(name: string, present: readonly DeviceInfo[]): DeviceError {
  const found = missingDevices().find((each) => each.name === name || each.name === 'cuda');
  const advice = "Use device 'cpu', or 'auto' for the best that there is.";
  if (found !== undefined) {
    const reason = found.reason.replace(/\.$/, '');
    const message = `Device '${name}' is not available: ${reason}. ${advice}`;
    return errorFromCode(found.code, message) as DeviceError;
  }
  const names = present.map((each) => `'${each.name}'`);
  return new DeviceError(
    'ERR_NN_DEVICE_UNAVAILABLE',
    `Device '${name}' is not available: there is no such device, only ${names.join(', ')}. ${advice}`,
  );
}

/**
 * How many threads programs on the CPU that are compiled from now on compute with. The default is
 * the number of cores that the process may really use (affinity and container limits).
 * Results are the same bits whatever the number.
 *
 * @throws ArgumentError Not a whole number from 1 to four times the usable cores.
 */
export function setNumThreads(threads: number): void {
  try {
    addon().setNumThreads(threads);
  } catch (error) {
    throw errorFromNative(error, setNumThreads);
  }
}

/** How many threads programs on the CPU that are compiled from now on compute with. */
export function getNumThreads(): number {
  try {
    return addon().getNumThreads();
  } catch (error) {
    throw errorFromNative(error, getNumThreads);
  }
}
