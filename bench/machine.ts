/** Owns what a result says of the machine it was measured on. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem, type } from 'node:os';
import { native } from './inside.js';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly os: string;
  readonly node: string;
  readonly commit: string;
  /** Versions of the libraries that the addon runs on, by name. */
  readonly libraries: Readonly<Record<string, string>>;
  /** Load of the minute before the run: above 0.3 or so, others were at work. */
  readonly load: number;
}

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    os: `${distribution()} (${type()} ${release()})`,
    node: process.version,
    commit: commit(),
    libraries: native.versions(),
    load: loadavg()[0] ?? 0,
  };
}

function distribution(): string {
  try {
    const match = /^PRETTY_NAME="?([^"\n]*)/m.exec(readFileSync('/etc/os-release', 'utf8'));
    return match?.[1] ?? process.platform;
  } catch {
    return process.platform; // no such file outside Linux
  }
}

function commit(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return 'unknown'; // a copy without git's history
  }
}

/** Version of this package. */
export function packageVersion(): string {
  const file = new URL('../../package.json', import.meta.url); // from build/bench
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

/** Largest resident set of this process so far, in bytes (VmHWM). */
export function peakBytes(): number {
  const match = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'));
  if (match === null) throw new Error('/proc/self/status has no VmHWM');
  return Number(match[1]) * 1024;
}
