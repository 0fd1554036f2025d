/**
 * Owns what the CUDA backend's library must be, beyond what its tests run: linked with no library of
 * NVIDIA's, one export, no spilled registers, 16-byte accesses where they were meant, a clear answer
 * on a machine without a GPU, and no trace in what users of the CPU load.
 *
 * Each check throws a StepError, or returns what it saw in a few words.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { cudaArchitectures } from './cuda-architectures.mjs';
import { cudaFolder } from './cuda-toolchain.mjs';
import { addonIn, cudaLibraryIn, inRoot, releaseDir, root } from './paths.mjs';
import { note, StepError } from './report.mjs';

const library = cudaLibraryIn(releaseDir);
const addon = addonIn(releaseDir);
const architectures = cudaArchitectures().map((name) => Number.parseInt(name, 10));
const nvidia = /cuda|cublas|cudnn|nvrtc|nvidia|nvjitlink/i;

/** A program of the toolkit: an installed one's where it has it. */
function tool(name) {
  const own = `${process.env.NEURONODE_CUDA_ROOT}/bin/${name}`;
  return existsSync(own) ? own : `${cudaFolder}/nvidia/cu13/bin/${name}`;
}

function output(command, args, options = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 30,
    ...options,
  });
  if (error !== undefined) throw new StepError(`Cannot start ${command}: ${error.message}`);
  if (status !== 0) throw new StepError(`${command} ${args.join(' ')} failed:\n${stderr}${stdout}`);
  return stdout;
}

/** Runs a script in a Node of its own, as a user's, and returns the JSON that it prints. */
function inNode(script, env = {}) {
  const clean = { ...process.env, ...env };
  delete clean.NEURONODE_CUDA_LIBRARY;
  const text = output(process.execPath, ['--input-type=module', '-e', script], { env: clean });
  return JSON.parse(text);
}

function require(condition, message) {
  if (!condition) throw new StepError(message);
}

function neededBy(path) {
  return Array.from(
    output('readelf', ['-dW', path]).matchAll(/\(NEEDED\).*\[(.*)\]/g),
    ([, name]) => name,
  );
}

function noLibraryNeeded() {
  for (const path of [library, addon]) {
    const wrong = neededBy(path).filter((name) => nvidia.test(name));
    require(wrong.length === 0, `${path} is linked with ${wrong.join(', ')}.`);
  }
  return `the library needs ${neededBy(library).join(', ')}`;
}

function symbols(...words) {
  return output('nm', ['-D', ...words, library])
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.trim().split(' ').at(-1));
}

function oneExport() {
  const names = symbols('--defined-only');
  require(names.length === 1 &&
    names[0] ===
      'neuronodeDeviceLibrary', `The library must export neuronodeDeviceLibrary alone; it exports ${names.join(', ')}.`);
  return names[0];
}

function nothingUndefined() {
  const names = symbols('--undefined-only').filter((name) => /^(cu[A-Z]|cu[bd]|nvrtc)/.test(name));
  require(names.length === 0, `The library lacks forwards for ${names.join(', ')}.`);
  return 'every call into a library of NVIDIA is forwarded or static';
}

function noSpills() {
  let architecture = '';
  let kernel = '';
  const seen = new Map();
  const spilled = [];
  let most = 0;
  for (const line of output(tool('cuobjdump'), ['-res-usage', library]).split('\n')) {
    architecture = /^arch = sm_(\d+)/.exec(line)?.[1] ?? architecture;
    kernel = /^ Function (\S+):/.exec(line)?.[1] ?? kernel;
    const use = /REG:(\d+) STACK:(\d+).* LOCAL:(\d+)/.exec(line);
    if (use === null) continue;
    seen.set(architecture, (seen.get(architecture) ?? 0) + 1);
    most = Math.max(most, Number(use[1]));
    if (use[2] !== '0' || use[3] !== '0') spilled.push(`${kernel} (sm_${architecture})`);
  }
  const absent = architectures.filter((each) => !seen.has(String(each)));
  require(absent.length === 0, `The library has no code for sm_${absent.join(', sm_')}.`);
  const counts = new Set(seen.values());
  require(counts.size === 1, 'The architectures have different numbers of kernels.');
  require(spilled.length === 0, `Kernels with memory of their own:\n${spilled.join('\n')}`);
  return `${[...counts][0]} kernels for each of ${seen.size} architectures, ${most} registers at most`;
}

function portableCode() {
  const last = architectures.at(-1);
  const files = output(tool('cuobjdump'), ['-lptx', library]);
  require(files.includes(`.sm_${last}.ptx`), `The library has no PTX for GPUs after sm_${last}.`);
  return `PTX of sm_${last}`;
}

/** The 16-byte accesses of every kernel: [architecture, mangled name, loads, stores]. */
async function wideAccesses() {
  const child = spawn(tool('cuobjdump'), ['-sass', library], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  let architecture = '';
  const kernels = [];
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.includes(' LDG.E') && /LDG\.E[\w.]*\.128/.test(line)) kernels.at(-1).load = true;
    else if (line.includes(' STG.E') && /STG\.E[\w.]*\.128/.test(line)) kernels.at(-1).store = true;
    else if (line.startsWith('arch = ')) architecture = line.slice('arch = sm_'.length).trim();
    else if (line.startsWith('\t\tFunction : ')) {
      kernels.push({ architecture, name: line.slice('\t\tFunction : '.length).trim() });
    }
  }
  const status = await ended;
  require(status === 0, `cuobjdump -sass failed with status ${status}.`);
  return kernels;
}

