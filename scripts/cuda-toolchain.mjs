/**
 * `npm run cuda-toolchain`: fetches NVIDIA's compiler, headers and libraries for the CUDA backend into
 * the cache folder, if they are not there as pinned, and says where they are.
 */
import { cudaFolder, cudaObstacle, ensureCudaToolchain } from './lib/cuda-toolchain.mjs';
import { main, StepError, step } from './lib/report.mjs';

main(async () => {
  const obstacle = cudaObstacle();
  if (obstacle !== undefined) throw new StepError(`${obstacle}.`);
  await step('CUDA toolchain', ensureCudaToolchain);
  process.stdout.write(`${process.env.NEURONODE_CUDA_ROOT || cudaFolder}\n`);
});
