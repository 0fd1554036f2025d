/**
 * Owns how scripts start other programs. Two ways: `logged` sends the output to a file and quotes
 * it on failure, `shown` lets the program use the terminal. Neither goes through a shell.
 */
import { spawn } from 'node:child_process';
import { createWriteStream, mkdirSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname } from 'node:path';
import { root } from './paths.mjs';
import { StepError } from './report.mjs';

function statusOf(code, signal) {
  return code ?? 128 + (constants.signals[signal] ?? 0);
}

/**
 * Runs a program with its output in a log file.
 *
 * @param {string} log The file, replaced.
 * @param {{ advice?: string, env?: object, onOutput?: (text: string) => void }} [options]
 * @returns Its whole output.
 * @throws StepError that quotes the log, if it fails.
 */
export function logged(log, command, args, { advice, env, onOutput } = {}) {
  mkdirSync(dirname(log), { recursive: true });
  const file = createWriteStream(log);
  const line = [command, ...args].join(' ');
  file.write(`$ ${line}\n`);
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const take = (data) => {
      const text = data.toString();
      output += text;
      file.write(text);
      onOutput?.(text);
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.on('error', (error) => {
      file.end();
      reject(new StepError(`Cannot start ${command}: ${error.message}`, { advice }));
    });
    child.on('close', (code, signal) => {
      file.end(() => {
        if (code === 0) resolve(output);
        else {
          const status = statusOf(code, signal);
          reject(new StepError(`Failed with status ${status}: ${line}`, { advice, log }));
        }
      });
    });
  });
}

/** Signals that whoever started this process sends to it alone, meaning the program too. */
const passedOn = ['SIGTERM', 'SIGHUP'];

/**
 * Runs a program on this terminal and returns its exit status. Ctrl-C reaches the program from the
 * terminal itself, other signals to end are passed on; this process waits for it to end.
 */
export function shown(command, args, { env } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: 'inherit',
    });
    const wait = () => {};
    const passOn = (signal) => child.kill(signal);
    process.on('SIGINT', wait);
    for (const signal of passedOn) process.on(signal, passOn);
    const settle = () => {
      process.off('SIGINT', wait);
      for (const signal of passedOn) process.off(signal, passOn);
    };
    child.on('error', (error) => {
      settle();
      reject(new StepError(`Cannot start ${command}: ${error.message}`));
    });
    child.on('close', (code, signal) => {
      settle();
      resolve(statusOf(code, signal));
    });
  });
}
