/**
 * The native tests that run on a real GPU as well: kernels at odd sizes and shifts, programs of every
 * operation and small trainings against the CPU. A failed test stops its process, since it may have
 * cost the device, and another one goes on with the rest.
 */
import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(
  new URL('../../../build/native/neuronode_cuda_device_tests', import.meta.url),
);

/** Names of all tests, as the program lists them; an Error where it does not start. */
function listTests() {
  const { status, stdout, stderr, error } = spawnSync(program, ['--gtest_list_tests'], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${program} does not start: ${error?.message ?? stderr}`);
  const names = [];
  let suite = '';
  for (const line of stdout.split('\n')) {
    if (/^\S.*\.( |$)/.test(line)) suite = line.split(' ')[0];
    else if (line.startsWith('  ')) names.push(suite + line.trim().split(' ')[0]);
  }
  return names;
}

/**
 * Runs tests of a program of GoogleTest's until one fails or ends it; `onStart(name)` is told of each
 * that begins, and `onTest(name, ok, text)` gets each that was run.
 */
export function runUntilFailure(command, names, { onStart, onTest }) {
  return new Promise((resolve, reject) => {
    const words = [`--gtest_filter=${names.join(':')}`, '--gtest_fail_fast', '--gtest_color=no'];
    const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'pipe'] });
    let line = '';
    let text = '';
    let running;
    let hasFailed = false; // what comes after is said to be skipped
    const take = (data) => {
      const lines = (line + data).split('\n');
      line = lines.pop();
      for (const each of lines) {
        const [, mark, name] = /^\[ *(RUN|OK|FAILED|SKIPPED) *\] (\S+)/.exec(each) ?? [];
        if (mark === 'RUN') {
          running = name;
          text = '';
          if (!hasFailed) onStart(name);
        } else if (mark !== undefined && name === running) {
          running = undefined;
          if (!hasFailed) onTest(name, mark !== 'FAILED', text);
          hasFailed ||= mark === 'FAILED';
        } else text += `${each}\n`;
      }
    };
    child.stdout.setEncoding('utf8').on('data', take);
    child.stderr.setEncoding('utf8').on('data', (data) => {
      text += data;
    });
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (running !== undefined && !hasFailed) {
        onTest(running, false, `${text}The process ended with ${signal ?? `status ${code}`}.`);
      }
      resolve();
    });
  });
}

export async function run(report, { emulated }) {
  const all = listTests();
  report.fact('tests', all.length);
  if (emulated) {
    report.notApplicable(
      "the tests are linked with CUDA itself and want NVIDIA's driver; npm test runs them on the emulated device",
    );
    return;
  }
  let left = all.filter((name) => !report.checked.has(name));
  while (left.length > 0) {
    const finished = new Set();
    await runUntilFailure(program, left, {
      // One that hangs is named by the limit that ends it.
      onStart: (name) => report.cursor(name),
      onTest: (name, ok, text) => {
        finished.add(name);
        report.check(name, ok, ok ? '' : text.trim().slice(0, 1500));
      },
    });
    if (finished.size === 0) throw new Error(`the program ran none of: ${left.join(', ')}`);
    left = left.filter((name) => !finished.has(name));
  }
}
