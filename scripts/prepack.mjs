/** npm's prepack script: fresh builds, so that a package holds nothing of removed sources. */
import { rmSync } from 'node:fs';
import { bootstrap } from './lib/bootstrap.mjs';
import { inRoot } from './lib/paths.mjs';
import { main } from './lib/report.mjs';

main(async () => {
  rmSync(inRoot('dist'), { recursive: true, force: true });
  await bootstrap('build');
});
