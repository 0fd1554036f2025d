/**
 * `npm run test:mutants`: seeds mistakes into native/cuda, one at a time, and requires that the
 * native tests notice each. Words choose mutants by their id.
 */
import { bootstrap } from './lib/bootstrap.mjs';
import { main } from './lib/report.mjs';
import { runMutantSuite } from './mutants/suite.mjs';

main(async () => {
  await bootstrap('test');
  const { ok } = await runMutantSuite({ words: process.argv.slice(2) });
  if (!ok) process.exitCode = 1;
});
