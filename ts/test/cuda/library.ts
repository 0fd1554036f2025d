/** Owns where the emulated GPU is: the backend's library, built for tests against an imitation of CUDA. */
import { fileURLToPath } from 'node:url';

/** Path of the library; NEURONODE_CUDA_LIBRARY names another. */
export function emulatedLibrary(): string {
  const built = new URL('../../../build/Release/libneuronode_cuda_emulated.so', import.meta.url);
  return process.env.NEURONODE_CUDA_LIBRARY || fileURLToPath(built);
}
