/**
 * `npm run build` and `node scripts/bootstrap.mjs [command]`: makes the working tree ready for a
 * command (build, native, train, bench, test, sanitize or lint) without running it.
 */
import { bootstrap, commandNames } from './lib/bootstrap.mjs';
import { main, StepError } from './lib/report.mjs';

main(async () => {
  const name = process.argv[2] ?? 'build';
  if (!commandNames.includes(name)) {
    throw new StepError(`Expected one of ${commandNames.join(', ')}, got '${name}'.`);
  }
  await bootstrap(name);
});
