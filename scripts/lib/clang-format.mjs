/** Owns which files clang-format sees: every C++ and CUDA file under native/. */
import { readdirSync } from 'node:fs';
import { shown } from './exec.mjs';
import { inRoot } from './paths.mjs';
import { StepError } from './report.mjs';

const endings = /\.(h|cc|cu|cuh)$/;

/** Runs clang-format with the given options on all native files; true if it was content. */
export async function clangFormat(...options) {
  const files = readdirSync(inRoot('native'), { recursive: true })
    .filter((path) => endings.test(path))
    .map((path) => inRoot('native', path))
    .sort();
  if (files.length === 0) throw new StepError('Found no native sources to format.');
  return (await shown('clang-format', ['--style=file', ...options, ...files])) === 0;
}
