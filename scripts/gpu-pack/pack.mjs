/**
 * Owns what is in the pack: run.sh, Node.js, and an archive that is laid out as the repository is, so
 * that what runs in it finds its way by the same relative paths: the built package, the addon and the
 * CUDA backend with the libraries that a machine may lack, the table of operations with PyTorch's
 * values, images to train on, the native tests for a real GPU, and scripts/gpu-check.
 *
 * Policy: nothing of NVIDIA's goes in but the static CUDA runtime inside our library. gzip, since any
 * Linux unpacks it.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, extname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { pathToFileURL } from 'node:url';
import { createGzip } from 'node:zlib';
import { mostSteps, runs } from '../gpu-check/trajectory.mjs';
import { cudaArchitectures } from '../lib/cuda-architectures.mjs';
import { addonIn, cudaLibraryIn, inRoot, releaseDir, root } from '../lib/paths.mjs';
import { StepError } from '../lib/report.mjs';

/** Where archives are carried, larger ones are refused. */
export const mostBytes = 66_000_000;

const deviceTests = `${releaseDir}/native/test/cuda/real/neuronode_cuda_device_tests`;
const testSupport = inRoot('build', 'pack', 'ts', 'test');
/** Those of the C library come with any Linux, and belong to its kernel and its loader. */
const ofTheSystem = /^(ld-linux|linux-vdso|lib(c|m|dl|pthread|rt|resolv|util)\.so)/;
/** Used only where the system's own are older: its drivers may need its own. */
const ofTheCompiler = /^lib(stdc\+\+|gcc_s)\.so/;

function run(command, words) {
  const { status, stdout, stderr, error } = spawnSync(command, words, {
    cwd: root,
    encoding: 'utf8',
  });
  if (error !== undefined) throw new StepError(`Cannot start ${command}: ${error.message}`);
  if (status !== 0) throw new StepError(`${command} ${words.join(' ')} failed:\n${stderr}`);
  return stdout;
}

/** Libraries that binaries are linked with, by name: those that the pack must bring. */
function librariesOf(paths) {
  const found = new Map();
  for (const path of paths) {
    for (const [, name, place] of run('ldd', [path]).matchAll(/^\s*(\S+) => (\S+)/gm)) {
      if (place === 'not') throw new StepError(`${path} needs ${name}, which is not here.`);
      if (!ofTheSystem.test(name)) found.set(name, realpathSync(place));
    }
  }
  return found;
}

function copyStripped(from, to) {
  mkdirSync(dirname(to), { recursive: true });
  run('strip', ['--strip-unneeded', '-o', to, from]);
  chmodSync(to, 0o755);
}

function copyTree(from, to, wanted = () => true) {
  cpSync(from, to, {
    recursive: true,
    filter: (path) => statSync(path).isDirectory() || wanted(path),
  });
}

/** The first images of Fashion-MNIST with their labels, a byte each: what the trainings read. */
async function writeSamples(folder) {
  const { data } = await import(pathToFileURL(inRoot('dist', 'index.js')).href);
  const dataset = await data.FashionMNIST.load({ train: true });
  const batchSize = mostSteps * Math.max(...runs.map(({ batch }) => batch));
  const loader = new data.DataLoader(dataset, { batchSize });
  mkdirSync(folder, { recursive: true });
  for await (const { image, label } of loader) {
    writeFileSync(`${folder}/images.bin`, image);
    writeFileSync(`${folder}/labels.bin`, Uint8Array.from(label));
    break;
  }
  await loader.close();
}

