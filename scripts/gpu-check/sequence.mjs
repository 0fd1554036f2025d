/**
 * Owns the run of sections: one process each, one after the other, each with a time limit within the
 * whole's, and the results on disk after each.
 *
 * Policy: nothing that a section does ends the run. A section that is over its time is killed with all
 * that it started. One that ends without having said so is started again where it left a cursor,
 * behind what it was doing.
 */
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { Report, readState, restart } from './state.mjs';

/** A row of tests that all end their process is not waited for. */
const mostRestarts = 8;

/**
 * @typedef {object} SectionResult
 * @property {string} name
 * @property {string} title
 * @property {'passed' | 'failed' | 'not applicable' | 'not run'} outcome
 * @property {string} reason Why it was not run or ended early; empty for one that came to its end.
 * @property {number} seconds
 * @property {import('./state.mjs').SectionState['facts']} facts
 * @property {import('./state.mjs').SectionState['checks']} checks
 * @property {import('./state.mjs').SectionState['tables']} tables
 * @property {object} data
 */

/** Characters of what a process said last that are kept, for who asks why it ended. */
const mostSaid = 1500;

/**
 * Runs a command in a process group of its own until it ends, or is killed with the group: after `ms`,
 * when `stop` says so, or where it goes on for `graceMs` after `isDone`. A process that does not end
 * when it is killed, since its driver hangs, is left behind after `graceMs` too.
 *
 * @returns {Promise<{ isLate: boolean, how: number | string, said: string }>} `how` it ended: its
 *   status, its signal, or words; `said`: the end of its standard error, which is passed on as well.
 */
function runProcess([command, ...words], { ms, env, stop, graceMs, isDone }) {
  return new Promise((resolve) => {
    const child = spawn(command, words, {
      stdio: ['ignore', 'inherit', 'pipe'],
      detached: true,
      env,
    });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text) => {
      said = (said + text).slice(-mostSaid);
      process.stderr.write(text);
    });
    let isLate = false;
    let killed;
    let closing;
    const end = () => {
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // It has ended by itself.
      }
    };
    const kill = () => {
      end();
      killed ??= setTimeout(() => settle('no end when it was killed'), graceMs);
    };
    const limit = setTimeout(() => {
      isLate = true;
      kill();
    }, ms);
    let doneAt;
    const watch = setInterval(() => {
      if (!isDone()) return;
      doneAt ??= performance.now();
      if (performance.now() - doneAt > graceMs) kill();
    }, 500);
    stop.addEventListener('abort', kill);
    const settle = (how) => {
      clearTimeout(limit);
      clearTimeout(killed);
      clearTimeout(closing);
      clearInterval(watch);
      stop.removeEventListener('abort', kill);
      child.stderr.destroy();
      child.unref();
      resolve({ isLate, how, said: said.trim() });
    };
    child.on('error', (error) => settle(error.message));
    child.on('exit', (code, signal) => {
      end(); // what it has left behind, which may hold its standard error open
      closing = setTimeout(settle, 1000, signal ?? code);
    });
    child.on('close', (code, signal) => settle(signal ?? code));
  });
}

function resultOf({ name, title }, state, seconds, reason = '', said = '') {
  const { facts, checks, tables, data, error, notApplicable } = state;
  const told = [reason, error].filter(Boolean).join(': ');
  const why = said === '' ? told : `${told}\n${said}`;
  const isGood = why === '' && checks.every(({ ok }) => ok);
  const outcome = !isGood ? 'failed' : notApplicable === undefined ? 'passed' : 'not applicable';
  return {
    name,
    title,
    outcome,
    reason: why || (notApplicable ?? ''),
    seconds,
    facts,
    checks,
    tables,
    data,
  };
}

/** A section that was not begun. */
function notRun({ name, title }, reason) {
  const empty = { facts: [], checks: [], tables: [], data: {} };
  return { name, title, outcome: 'not run', reason, seconds: 0, ...empty };
}

/**
 * @typedef {object} How
 * @property {string} out Folder for results. The file of a section's state is there while it runs.
 * @property {(section: object, path: string, ms: number) => string[]} command The words that start a
 *   section's process, whose state goes to `path`, and which is killed after `ms`.
 * @property {object} [env]
 * @property {AbortSignal} [stop] Ends the section under way; no other is begun. Its reason is told.
 * @property {number} [graceMs] How long a process may take to end after its last finding.
 */

/**
 * Runs one section, again where it wants to go on.
 *
 * @param {import('./list.mjs').Section} section
 * @param {number} ms
 * @param {Required<How>} how
 * @returns {Promise<SectionResult>}
 */
async function runSection(section, ms, { out, command, env, stop, graceMs }) {
  const started = performance.now();
  const path = join(out, `${section.name}.state.json`);
  const seconds = () => Math.round((performance.now() - started) / 100) / 10;
  rmSync(path, { force: true });
  try {
    for (let restarts = 0; ; restarts++) {
      const left = ms - (performance.now() - started);
      const isDone = () => readState(path).done;
      const options = { ms: left, env, stop, graceMs, isDone };
      const { isLate, how, said } = await runProcess(command(section, path, left), options);
      const state = readState(path);
      if (state.done && how === 0) return resultOf(section, state, seconds());
      const at = state.done
        ? ', after its last finding'
        : state.cursor === undefined
          ? ''
          : ` at ${state.cursor}`;
      if (isLate || stop.aborted) {
        const why = stop.aborted ? stop.reason : 'its limit';
        const reason = `ended after ${seconds()} s, ${why}${at}`;
        return resultOf(section, state, seconds(), reason, said);
      }
      const ended = typeof how === 'number' ? `status ${how}` : how;
      if (state.done || state.cursor === undefined || restarts === mostRestarts) {
        const reason = `its process ended with ${ended}${at}`;
        return resultOf(section, state, seconds(), reason, said);
      }
      const report = new Report(path);
      if (how !== restart && !report.checked.has(state.cursor)) {
        report.check(state.cursor, false, `the process ended with ${ended}\n${said}`.trim());
      }
    }
  } finally {
    rmSync(path, { force: true });
  }
}

/**
 * Runs sections within a time. While there is time for all, each leaves to those behind it the least
 * that they need.
 *
 * @param {import('./list.mjs').Section[]} sections
 * @param {How & { seconds: number, onResult: (results: SectionResult[]) => void,
 *   obstacle: (results: SectionResult[]) => string | undefined }} options `obstacle`: why the next
 *   section cannot run after what was found. `onResult` gets all results after each.
 */
export async function runSections(sections, { seconds, onResult, obstacle, ...how }) {
  const options = { stop: new AbortController().signal, graceMs: 10_000, ...how };
  const end = performance.now() + seconds * 1000;
  const results = [];
  for (const [i, section] of sections.entries()) {
    const left = (end - performance.now()) / 1000;
    const why =
      (options.stop.aborted ? options.stop.reason : undefined) ??
      obstacle(results) ??
      (left < section.least || left <= 0
        ? `${Math.max(left, 0).toFixed(0)} s of the ${seconds.toFixed(0)} s were left, and it takes at least ${section.least} s`
        : undefined);
    if (why !== undefined) results.push(notRun(section, why));
    else {
      const others = sections.slice(i + 1).reduce((sum, { least }) => sum + least, 0);
      const most = Math.max(left - Math.min(others, left / 2), section.least);
      results.push(await runSection(section, Math.min(section.seconds, most) * 1000, options));
    }
    onResult(results);
  }
  return results;
}
