/**
 * Owns the runs under NVIDIA's compute-sanitizer: memory accesses, shared-memory races, reads of
 * memory that nothing wrote, barriers.
 */
import { existsSync, readFileSync } from 'node:fs';
import { cudaFolder } from '../lib/cuda-toolchain.mjs';
import { shown } from '../lib/exec.mjs';
import { inRoot } from '../lib/paths.mjs';
import { StepError } from '../lib/report.mjs';

/** initcheck watches our kernels only: the libraries read parts of workspaces that nobody wrote. */
const tools = {
  memcheck: ['--leak-check', 'no'],
  racecheck: [],
  initcheck: ['--kernel-name', 'kns=neuronode'],
  synccheck: [],
};

/** compute-sanitizer of the toolkit that the backend was built with, or of an installed one. */
export function findSanitizer() {
  const { NEURONODE_CUDA_ROOT } = process.env;
  const roots = [NEURONODE_CUDA_ROOT, `${cudaFolder}/nvidia/cu13`, '/usr/local/cuda'];
  const paths = roots
    .filter((root) => root !== undefined && root !== '')
    .map((root) => `${root}/bin/compute-sanitizer`);
  const found = paths.find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new StepError(`There is no compute-sanitizer at ${paths.join(' or ')}.`, {
    advice: 'Fetch it with npm run cuda-toolchain, or go without: --no-sanitizer',
  });
}

/** The words that start compute-sanitizer on a program. */
export function sanitizerCommand(tool, log, program) {
  return [
    '--tool',
    tool,
    ...tools[tool],
    '--target-processes',
    'application-only',
    '--error-exitcode',
    '99',
    '--log-file',
    log,
    ...program,
  ];
}

/** What a log of compute-sanitizer says in the end. */
export function sanitizerSummary(text) {
  const lines = text.split('\n').filter((line) => /ERROR SUMMARY|RACECHECK SUMMARY/.test(line));
  return lines.at(-1)?.replace(/^=+\s*/, '') ?? 'no summary';
}

/**
 * Runs every tool over the exercise.
 *
 * @param {string} program Path of compute-sanitizer.
 */
export async function runSanitizers(program, device) {
  const exercise = inRoot('scripts', 'gpu-check', 'exercise.mjs');
  const checks = [];
  for (const tool of Object.keys(tools)) {
    const log = inRoot('build', 'log', `compute-sanitizer-${tool}.log`);
    const words = sanitizerCommand(tool, log, [process.execPath, exercise, device]);
    const status = await shown(program, words);
    const text = existsSync(log) ? readFileSync(log, 'utf8') : '';
    const detail = `${sanitizerSummary(text)} (${log})`;
    checks.push({ name: `compute-sanitizer ${tool}`, ok: status === 0, detail });
  }
  return checks;
}
