/**
 * `npm test`: native tests, then TypeScript tests, building first what is missing. `--native` or
 * `--ts` runs one of the two; `--quick` does without the CUDA backend's native tests and runs few
 * of the TypeScript ones; other arguments go to vitest (`npm test -- ts/test/nn.test.ts`).
 */
import { main } from './lib/report.mjs';
import { test } from './lib/sections.mjs';
import { summary } from './lib/suites.mjs';

const own = ['--native', '--ts', '--quick'];

main(async () => {
  const words = process.argv.slice(2);
  const result = await test({
    native: !words.includes('--ts'),
    typescript: !words.includes('--native'),
    quick: words.includes('--quick'),
    args: words.filter((word) => !own.includes(word)),
  });
  process.stdout.write(`\n${summary(result)}\n`);
  if (!result.ok) process.exitCode = 1;
});