async function wideKernels() {
  const list = readFileSync(inRoot('native', 'cuda', 'kernels', 'streaming.txt'), 'utf8');
  const wanted = list.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  const kernels = await wideAccesses();
  const input = kernels.map(({ name }) => name).join('\n');
  const names = output('c++filt', [], { input }).split('\n');
  const wrong = [];
  for (const line of wanted) {
    const [, words, name] = /^((?:(?:load|store) )+)(.*)$/.exec(line);
    for (const architecture of architectures) {
      const found = kernels.filter(
        (kernel, i) => kernel.architecture === String(architecture) && names[i].includes(name),
      );
      const lacks = words.trim().split(' ');
      const missing = lacks.filter((word) => found.some((kernel) => kernel[word] !== true));
      if (found.length === 0) wrong.push(`sm_${architecture}: no kernel of ${name}`);
      for (const word of missing) wrong.push(`sm_${architecture}: no 16-byte ${word} in ${name}`);
    }
  }
  require(wanted.length > 0, 'streaming.txt names no kernel.');
  require(wrong.length === 0, wrong.join('\n'));
  return `${wanted.length} kernels on ${architectures.length} architectures`;
}

/** A script's start: one step of a small network on a device. */
const trainOn = (device) => `
  import { devices, missingDevices, nn, optim, Trainer } from './dist/index.js';
  import { readFileSync } from 'node:fs';
  async function train() {
    const net = new nn.Sequential(new nn.Flatten(), new nn.Linear(4, 2));
    const trainer = new Trainer(net, {
      loss: new nn.CrossEntropyLoss(),
      optimizer: new optim.Adam(net.parameters(), { lr: 0.001 }),
      device: '${device}',
    });
    const batch = { image: new Uint8Array(8), imageShape: [2, 1, 2, 2], label: new Int32Array(2) };
    try {
      return (await trainer.step(batch)).loss;
    } finally {
      await trainer[Symbol.asyncDispose]();
    }
  }`;

/** What a user without an NVIDIA driver sees. */
function saysNoDriver() {
  if (existsSync('/proc/driver/nvidia/version')) return 'not asked: this machine has a driver';
  const { names, missing, error } = inNode(`${trainOn('cuda')}
    const error = await train().then(
      (loss) => ({ message: \`it trained, loss \${loss}\` }),
      ({ code, message }) => ({ code, message }),
    );
    const names = devices().map(({ name }) => name);
    process.stdout.write(JSON.stringify({ names, missing: missingDevices(), error }));`);
  require(names.join() === 'cpu', `Expected the CPU alone, got ${names.join(', ')}.`);
  const { code, reason } = missing.find(({ name }) => name === 'cuda') ?? {};
  require(code === 'ERR_NN_DEVICE_UNAVAILABLE' &&
    /driver/i.test(
      reason,
    ), `missingDevices() must tell of the missing driver; it says ${JSON.stringify(missing)}.`);
  require(error.code ===
    'ERR_NN_DEVICE_UNAVAILABLE', `device: 'cuda' must be unavailable; it gives ${JSON.stringify(error)}.`);
  return reason;
}

/** Training on the CPU opens nothing of NVIDIA's, though the library lies beside the addon. */
function cpuOpensNothing() {
  const { loss, opened } = inNode(`${trainOn('cpu')}
    const loss = await train();
    const opened = readFileSync('/proc/self/maps', 'utf8').split('\\n')
      .filter((line) => /libneuronode_cuda|libcu[a-z]*[.]so|libnvrtc/.test(line));
    process.stdout.write(JSON.stringify({ loss, opened }));`);
  require(Number.isFinite(loss), `A step on the CPU gave a loss of ${loss}.`);
  require(opened.length === 0, `Training on the CPU opened:\n${opened.join('\n')}`);
  return 'no library of NVIDIA, nor ours for it';
}

/** The package holds what it held before there was a CUDA backend. */
function packageWithoutCuda() {
  const npm = process.env.npm_execpath?.endsWith('npm-cli.js')
    ? [process.execPath, process.env.npm_execpath]
    : ['npm'];
  const [command, ...words] = [...npm, 'pack', '--dry-run', '--json', '--ignore-scripts'];
  const text = output(command, words, { stdio: ['ignore', 'pipe', 'ignore'] });
  const files = JSON.parse(text)[0].files.map(({ path }) => path);
  const binaries = files.filter((path) => /\.(so|node|a)(\.|$)/.test(path));
  require(binaries.join() ===
    'build/Release/neuronode.node', `The package must hold the addon and no other binary; it has ${binaries.join(', ')}.`);
  return `${files.length} files, one binary`;
}

const gates = [
  ['no CUDA library needed', noLibraryNeeded],
  ['one export', oneExport],
  ['nothing undefined', nothingUndefined],
  ['no spilled registers', noSpills],
  ['code for later GPUs', portableCode],
  ['16-byte loads and stores', wideKernels],
  ['no driver is said as such', saysNoDriver],
  ['the CPU opens nothing', cpuOpensNothing],
  ['package without CUDA', packageWithoutCuda],
];

/** Checks the built library; the result is one of a test suite. */
export async function runCudaGates() {
  let passed = 0;
  const failures = [];
  for (const [name, check] of gates) {
    try {
      note(`ok      ${name}: ${await check()}`);
      passed += 1;
    } catch (error) {
      if (!(error instanceof StepError)) throw error;
      note(`FAILED  ${name}: ${error.message}`);
      failures.push(name);
    }
  }
  return { ok: failures.length === 0, passed, failed: failures.length, skipped: 0 };
}
