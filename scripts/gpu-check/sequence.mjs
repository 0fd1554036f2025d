/**
 * Owns the run of sections: one process each, one after the other, each with a time limit within the
 * whole's, and the results on disk after each.
 *
 * Policy: nothing that a section does ends the run. A section that is over its time is killed with all
 * that it started. One that ends without having said so is started again where it left a cursor,
 * behind what it was doing.
 */
import { spawn } from 'node:child_process';
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

/** Runs a command in a process group of its own, killed after `ms`. */
function runProcess([command, ...words], ms, env) {
  return new Promise((resolve) => {
    const child = spawn(command, words, {
      stdio: ['ignore', 'inherit', 'inherit'],
      detached: true,
      env,
    });
    let isLate = false;
    const end = () => {
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // It has ended by itself.
      }
    };
    const timer = setTimeout(() => {
      isLate = true;
      end();
    }, ms);
    const onSignal = (signal) => {
      end();
      process.exit(signal === 'SIGINT' ? 130 : 143);
    };
    process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
    const settle = (how) => {
      clearTimeout(timer);
      process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
      end(); // what it has left behind
      resolve({ isLate, how });
    };
    child.on('error', (error) => settle(error.message));
    child.on('close', (code, signal) => settle(signal ?? code));
  });
}

function resultOf({ name, title }, state, reason, seconds) {
  const { facts, checks, tables, data, error, notApplicable } = state;
  const why = [reason, error].filter(Boolean).join(': ');
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
export function notRun({ name, title }, reason) {
  const empty = { facts: [], checks: [], tables: [], data: {} };
  return { name, title, outcome: 'not run', reason, seconds: 0, ...empty };
}

/**
 * Runs one section, again where it wants to go on.
 *
 * @param {import('./list.mjs').Section} section
 * @param {{ out: string, ms: number, command: (section: object, path: string) => string[], env: object }} how
 *   `command`: the words that start its process.
 * @returns {Promise<SectionResult>}
 */
export async function runSection(section, { out, ms, command, env }) {
  const started = performance.now();
  const path = join(out, `${section.name}.state.json`);
  const seconds = () => Math.round((performance.now() - started) / 100) / 10;
  for (let restarts = 0; ; restarts++) {
    const left = ms - (performance.now() - started);
    const { isLate, how } = await runProcess(command(section, path), left, env);
    const state = readState(path);
    if (state.done && how === 0) return resultOf(section, state, '', seconds());
    const when = state.done ? ', after its last finding' : '';
    if (isLate) {
      const at = state.cursor === undefined ? when : ` at ${state.cursor}`;
      return resultOf(section, state, `ended after ${seconds()} s, its limit${at}`, seconds());
    }
    const ended = `${typeof how === 'number' ? `status ${how}` : how}${when}`;
    if (state.cursor === undefined || restarts === mostRestarts) {
      return resultOf(section, state, `its process ended with ${ended}`, seconds());
    }
    const report = new Report(path);
    if (how !== restart && !report.checked.has(state.cursor)) {
      report.check(state.cursor, false, `the process ended with ${ended}`);
    }
  }
}

/**
 * Runs sections within a time.
 *
 * @param {import('./list.mjs').Section[]} sections
 * @param {{ seconds: number, out: string, command: (section: object, path: string, ms: number) => string[],
 *   env?: object, onResult: (results: SectionResult[]) => void,
 *   obstacle: (results: SectionResult[]) => string | undefined }} options `obstacle`: why the next
 *   section cannot run after what was found. `onResult` gets all results after each.
 */
export async function runSections(sections, { seconds, out, command, env, onResult, obstacle }) {
  const end = performance.now() + seconds * 1000;
  const results = [];
  for (const section of sections) {
    const left = (end - performance.now()) / 1000;
    const why =
      obstacle(results) ??
      (left < section.least || left <= 0
        ? `${Math.max(left, 0).toFixed(0)} s of the ${seconds.toFixed(0)} s were left, and it takes at least ${section.least} s`
        : undefined);
    if (why !== undefined) results.push(notRun(section, why));
    else {
      const ms = Math.min(section.seconds, left) * 1000;
      const start = (each, path) => command(each, path, ms);
      results.push(await runSection(section, { out, ms, command: start, env }));
    }
    onResult(results);
  }
  return results;
}
