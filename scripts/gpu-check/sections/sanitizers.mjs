/**
 * Small trainings under NVIDIA's compute-sanitizer: memory accesses, shared-memory races, reads of
 * memory that nothing wrote, barriers. Memory first; the rest of the trainings last.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { exercise, sets } from '../exercise.mjs';
import { loadPackage } from '../inside.mjs';
import { foreignEnvironment } from '../python.mjs';

/** initcheck watches our kernels only: the libraries read parts of workspaces that nobody wrote. */
const tools = {
  memcheck: ['--leak-check', 'no'],
  racecheck: [],
  initcheck: ['--kernel-name', 'kns=neuronode'],
  synccheck: [],
};
const order = [
  ['memcheck', 'quick'],
  ['racecheck', 'quick'],
  ['initcheck', 'quick'],
  ['synccheck', 'quick'],
  ['memcheck', 'rest'],
];
/** Fewer milliseconds than a run can take. */
const leastMs = 5000;

/** compute-sanitizer of the system's toolkit, or null. */
function findSanitizer() {
  const { NEURONODE_CUDA_ROOT, CUDA_HOME, PATH = '' } = process.env;
  const versions = existsSync('/usr/local')
    ? readdirSync('/usr/local')
        .filter((name) => name.startsWith('cuda'))
        .map((name) => `/usr/local/${name}`)
    : [];
  const roots = [NEURONODE_CUDA_ROOT, CUDA_HOME, ...versions].filter(Boolean);
  const folders = [
    ...roots.flatMap((root) => [`${root}/bin`, `${root}/compute-sanitizer`]),
    ...PATH.split(':'),
  ];
  const paths = folders.map((folder) => `${folder}/compute-sanitizer`);
  return paths.find((path) => existsSync(path)) ?? null;
}

/** What a log of compute-sanitizer says in the end. */
export function sanitizerSummary(text) {
  const lines = text.split('\n').filter((line) => /ERROR SUMMARY|RACECHECK SUMMARY/.test(line));
  return lines.at(-1)?.replace(/^=+\s*/, '') ?? 'no summary';
}

/** The first errors of a log, without the frames below them. */
function firstErrors(text) {
  const lines = text.split('\n').map((line) => line.replace(/^=+\s?/, ''));
  return lines
    .filter((line) => /^\S/.test(line) && !/COMPUTE-SANITIZER|SUMMARY/.test(line))
    .slice(0, 5);
}

/** Runs a program for at most `ms`; gives its status, or 'late', and the end of what it said. */
function runFor(command, words, ms) {
  return new Promise((resolve) => {
    const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    let isLate = false;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (data) => {
        text = (text + data).slice(-4000);
      });
    }
    const timer = setTimeout(() => {
      isLate = true;
      child.kill('SIGKILL');
    }, ms);
    const settle = (status) => {
      clearTimeout(timer);
      resolve({ status: isLate ? 'late' : status, text });
    };
    child.on('error', (error) => settle(error.message));
    child.on('exit', (code, signal) => settle(code ?? signal));
  });
}

export async function run(report, { device, emulated, out, deadline }) {
  if (emulated) {
    const losses = await exercise(await loadPackage(), device, sets.quick);
    const ok = [...losses.values()].every((loss) => Number.isFinite(loss));
    report.check(
      'what is watched runs',
      ok,
      [...losses].map(([name, loss]) => `${name} ${loss}`).join('; '),
    );
    report.notApplicable('compute-sanitizer watches a GPU, and the device is emulated');
    return;
  }
  const program = findSanitizer();
  if (program === null) {
    report.notApplicable('there is no compute-sanitizer on PATH or in /usr/local/cuda*');
    return;
  }
  const version = spawnSync(program, ['--version'], {
    encoding: 'utf8',
    env: foreignEnvironment(),
  });
  report.fact('compute-sanitizer', `${program}, ${version.stdout?.trim().split('\n').at(-1)}`);
  const script = fileURLToPath(new URL('../exercise.mjs', import.meta.url));
  for (const [tool, set] of order) {
    const name = `${tool}, ${set === 'quick' ? 'small trainings' : 'the other trainings'}`;
    const left = deadline - Date.now() - 2000;
    if (left < leastMs) {
      report.fact(name, 'not run: the section has no time left');
      continue;
    }
    const log = join(out, `compute-sanitizer-${tool}-${set}.log`);
    const words = [
      ...['--tool', tool, ...tools[tool], '--target-processes', 'application-only'],
      ...['--error-exitcode', '99', '--log-file', log, process.execPath, script, device, set],
    ];
    const started = performance.now();
    const { status, text } = await runFor(program, words, left);
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    const said = existsSync(log) ? readFileSync(log, 'utf8') : '';
    if (status === 'late') {
      const errors = firstErrors(said);
      if (errors.length > 0) report.check(name, false, errors.join('; '));
      report.fact(
        name,
        `ended after ${seconds} s, for which there was time; ${errors.length} errors until then`,
      );
      continue;
    }
    const detail = `${sanitizerSummary(said)}, ${seconds} s`;
    const more =
      status === 0
        ? ''
        : `; status ${status}; ${firstErrors(said).join('; ')}; ${text.slice(-600)}`;
    report.check(name, status === 0, `${detail}${more}`);
  }
}
