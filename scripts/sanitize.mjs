/** `npm run test:native:asan`: native tests and the addon's tests under ASan and UBSan. */
import { main } from './lib/report.mjs';
import { sanitize } from './lib/sections.mjs';
import { summary } from './lib/suites.mjs';

main(async () => {
  const result = await sanitize();
  process.stdout.write(`\n${summary(result)}\n`);
  if (!result.ok) process.exitCode = 1;
});
