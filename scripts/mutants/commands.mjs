/**
 * Owns how one changed source becomes a test program: the commands that CMake wrote down for the
 * build, with the source and the object replaced, so that nothing else is built anew.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { StepError } from '../lib/report.mjs';

/**
 * Runs a command line of the build (or a program with its words) and gives what it said.
 *
 * @param {string | string[]} command
 * @param {{ cwd: string, timeoutMs: number, env?: object }} options
 * @returns {Promise<{ status: number | string, output: string }>} The status is a signal's name, or
 *   'timeout', where it did not end by itself.
 */
export function run(command, { cwd, timeoutMs, env }) {
  const [program, ...words] = Array.isArray(command) ? command : ['/bin/sh', '-c', command];
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true, // a group of its own, so that a hang goes with all that it started
    });
    let output = '';
    let isLate = false;
    const take = (data) => {
      output = (output + data).slice(-200_000);
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    const timer = setTimeout(() => {
      isLate = true;
      process.kill(-child.pid, 'SIGKILL');
    }, timeoutMs);
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(new StepError(`Cannot start ${program}: ${error.message}`));
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ status: isLate ? 'timeout' : (code ?? signal), output });
    });
  });
}

/** The one command of a list joined with `&&` that writes `-o name`. */
function commandThatWrites(line, name) {
  const parts = line.split(' && ').filter((part) => part.includes(` -o ${name} `));
  if (parts.length !== 1) throw new StepError(`No command of the build links ${name}:\n${line}`);
  return parts[0];
}

/**
 * The commands of a build folder for one test program.
 *
 * @param {string} buildDir Configured and built with Ninja.
 * @param {string} target Path of the test program in it.
 */
export function readBuild(buildDir, target) {
  const list = `${buildDir}/compile_commands.json`;
  if (!existsSync(list) || !existsSync(`${buildDir}/${target}`)) {
    throw new StepError(`There is no ${target} in ${buildDir}.`, {
      advice: 'Build the native tests first: npm run test:native',
    });
  }
  const { status, stdout, stderr } = spawnSync(
    'ninja',
    ['-C', buildDir, '-t', 'commands', '-s', target],
    { encoding: 'utf8', maxBuffer: 1 << 26 },
  );
  if (status !== 0) throw new StepError(`ninja does not know how to link ${target}: ${stderr}`);
  const link = commandThatWrites(stdout.trim().split('\n').at(-1), target);
  const entries = JSON.parse(readFileSync(list, 'utf8')).map(({ file, command }) => ({
    file,
    command,
    object: / -o (\S+)/.exec(command)[1],
  }));
  return { buildDir, target, link, entries };
}

/** How `source` is compiled into the test program. */
function entryOf({ link, entries, target }, source) {
  const ours = entries.filter(
    ({ file, object }) => file === source && link.includes(` ${object} `),
  );
  if (ours.length !== 1) {
    throw new StepError(`${ours.length} objects of ${target} are compiled from ${source}, not one`);
  }
  return ours[0];
}

/**
 * Commands that compile `changed` in place of `source`, and that link the test program with it.
 *
 * @param {ReturnType<typeof readBuild>} build
 * @param {{ source: string, changed: string, folder: string }} paths Absolute.
 */
export function commandsFor(build, { source, changed, folder }) {
  const { command, object } = entryOf(build, source);
  const newObject = `${folder}/${basename(changed)}.o`;
  const program = `${folder}/tests`;
  const end = command.lastIndexOf(` ${source}`);
  const language = command.includes(' -x ') ? '' : ' -x c++';
  const compile =
    // -O1 halves the compiler's time; what a mistake does it does at any level.
    command.slice(0, end).replace(` -o ${object}`, ` -o ${newObject}`).replace(' -O3', ' -O1') +
    ` -w -iquote ${dirname(source)}${language} ${changed}`;
  const link = build.link
    .replace(` ${object} `, ` ${newObject} `)
    .replace(` -o ${build.target} `, ` -o ${program} `);
  return { compile, link, program };
}
