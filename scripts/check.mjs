/**
 * `npm run check`: the whole gate, the same that CI runs. A failed section does not stop the next, so
 * that one run tells all. The seconds of the fresh machine are those waited for it at the end.
 */
import { freshBeside } from './fresh/check.mjs';
import { gpuPack } from './gpu-pack/try.mjs';
import { main, printFailure } from './lib/report.mjs';
import { lint, mutants, onednn3, sanitize, test } from './lib/sections.mjs';
import { summary, total } from './lib/suites.mjs';

const sections = [
  ['Lint and format', lint],
  ['oneDNN 3', onednn3],
  ['Types and tests', test],
  ['GPU pack', gpuPack],
  ['Seeded mistakes', mutants],
  ['Sanitizers', sanitize],
];

async function attempt(body) {
  try {
    return await body();
  } catch (error) {
    printFailure(error);
    return { ok: false };
  }
}

main(async () => {
  const fresh = await freshBeside();
  const lines = [];
  const counted = [];
  let ok = true;
  for (const [name, body] of [...sections, ['Fresh machine', fresh]]) {
    process.stdout.write(`\n=== ${name}\n`);
    const started = performance.now();
    const result = await attempt(body);
    const seconds = Math.round((performance.now() - started) / 1000);
    ok &&= result.ok;
    if (result.passed !== undefined) counted.push(result);
    const counts = result.passed === undefined ? '' : `  ${summary(result)}`;
    lines.push(`${result.ok ? 'ok    ' : 'FAILED'}  ${name}, ${seconds} s${counts}`);
  }
  process.stdout.write(`\n=== Summary\n${lines.join('\n')}\n${summary(total(counted))}\n`);
  if (!ok) process.exitCode = 1;
});
