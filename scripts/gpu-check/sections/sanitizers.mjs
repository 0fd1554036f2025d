/**
 * Small trainings under NVIDIA's compute-sanitizer: memory accesses, shared-memory races, reads of
 * memory that nothing wrote, barriers. Memory first; the rest of the trainings last.
 */
import { spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { exercise, sets } from '../exercise.mjs';
import { loadPackage } from '../inside.mjs';
import { runFor } from '../processes.mjs';
import { foreignEnvironment } from '../python.mjs';

/** Ours by their mangled names. The libraries' read parts of workspaces that nobody wrote, and more. */
const ourKernels = ['--kernel-name', 'kns=neuronode'];
/**
 * memcheck watches the libraries' kernels too, which get their pointers and sizes from us; calls that
 * fail inside of them are theirs to handle, and ours we check.
 */
const tools = {
  memcheck: ['--report-api-errors', 'no'],
  racecheck: ourKernels,
  initcheck: ourKernels,
  synccheck: ourKernels,
};
const order = [
  ['memcheck', 'quick'],
  ['racecheck', 'quick'],
  ['initcheck', 'quick'],
  ['synccheck', 'quick'],
  ['memcheck', 'rest'],
];
/** Fewer milliseconds than a run can take. */
const leastMs = 8000;
/** What a run has behind its last step, to sum up and end. */
const closingMs = 5000;

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
  const all = join(out, 'compute-sanitizer.log');
  const log = join(out, 'compute-sanitizer.log.new');
  rmSync(all, { force: true });
  for (const [i, [tool, set]] of order.entries()) {
    const name = `${tool}, ${set === 'quick' ? 'small trainings' : 'the other trainings'}`;
    const left = deadline - Date.now() - 2000;
    // Half of it is for the tools behind this one.
    const ms = i === order.length - 1 ? left : Math.max(left / 2, Math.min(left, leastMs));
    if (ms < leastMs) {
      report.fact(name, 'not run: the section has no time left');
      continue;
    }
    const words = [
      ...['--tool', tool, ...tools[tool], '--target-processes', 'application-only'],
      ...['--launch-timeout', '60', '--error-exitcode', '99', '--log-file', log],
      ...[process.execPath, script, device, set, String(Date.now() + ms - closingMs)],
    ];
    const started = performance.now();
    const { status, text } = await runFor(program, words, ms);
    const seconds = ((performance.now() - started) / 1000).toFixed(0);
    const said = existsSync(log) ? readFileSync(log, 'utf8') : '';
    appendFileSync(all, `${name}\n${said}\n`);
    rmSync(log, { force: true });
    const errors = firstErrors(said);
    const trained = /^trained .*$/m.exec(text)?.[0] ?? 'trained none to its end';
    if (status === 'late') {
      if (errors.length > 0) report.check(name, false, errors.join('; '));
      const until = `${trained}; ${errors.length} errors until then`;
      report.fact(name, `killed after ${seconds} s, for which there was time; ${until}`);
      continue;
    }
    const detail = `${sanitizerSummary(said)}, ${seconds} s, ${trained}`;
    const more =
      status === 0 ? '' : `; status ${status}; ${errors.join('; ')}; ${text.slice(-600)}`;
    report.check(name, status === 0, `${detail}${more}`);
  }
}
