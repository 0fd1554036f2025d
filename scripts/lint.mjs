/** `npm run lint`: checks style and formatting of TypeScript, C++ and CUDA files, writing nothing. */
import { main } from './lib/report.mjs';
import { lint } from './lib/sections.mjs';

main(async () => {
  if (!(await lint()).ok) process.exitCode = 1;
});
