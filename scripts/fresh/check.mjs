/**
 * Owns what is tried on a fresh machine, in bare roots of Debian that have Node and npm and nothing
 * else: a clone of HEAD trains and passes its tests with what its commands install by themselves; and
 * for a user who may install nothing they say what is to be installed, which is just that.
 *
 * The CUDA backend is built for one architecture. In the gate `npm test` runs there in its quick form:
 * every install step is in it, and the tests in full are the other sections' matter.
 */
import { appendFileSync } from 'node:fs';
import { logged } from '../lib/exec.mjs';
import { inRoot, root } from '../lib/paths.mjs';
import { note, printFailure, StepError, step } from '../lib/report.mjs';
import { ensureSystem } from '../lib/system.mjs';
import { installNode } from './node.mjs';
import { rootObstacle, suites, withBareRoot } from './root.mjs';

const train = ['npm', 'run', 'train', '--', '--max-steps', '3'];
const test = (quick) => ['npm', 'test', ...(quick ? ['--', '--quick'] : [])];
/** Where anything left out would be a failure. */
const strict = { CI: 'true', NEURONODE_CUDA_ARCHITECTURES: '90' };

function logOf(suite, name) {
  return inRoot('build', 'log', `fresh-${suite}-${name}.log`);
}

function requireThat(condition, message, log) {
  if (!condition) throw new StepError(message, { log });
}

/** A clone of HEAD in a bare root. */
async function cloneInto(bare, folder) {
  const log = logOf(bare.suite, 'clone');
  const words = ['clone', '--quiet', '--no-hardlinks', root, `${bare.path}${folder}`];
  await logged(log, 'git', words);
}

/** The packages that a command says it installed. */
function installedBy(output) {
  const lines = output.matchAll(/^✓ (?:system packages|data set): installed (.*) \([\d.]+ s\)$/gm);
  return Array.from(lines, ([, packages]) => packages.split(' ')).flat();
}

function requireTraining(output, log) {
  requireThat(/^step 3, train_acc: [\d.]+$/m.test(output), 'It did not train three steps.', log);
}

/** As root: the two commands of a new user. Returns the packages that each needed. */
async function asRoot(suite, quick) {
  return withBareRoot(suite, async (bare) => {
    await installNode(bare);
    await cloneInto(bare, '/root/neuronode');
    const run = async (name, words) => {
      const options = { cwd: '/root/neuronode', log: logOf(suite, name), env: strict };
      return bare.must(words, options);
    };
    let forTraining = [];
    await step(`${suites[suite]}, train`, async () => {
      const output = await run('train', train);
      requireTraining(output, logOf(suite, 'train'));
      forTraining = installedBy(output);
      return `installed ${forTraining.join(' ')}`;
    });
    let forTests = [];
    await step(`${suites[suite]}, test`, async () => {
      const output = await run('test', test(quick));
      const more = installedBy(output);
      forTests = [...forTraining, ...more];
      const count = /^\d+ passed, 0 failed.*$/m.exec(output.slice(output.lastIndexOf('\nok ')));
      return `installed ${more.join(' ')}; ${count?.[0]}`;
    });
    return { forTraining, forTests };
  });
}

/** The one line of a message that says what to type, or a failure. */
function adviceIn(output, log) {
  const lines = output.match(/^.*apt-get install.*$/gm) ?? [];
  requireThat(lines.length === 1, `Expected one line of advice, got ${lines.length}.`, log);
  return lines[0].replace(/^.*?: /, '');
}

/** As a user who may install nothing: told all, and (not if `quick`) after that is installed, trains. */
async function asUser(suite, { forTraining, forTests }, quick) {
  await withBareRoot(suite, async (bare) => {
    const log = logOf(suite, 'user');
    await installNode(bare);
    await bare.must(['useradd', '--create-home', 'newcomer'], { log });
    const cwd = '/home/newcomer/neuronode';
    await cloneInto(bare, cwd);
    await bare.must(['chown', '-R', 'newcomer:', cwd], { log });

    const told = async (name, words, packages) => {
      const options = { cwd, log: logOf(suite, name), user: 'newcomer' };
      const { status, output } = await bare.run(words, options);
      requireThat(status !== 0, 'The command succeeded without what it needs.', options.log);
      const advice = adviceIn(output, options.log);
      const [before, list = ''] = advice.split(' --no-install-recommends ');
      requireThat(
        before === 'sudo apt-get update && sudo apt-get install' &&
          list.split(' ').sort().join(' ') === [...packages].sort().join(' '),
        `Expected the advice to install ${packages.join(' ')}, got: ${advice}`,
        options.log,
      );
      return advice;
    };
    let advice = '';
    await step(`${suites[suite]}, told what to install`, async () => {
      await told('told-test', test(quick), forTests);
      advice = await told('told-train', train, forTraining);
      return advice;
    });
    if (quick) return;
    await step(`${suites[suite]}, trains once that is installed`, async () => {
      appendFileSync(`${bare.path}/etc/apt/apt.conf.d/91yes`, 'APT::Get::Assume-Yes "true";\n');
      const words = ['sh', '-c', advice.replaceAll('sudo ', '')];
      const env = { DEBIAN_FRONTEND: 'noninteractive' };
      await bare.must(words, { log: logOf(suite, 'user-apt'), env });
      const output = await bare.must(train, { cwd, log, user: 'newcomer' });
      requireTraining(output, log);
      return 'as a user';
    });
  });
}

async function checkSuite(suite, quick) {
  try {
    await asUser(suite, await asRoot(suite, quick), quick);
    return true;
  } catch (error) {
    printFailure(error);
    return false;
  }
}

function ensureTools() {
  return step('system packages', (progress) => ensureSystem(['debootstrap', 'git'], progress));
}

/**
 * Tries suites, all at the same time: one downloads while the other compiles.
 *
 * @param {(keyof typeof suites)[]} names
 * @param {{ quick?: boolean }} [options] `quick` leaves out the user's training, and most
 *   tests.
 * @returns `ok`, false if anything failed, which has been printed.
 * @throws StepError where no bare root can be made.
 */
export async function checkFresh(names = Object.keys(suites), { quick = false } = {}) {
  const obstacle = rootObstacle();
  if (obstacle !== undefined) {
    throw new StepError(`Cannot try a fresh machine here: ${obstacle}.`, {
      advice:
        'Run it as root, on Linux, with debootstrap and git (Debian: apt-get install debootstrap git).',
    });
  }
  await ensureTools();
  const results = await Promise.all(names.map((name) => checkSuite(name, quick)));
  return { ok: results.every((ok) => ok) };
}

/**
 * As a section of the gate, which runs beside the others in a process of its own: its downloads and
 * builds fill what they leave of the processors. Elsewhere than in CI, what cannot be tried is only
 * said. Debian 13 alone is tried, quickly: the gate has half an hour, and runs on Debian 12 itself,
 * on a clean clone. `npm run check:fresh` tries all.
 *
 * @returns What waits for its end and prints what it said.
 */
export async function freshBeside() {
  const obstacle = rootObstacle();
  if (obstacle !== undefined && process.env.CI === undefined) {
    return async () => {
      note(`not tried, since ${obstacle}; CI tries it`);
      return { ok: true };
    };
  }
  // Here, since two processes cannot install at the same time.
  await ensureTools();
  const words = [inRoot('scripts', 'check-fresh.mjs'), '--quick', 'trixie'];
  const run = logged(inRoot('build', 'log', 'fresh.log'), process.execPath, words);
  // Whoever waits for it is told of a failure.
  run.catch(() => {});
  return async () => {
    process.stderr.write(await run);
    return { ok: true };
  };
}
