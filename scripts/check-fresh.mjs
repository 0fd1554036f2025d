/**
 * `npm run check:fresh [-- [--quick] bookworm trixie]`: tries a clone of HEAD on fresh machines, bare
 * roots of Debian 12 and 13 or of those that are named. Takes root and debootstrap. `--quick` leaves
 * out the user's training, whose build is root's over again, and most tests.
 */
import { checkFresh } from './fresh/check.mjs';
import { suites } from './fresh/root.mjs';
import { main, StepError } from './lib/report.mjs';

main(async () => {
  const quick = process.argv.includes('--quick');
  const words = process.argv.slice(2).filter((word) => word !== '--quick');
  for (const word of words) {
    if (!(word in suites)) {
      throw new StepError(`Expected some of ${Object.keys(suites).join(', ')}, got '${word}'.`);
    }
  }
  const { ok } = await checkFresh(words.length > 0 ? words : undefined, { quick });
  if (!ok) process.exitCode = 1;
});
