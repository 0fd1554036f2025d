/** Owns how a program that starts others is given a time, and ended with all of them. */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** A process and all below it. */
function treeOf(pid) {
  try {
    const tasks = readdirSync(`/proc/${pid}/task`);
    const lists = tasks.map((task) => readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8'));
    const children = lists.flatMap((list) => list.split(' ').filter(Boolean).map(Number));
    return [pid, ...children.flatMap(treeOf)];
  } catch {
    return [pid]; // it has ended
  }
}

function killTree(pid) {
  for (const each of treeOf(pid)) {
    try {
      process.kill(each, 'SIGKILL');
    } catch {
      // It has ended.
    }
  }
}

/**
 * Runs a program for at most `ms`, then kills it with what it started; gives its status, or 'late', and
 * the end of what it said.
 */
export function runFor(command, words, ms) {
  return new Promise((resolve) => {
    const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    let isLate = false;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (data) => {
        text = (text + data).slice(-4000);
      });
    }
    const timer = setTimeout(() => {
      isLate = true;
      killTree(child.pid);
    }, ms);
    const settle = (status) => {
      clearTimeout(timer);
      resolve({ status: isLate ? 'late' : status, text });
    };
    child.on('error', (error) => settle(error.message));
    child.on('close', (code, signal) => settle(code ?? signal));
  });
}
