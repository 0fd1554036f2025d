/**
 * Owns NVIDIA's compiler, headers and libraries for building and testing the CUDA backend: Python
 * wheels, pinned with their hashes in cuda-wheels.txt, unpacked into a cache folder that all clones
 * of a user share. No GPU and no driver is needed, and nothing is installed into the system.
 *
 * The folder holds a stamp, the pins that it was made from, and is replaced as a whole: a build sees
 * the old toolchain or the new one. CMake finds it there (native/cuda/toolkit.cmake), unless
 * NEURONODE_CUDA_ROOT names an installed toolkit.
 */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { logged } from './exec.mjs';
import { withLock } from './lock.mjs';
import { cacheFolder, inRoot } from './paths.mjs';
import { note, StepError } from './report.mjs';
import { ensureSystem } from './system.mjs';

const wheels = inRoot('scripts', 'lib', 'cuda-wheels.txt');

/** Where the toolchain lies. */
export const cudaFolder = `${cacheFolder}/cuda`;

const stamp = `${cudaFolder}/.wheels`;
/** What tells that the wheels unpacked to what is expected of them. */
const landmarks = [
  'nvidia/cu13/bin/nvcc',
  'nvidia/cu13/bin/ptxas',
  'nvidia/cu13/bin/cuobjdump',
  'nvidia/cu13/bin/nvdisasm',
  'nvidia/cu13/lib/libcudart_static.a',
  'nvidia/cu13/lib/libcublas.so.13',
  'nvidia/cu13/include/cublasLt.h',
  'nvidia/cudnn/include/cudnn.h',
  'nvidia/cudnn/lib/libcudnn.so.9',
  'include/cudnn_frontend.h',
];
/** The download, unpacked, and an old toolchain beside the new one. */
const gigabytesNeeded = 6;

/** Why the CUDA backend cannot be built on this machine, or undefined if it can. */
export function cudaObstacle() {
  if (process.platform !== 'linux')
    return `NVIDIA's compiler runs on Linux, not ${process.platform}`;
  if (!['x64', 'arm64'].includes(process.arch)) {
    return `NVIDIA's compiler runs on x64 and arm64, not ${process.arch}`;
  }
  if (process.report.getReport().header.glibcVersionRuntime === undefined) {
    return "NVIDIA's compiler needs the GNU C library";
  }
  return undefined;
}

function isCurrent() {
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === readFileSync(wheels, 'utf8');
}

/** Whether `ensureCudaToolchain` will have wheels to download, for which it needs pip. */
export function needsCudaWheels() {
  return !process.env.NEURONODE_CUDA_ROOT && !isCurrent();
}

/** Whether a toolkit of one's own is to be taken, or the wheels are there in some version. */
export function hasCudaToolchain() {
  const own = process.env.NEURONODE_CUDA_ROOT;
  return own ? existsSync(`${own}/bin/nvcc`) : existsSync(`${cudaFolder}/${landmarks[0]}`);
}

/** Bytes of the files below a folder. */
function sizeOf(folder) {
  return readdirSync(folder, { recursive: true })
    .map((name) => lstatSync(`${folder}/${name}`))
    .reduce((sum, entry) => sum + (entry.isFile() ? entry.size : 0), 0);
}

function checkSpace() {
  const { bavail, bsize } = statfsSync(cacheFolder);
  const free = (bavail * bsize) / 1e9;
  if (free < gigabytesNeeded) {
    throw new StepError(
      `NVIDIA's compiler and libraries need ${gigabytesNeeded} GB in ${cacheFolder}; ${free.toFixed(1)} GB are free.`,
      { advice: 'Make room there, or name another folder in XDG_CACHE_HOME.' },
    );
  }
}

/** Downloads and unpacks into `folder`; returns the bytes of what it holds then. */
async function unpack(folder, onProgress) {
  mkdirSync(`${folder}/tmp`, { recursive: true });
  let started = 0;
  const count = readFileSync(wheels, 'utf8').match(/^[a-z].*==/gm).length;
  await logged(
    inRoot('build', 'log', 'cuda-toolchain.log'),
    'python3',
    [
      ...['-m', 'pip', 'install', '--disable-pip-version-check', '--no-input'],
      ...['--progress-bar', 'off', '--root-user-action=ignore', '--target', folder],
      // The one wheel that is for a certain Python holds only headers for us.
      ...['--only-binary=:all:', '--implementation', 'cp', '--python-version', '3.11'],
      ...['--no-compile', '--no-deps', '--require-hashes', '--requirement', wheels],
    ],
    {
      // What is unpacked is renamed into place, so it must be on the same disk.
      env: { TMPDIR: `${folder}/tmp`, PIP_BREAK_SYSTEM_PACKAGES: '1' },
      advice:
        'A Python package index must be within reach, with pip 22 or newer.\n' +
        'An installed CUDA 13 toolkit with cuDNN 9 will do for the compiler: NEURONODE_CUDA_ROOT=/usr/local/cuda.',
      onOutput: (text) => {
        for (const [, wheel, size] of text.matchAll(/Downloading (\S+?)-[\d.]+-\S+ \((.*?)\)/g)) {
          started += 1;
          onProgress(`${started} of ${count}, ${wheel.split('/').at(-1)}, ${size}`);
        }
        if (text.includes('Installing collected packages')) onProgress('unpacking');
      },
    },
  );
  rmSync(`${folder}/tmp`, { recursive: true, force: true });
  const size = sizeOf(folder);
  // nvcc's own settings look for libraries in lib64.
  symlinkSync('lib', `${folder}/nvidia/cu13/lib64`);
  const absent = landmarks.filter((name) => !existsSync(`${folder}/${name}`));
  if (absent.length > 0) {
    throw new StepError(`The wheels of ${wheels} unpacked without ${absent.join(', ')}.`);
  }
  return size;
}

/**
 * Sees to it that the toolchain is there, as pinned.
 *
 * @returns What was done, in words, or undefined if it was there.
 * @throws StepError that says what to do.
 */
export async function ensureCudaToolchain(onProgress) {
  if (!needsCudaWheels()) return undefined;
  const onWait = (pid) => note(`waiting for process ${pid} to unpack it`);
  return withLock(`${cudaFolder}.lock`, onWait, async () => {
    if (isCurrent()) return undefined;
    const fresh = `${cudaFolder}.new`;
    const old = `${cudaFolder}.old`;
    for (const left of [fresh, old]) rmSync(left, { recursive: true, force: true });
    checkSpace();
    await ensureSystem(['pip'], onProgress);
    onProgress('asking for the wheels');
    try {
      const size = await unpack(fresh, onProgress);
      writeFileSync(`${fresh}/.wheels`, readFileSync(wheels));
      if (existsSync(cudaFolder)) renameSync(cudaFolder, old);
      renameSync(fresh, cudaFolder);
      return `unpacked ${(size / 1e9).toFixed(1)} GB into ${cudaFolder}`;
    } finally {
      for (const left of [fresh, old]) rmSync(left, { recursive: true, force: true });
    }
  });
}
