/**
 * Owns what bootstrap prints: one line a step with the time it took, nothing for a step that had
 * nothing to do, and for a failure the end of the log and what to do next.
 */
import { readFileSync } from 'node:fs';

const live = process.stderr.isTTY === true && process.env.CI === undefined;

/** A failure with advice. Entry points print it without a stack and exit with status 1. */
export class StepError extends Error {
  /**
   * @param {string} message What failed.
   * @param {{ advice?: string, log?: string }} [details] What to do, and the log to quote.
   */
  constructor(message, { advice, log } = {}) {
    super(message);
    this.name = 'StepError';
    this.advice = advice;
    this.log = log;
  }
}

function seconds(since) {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`;
}

function showLive(text) {
  if (live) process.stderr.write(`\r\x1b[K${text}`);
}

/**
 * Runs one step. `body` gets a function that shows progress on a terminal, and returns what it did
 * in a few words, or undefined if there was nothing to do.
 */
export async function step(name, body) {
  const started = performance.now();
  let detail = '';
  const draw = () => showLive(`  ${name} … ${detail} ${seconds(started)}`);
  const timer = live ? setInterval(draw, 500) : undefined;
  try {
    const done = await body((text) => {
      detail = text;
    });
    showLive('');
    if (done !== undefined) process.stderr.write(`✓ ${name}: ${done} (${seconds(started)})\n`);
  } catch (error) {
    showLive('');
    process.stderr.write(`✗ ${name} (${seconds(started)})\n`);
    throw error;
  } finally {
    clearInterval(timer);
  }
}

/** A remark that is not a step. */
export function note(text) {
  process.stderr.write(`  ${text}\n`);
}

/** Prints a failure: a StepError as its message, log and advice, anything else with its stack. */
export function printFailure(error) {
  if (!(error instanceof StepError)) {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    return;
  }
  process.stderr.write(`\n${error.message}\n`);
  if (error.log !== undefined) {
    const lines = readFileSync(error.log, 'utf8').trimEnd().split('\n');
    const tail = lines.slice(-40).map((line) => `  | ${line}`);
    process.stderr.write(`\n${tail.join('\n')}\n\nThe whole log: ${error.log}\n`);
  }
  if (error.advice !== undefined) process.stderr.write(`\n${error.advice}\n`);
}

/** Runs an entry point's body: exit status 0, or 1 after printing what failed. */
export async function main(body) {
  try {
    await body();
  } catch (error) {
    printFailure(error);
    process.exitCode = 1;
  }
}