/** The archive's content, laid out in `folder`. */
async function layOut(folder) {
  await writeSamples(`${folder}/data`);
  copyFileSync(inRoot('package.json'), `${folder}/package.json`);
  copyTree(inRoot('dist'), `${folder}/dist`, (path) => extname(path) === '.js');
  const binaries = [
    [addonIn(releaseDir), 'build/Release/neuronode.node'],
    [cudaLibraryIn(releaseDir), 'build/Release/libneuronode_cuda.so'],
    [deviceTests, 'build/native/neuronode_cuda_device_tests'],
  ];
  for (const [from, to] of binaries) copyStripped(from, `${folder}/${to}`);
  const libraries = librariesOf([...binaries.map(([from]) => from), process.execPath]);
  for (const [name, path] of libraries) {
    copyStripped(path, `${folder}/lib/${ofTheCompiler.test(name) ? 'c++/' : ''}${name}`);
  }
  copyTree(testSupport, `${folder}/ts/test`, (path) => extname(path) === '.js');
  copyFileSync(inRoot('ts', 'test', 'op-cases.json'), `${folder}/ts/test/op-cases.json`);
  copyTree(inRoot('ts', 'test', 'fixtures', 'ops'), `${folder}/ts/test/fixtures/ops`);
  copyTree(
    inRoot('scripts', 'gpu-check'),
    `${folder}/scripts/gpu-check`,
    (path) => !path.includes('__pycache__'),
  );
  for (const name of ['json_lines.py', 'networks.py']) {
    mkdirSync(`${folder}/scripts/fixtures`, { recursive: true });
    copyFileSync(inRoot('scripts', 'fixtures', name), `${folder}/scripts/fixtures/${name}`);
  }
  const { stdout } = spawnSync('git', ['rev-parse', '--short', 'HEAD'], {
    cwd: root,
    encoding: 'utf8',
  });
  const facts = {
    commit: stdout?.trim() || 'unknown',
    made: new Date().toISOString(),
    node: process.version,
    architectures: cudaArchitectures(),
    libraries: [...libraries.keys()].sort(),
  };
  writeFileSync(`${folder}/pack.json`, `${JSON.stringify(facts, null, 1)}\n`);
}

const sizeText = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

/** Bytes of each entry of a folder, unpacked. */
function partsOf(folder) {
  const size = (path) =>
    statSync(path).isDirectory()
      ? readdirSync(path).reduce((sum, name) => sum + size(`${path}/${name}`), 0)
      : statSync(path).size;
  return readdirSync(folder).map((name) => `${name} ${sizeText(size(`${folder}/${name}`))}`);
}

/**
 * Makes a pack of what is built.
 *
 * @param {string} folder Made; one that holds something else than a pack is refused.
 * @returns Lines that tell of its parts.
 */
export async function makePack(folder) {
  if (existsSync(folder) && readdirSync(folder).length > 0 && !existsSync(`${folder}/run.sh`)) {
    throw new StepError(`${folder} is not empty, and holds no pack.`);
  }
  for (const path of [cudaLibraryIn(releaseDir), deviceTests, testSupport]) {
    if (!existsSync(path)) throw new StepError(`The build left no ${path}.`);
  }
  rmSync(folder, { recursive: true, force: true });
  const staged = `${folder}/staged`;
  mkdirSync(staged, { recursive: true });
  await layOut(staged);
  run('tar', ['-C', staged, '-czf', `${folder}/app.tar.gz`, ...readdirSync(staged)]);
  const parts = partsOf(staged);
  copyStripped(process.execPath, `${staged}/node`);
  await pipeline(
    createReadStream(`${staged}/node`),
    createGzip(),
    createWriteStream(`${folder}/node.gz`),
  );
  rmSync(staged, { recursive: true });
  copyFileSync(inRoot('scripts', 'gpu-pack', 'run.sh'), `${folder}/run.sh`);
  chmodSync(`${folder}/run.sh`, 0o755);
  const sizes = readdirSync(folder).map((name) => [name, statSync(`${folder}/${name}`).size]);
  const total = sizes.reduce((sum, [, size]) => sum + size, 0);
  if (total >= mostBytes) {
    throw new StepError(`The pack is ${sizeText(total)}, and may be ${sizeText(mostBytes)}.`);
  }
  return [
    `${basename(folder)}: ${sizeText(total)}: ${sizes.map(([name, size]) => `${name} ${sizeText(size)}`).join(', ')}`,
    `app.tar.gz unpacked: ${parts.join(', ')}`,
  ];
}
