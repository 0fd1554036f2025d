/**
 * Owns which compute capabilities the CUDA backend is compiled for: those of native/cuda's
 * CMakeLists.txt, or what NEURONODE_CUDA_ARCHITECTURES names in CMake's form, such as `90`. The last
 * one is to be without `-real`: its PTX serves later GPUs.
 */
import { readFileSync } from 'node:fs';
import { inRoot } from './paths.mjs';
import { StepError } from './report.mjs';

const listed = /set\(NEURONODE_CUDA_ARCHITECTURES "([^"]+)"/;

/** Names of architectures, as CMake takes them. */
export function cudaArchitectures() {
  const given = process.env.NEURONODE_CUDA_ARCHITECTURES;
  const path = inRoot('native', 'cuda', 'CMakeLists.txt');
  const names = (given || listed.exec(readFileSync(path, 'utf8'))?.[1] || '').split(';');
  const isList = names.every((name, i) =>
    (i === names.length - 1 ? /^\d+$/ : /^\d+(-real)?$/).test(name),
  );
  if (!isList) {
    throw new StepError(
      `Expected architectures such as '80-real;90' for NEURONODE_CUDA_ARCHITECTURES, got '${names.join(';')}'.`,
      { advice: 'The last one is without -real, so that later GPUs have code as well.' },
    );
  }
  return names;
}
