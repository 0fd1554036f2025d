/**
 * Owns how it is found out whether this system has what neuronode needs: by using it for what it is
 * needed for, since a file may lie there and yet not serve. Each probe answers whether it served.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { inRoot } from './paths.mjs';

/** Runs a program; its output, or undefined where it is absent or fails. */
export function outputOf(command, args, { input = '', env } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    let output = '';
    child.stdout.on('data', (data) => {
      output += data;
    });
    child.on('error', () => resolve(undefined));
    child.on('close', (status) => resolve(status === 0 ? output : undefined));
    // A program that ends without reading it is seen by its status.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}

/** Whether `version` ('3.25.1', with what words around it) is at least `least` and below `below`. */
function isBetween(version, least, below = [Number.POSITIVE_INFINITY]) {
  const found = /(\d+)\.(\d+)/.exec(version ?? '');
  if (found === null) return false;
  const [major, minor] = [Number(found[1]), Number(found[2])];
  return (major > least[0] || (major === least[0] && minor >= least[1])) && major < below[0];
}

/** The compiler that CMake would take: the environment's, or the first that is there. */
async function findCompiler() {
  const given = process.env.CXX?.trim();
  const names = given ? [given] : ['c++', 'g++', 'clang++'];
  for (const name of names) {
    if ((await outputOf(name, ['--version'])) !== undefined) return name;
  }
  return undefined;
}

/** Folders that CMake looks through beside the system's own. */
function prefixes() {
  const named = (process.env.CMAKE_PREFIX_PATH ?? '').split(delimiter);
  return [...named.filter((folder) => folder !== ''), '/usr/local', '/opt/homebrew'];
}

/** Compiles and links a C++ program with `flags` and runs it; what it prints, or undefined. */
async function runProgram(source, flags, args = []) {
  const name = await findCompiler();
  if (name === undefined) return undefined;
  const folder = await mkdtemp(join(tmpdir(), 'neuronode-probe-'));
  try {
    const program = join(folder, 'program');
    const search = prefixes().flatMap((each) => [
      ...['-isystem', `${each}/include`, `-L${each}/lib`, `-Wl,-rpath,${each}/lib`],
    ]);
    const words = ['-std=c++20', '-x', 'c++', '-', '-o', program, ...search, ...flags];
    // What only the compiler's own variables name, the build would not find.
    const env = { CPATH: undefined, CPLUS_INCLUDE_PATH: undefined, LIBRARY_PATH: undefined };
    if ((await outputOf(name, words, { input: source, env })) === undefined) return undefined;
    return await outputOf(program, args);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A compiler with C++20's language and library, and OpenMP where it is not brought separately. */
export async function compilesCpp20() {
  const source = `#include <atomic>
    #include <bit>
    #include <concepts>
    #include <cstdio>
    #include <span>
    template <std::integral T> constexpr T twice(T x) { return x * 2; }
    struct Sizes { int rows, columns; bool operator==(const Sizes&) const = default; };
    enum class Kind { Plain, Blocked };
    int main() {
      using enum Kind;
      constexpr Sizes sizes{.rows = 2, .columns = 3};
      const int values[] = {1, 2, 3};
      int sum = 0;
    #pragma omp parallel for reduction(+ : sum)
      for (int i = 0; i < 3; ++i) sum += std::span(values)[i];
      std::atomic<int> count{twice(sum)};
      count.notify_all();
      const bool ok = sizes == Sizes{2, 3} && Plain != Blocked && std::bit_cast<unsigned>(1.0f) != 0;
      std::printf("%d", ok ? count.load() : 0);
    }`;
  const openMp = process.platform === 'darwin' ? [] : ['-fopenmp'];
  return (await runProgram(source, openMp)) === '12';
}

export async function runsCMake() {
  return isBetween(await outputOf('cmake', ['--version']), [3, 22]);
}

export async function runsNinja() {
  return isBetween(await outputOf('ninja', ['--version']), [1, 0]);
}

/** A program links with oneDNN and runs with a library of a version that we know. */
export async function linksOneDnn() {
  const source = await readFile(inRoot('native', 'src', 'cpu', 'onednn_probe.cc'), 'utf8');
  return isBetween(await runProgram(source, ['-ldnnl']), [2, 6], [4]);
}

/** A program of one test links with GoogleTest and runs. */
export async function linksGoogleTest() {
  const source = `#include <gtest/gtest.h>
    TEST(Probe, Runs) { EXPECT_EQ(1, 1); }`;
  const output = await runProgram(source, ['-lgtest_main', '-lgtest', '-pthread']);
  return output?.includes('PASSED') === true;
}

export async function formatsCpp() {
  const words = ['--style=LLVM', '--assume-filename=probe.cc'];
  return (await outputOf('clang-format', words, { input: 'int  x ;\n' })) === 'int x;\n';
}

export async function runsPip() {
  return isBetween(await outputOf('python3', ['-m', 'pip', '--version']), [22, 0]);
}

/** Whether a program runs and says its version. */
export async function saysVersion(command) {
  return (await outputOf(command, ['--version'])) !== undefined;
}

/** Debian's files of Fashion-MNIST decompress to images and labels of the sizes that they state. */
export async function decodesFashionMnist() {
  const folder = '/usr/share/datasets/fashion-mnist';
  const sets = [
    ['train', 60_000],
    ['t10k', 10_000],
  ];
  const decode = async (name, header, valueBytes) => {
    const bytes = await promisify(gunzip)(await readFile(`${folder}/${name}-ubyte.gz`));
    const numbers = header.map((_, i) => bytes.readUInt32BE(4 * i));
    return (
      numbers.join() === header.join() &&
      bytes.length === 4 * header.length + header[1] * valueBytes
    );
  };
  try {
    const served = await Promise.all(
      sets.flatMap(([set, count]) => [
        decode(`${set}-images-idx3`, [0x803, count, 28, 28], 784),
        decode(`${set}-labels-idx1`, [0x801, count], 1),
      ]),
    );
    return served.every((each) => each);
  } catch {
    return false; // absent, not readable, or not gzip
  }
}
