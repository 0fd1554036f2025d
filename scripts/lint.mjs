/** `npm run lint`: checks style and formatting of TypeScript, C++ and CUDA files, and the layers of ts/src, writing nothing. */
import { main } from './lib/report.mjs';
import { lint } from './lib/sections.mjs';

main(async () => {
  if (!(await lint()).ok) process.exitCode = 1;
});
