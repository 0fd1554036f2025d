/**
 * Owns bare Debian roots: what debootstrap makes of a suite (variant minbase: apt and what Debian
 * cannot be without), this machine's registry and certificate settings, and no more. What is in one:
 *
 *     await withBareRoot('bookworm', async (bare) => {
 *       // bare.path is its folder, to put files into; installNode(bare) (node.mjs) adds Node and npm.
 *       const { status, output } = await bare.run(['sh', 'run.sh'], { cwd: '/pack', log });
 *     });
 *
 * The suite's root is kept in the cache folder and made anew after a week; each use is of a copy,
 * which is removed in the end. Commands run as in a container: /proc, /dev and /sys are mounted, and
 * processes live, in namespaces that end with the command, so that nothing outlives an interrupt,
 * not even of this process. Needs Linux, root and debootstrap.
 */
import { spawn, spawnSync } from 'node:child_process';
import {
  createWriteStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { constants } from 'node:os';
import { dirname } from 'node:path';
import { logged } from '../lib/exec.mjs';
import { withLock } from '../lib/lock.mjs';
import { cacheFolder, inRoot } from '../lib/paths.mjs';
import { note, StepError, step } from '../lib/report.mjs';
import { ensureSystem } from '../lib/system.mjs';
import { applySettings, debianMirror } from './settings.mjs';

/** Debian's suites that neuronode is tried on. */
export const suites = { bookworm: 'Debian 12', trixie: 'Debian 13' };

const cache = `${cacheFolder}/roots`;
const weekMs = 7 * 24 * 3600 * 1000;
const copies = inRoot('build', 'fresh');

/** Namespaces of its own, which end with it, and it with this process, however that ends. */
const namespaces = [
  ...['setpriv', '--pdeathsig', 'KILL'],
  ...['unshare', '--mount', '--pid', '--fork', '--kill-child'],
];
/** $0 is the root; the words after it are chroot's. */
const enter = `mount -t proc proc "$0/proc"
mount --rbind /dev "$0/dev"
mount --rbind /sys "$0/sys"
exec chroot "$@"`;

/** Why no bare root can be made on this machine, or undefined if it can. */
export function rootObstacle() {
  if (process.platform !== 'linux')
    return `a bare Debian root needs Linux, not ${process.platform}`;
  if (process.getuid() !== 0) return 'making a bare Debian root takes root, and debootstrap';
  const [command, ...words] = namespaces;
  const { status, stderr } = spawnSync(command, [...words, 'true'], { encoding: 'utf8' });
  if (status !== 0) return `a bare root needs namespaces: ${stderr?.trim() || `no ${command}`}`;
  return undefined;
}

async function makeRoot(suite, folder, onProgress) {
  await ensureSystem(['debootstrap'], onProgress);
  const mirror = debianMirror();
  const words = ['--variant=minbase', suite, folder, ...(mirror === undefined ? [] : [mirror])];
  const [command, ...args] = [...namespaces, 'debootstrap', ...words];
  await logged(inRoot('build', 'log', `debootstrap-${suite}.log`), command, args, {
    advice: `A mirror of Debian that has ${suite} must be within reach.`,
    onOutput: (text) => onProgress(text.match(/^I: (.*)$/m)?.[1] ?? ''),
  });
  // A machine has no packages lying ready, and no lists, or old ones.
  for (const name of ['var/cache/apt/archives', 'var/lib/apt/lists']) {
    rmSync(`${folder}/${name}`, { recursive: true });
    mkdirSync(`${folder}/${name}/partial`, { recursive: true });
  }
}

/** The kept root of a suite. Nothing runs in it and nothing writes to it. */
async function keptRoot(suite) {
  const folder = `${cache}/${suite}-${process.arch}`;
  const isCurrent = () =>
    existsSync(`${folder}.made`) && Date.now() - statSync(`${folder}.made`).mtimeMs < weekMs;
  const onWait = (pid) => note(`waiting for process ${pid} to make it`);
  await withLock(`${folder}.lock`, onWait, async () => {
    if (isCurrent()) return;
    rmSync(`${folder}.made`, { force: true });
    for (const old of [folder, `${folder}.new`]) rmSync(old, { recursive: true, force: true });
    await step(`bare ${suites[suite]}`, async (progress) => {
      await makeRoot(suite, `${folder}.new`, progress);
      renameSync(`${folder}.new`, folder);
      writeFileSync(`${folder}.made`, '');
      return `made ${folder}`;
    });
  });
  return folder;
}

/** Removes copies of processes that are gone. */
function clearCopies() {
  mkdirSync(copies, { recursive: true });
  for (const name of readdirSync(copies)) {
    const pid = name.split('-').at(-1);
    if (!existsSync(`/proc/${pid}`)) rmSync(`${copies}/${name}`, { recursive: true, force: true });
  }
}

/** Uses of bare roots that have not put theirs away. */
let inUse = 0;

class BareRoot {
  /** What every command inside finds in its environment. */
  environment = {};
  #child;
  #stopped = false;

  /** @param {string} path The root's folder. */
  constructor(suite, path) {
    this.suite = suite;
    this.path = path;
  }

  /**
   * Runs a command inside, its output in a log file.
   *
   * @param {string[]} words The command.
   * @param {{ log: string, cwd?: string, user?: string, env?: object }} options `log`: the file for
   *   the output, replaced. `cwd`: a folder inside, `/` by default. `user`: who runs it, root by
   *   default. `env`: more than the machine's settings.
   * @returns Its exit status and whole output.
   */
  async run(words, { log, cwd = '/', user = 'root', env = {} }) {
    if (this.#stopped) throw new StepError('Interrupted.');
    mkdirSync(dirname(log), { recursive: true });
    const file = createWriteStream(log);
    const home = user === 'root' ? '/root' : `/home/${user}`;
    const shell = ['sh', '-c', 'cd "$0" && exec "$@"', cwd, ...words];
    const [command, ...args] = [
      ...namespaces,
      ...['sh', '-ec', enter, this.path, `--userspec=${user}`, this.path, ...shell],
    ];
    const output = await new Promise((resolve, reject) => {
      const child = spawn(command, args, {
        env: { ...this.environment, HOME: home, USER: user, ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
        // Out of the terminal's reach: an interrupt is ours to pass on.
        detached: true,
      });
      this.#child = child;
      child.stdout.pipe(file, { end: false });
      child.stderr.pipe(file, { end: false });
      child.on('error', reject);
      child.on('close', (code, signal) => {
        this.#child = undefined;
        file.end(() => resolve({ status: code ?? 128 + constants.signals[signal] }));
      });
    });
    if (this.#stopped) throw new StepError('Interrupted.');
    return { ...output, output: readFileSync(log, 'utf8') };
  }

  /** As `run`, for what must succeed; returns the output. */
  async must(words, options) {
    const { status, output } = await this.run(words, options);
    if (status !== 0) {
      throw new StepError(`Failed with status ${status} in the bare root: ${words.join(' ')}`, {
        log: options.log,
      });
    }
    return output;
  }

  /** Ends what runs, and whatever would run after it. */
  stop() {
    this.#stopped = true;
    this.#child?.kill('SIGKILL');
  }
}

/**
 * Calls `body` with a bare root of a suite, and removes the root when that is done, has failed or is
 * interrupted.
 *
 * @param {keyof typeof suites} suite
 * @param {(bare: BareRoot) => Promise<T>} body
 * @returns What `body` returns.
 * @throws StepError where no root can be made; `rootObstacle` says so beforehand.
 */
export async function withBareRoot(suite, body) {
  const obstacle = rootObstacle();
  if (obstacle !== undefined) throw new StepError(`Cannot go on here: ${obstacle}.`);
  const kept = await keptRoot(suite);
  clearCopies();
  const path = `${copies}/${suite}-${process.pid}`;
  rmSync(path, { recursive: true, force: true });
  const bare = new BareRoot(suite, path);
  let signalled;
  const onSignal = (signal) => {
    signalled = signal;
    bare.stop();
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of signals) process.on(signal, onSignal);
  inUse += 1;
  try {
    const copy = ['-a', '--reflink=auto', kept, path];
    await logged(inRoot('build', 'log', `copy-${suite}.log`), 'cp', copy);
    bare.environment = applySettings(path, suite);
    return await body(bare);
  } finally {
    rmSync(path, { recursive: true, force: true });
    for (const signal of signals) process.off(signal, onSignal);
    inUse -= 1;
    // Now that all is put away, it does what it would have done.
    if (signalled !== undefined && inUse === 0) process.kill(process.pid, signalled);
  }
}
