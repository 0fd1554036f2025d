/** `npm run format`: formats TypeScript, C++ and CUDA files in place and applies safe lint fixes. */
import { bootstrap } from './lib/bootstrap.mjs';
import { clangFormat } from './lib/clang-format.mjs';
import { main } from './lib/report.mjs';
import { biome } from './lib/sections.mjs';

main(async () => {
  await bootstrap('lint');
  const typescript = await biome('check', '--write');
  const native = await clangFormat('-i');
  if (!typescript || !native) process.exitCode = 1;
});
