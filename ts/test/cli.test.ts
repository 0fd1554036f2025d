/** The training programs, as a user starts them: output, errors, exit statuses, Ctrl-C. */
import { spawn, spawnSync } from 'node:child_process';
import { access, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cli } from 'neuronode';
import { describe, expect, test, vi } from 'vitest';
import { temporaryFolder } from './data-support.js';
import {
  type Child,
  type ChildResult,
  examplePath,
  startNode,
  startScript,
} from './trainer-support.js';

function start(name: string, args: readonly string[]): Child {
  return startNode([examplePath(name), '--threads', '1', '--workers', '0', ...args]);
}

function lenet(...args: string[]): Promise<ChildResult> {
  const common = ['--batch-size', '16', '--algorithm', 'direct', '--device', 'cpu'];
  return start('lenet', [...common, ...args]).ended;
}

const defaults = { epochs: 5, batchSize: 128, lr: 0.001, resize: 224, checkpointDir: 'c' };
const parse = (...args: string[]) => cli.parseTrainOptions(args, defaults);

describe('options', () => {
  test('have defaults', () => {
    expect(parse()).toEqual({
      ...defaults,
      device: 'auto',
      algorithm: 'auto',
      precision: 'f32',
      deterministic: false,
      autotune: false,
      seed: 0,
      augment: false,
      workers: 2,
      checkpointEvery: { everyMinutes: 5 },
    });
  });

  test('are read', () => {
    const text =
      '--epochs 2 --batch-size=32 --algorithm direct --precision bf16 --deterministic --autotune --augment --lr 1e-2 --resize 64 --device cuda:1 --seed 7 --max-steps 9 ' +
      '--threads 4 --workers 0 --checkpoint-dir d --checkpoint-every 50 --resume r --data-root q --metrics m.jsonl';
    expect(parse(...text.split(' '))).toEqual({
      epochs: 2,
      batchSize: 32,
      lr: 0.01,
      resize: 64,
      device: 'cuda:1',
      algorithm: 'direct',
      precision: 'bf16',
      deterministic: true,
      autotune: true,
      seed: 7,
      augment: true,
      maxSteps: 9,
      threads: 4,
      workers: 0,
      checkpointDir: 'd',
      checkpointEvery: { everySteps: 50 },
      resume: 'r',
      dataRoot: 'q',
      metrics: 'm.jsonl',
    });
    expect(parse('--checkpoint-every', '1.5m')).toMatchObject({
      checkpointEvery: { everyMinutes: 1.5 },
    });
    expect(parse('--epochs', '2', '-h')).toBe('help');
  });

  test.each([
    ['--epochs 0', "--epochs expects a whole number from 1 up, got '0'"],
    ['--epochs 1.5', "--epochs expects a whole number from 1 up, got '1.5'"],
    ['--batch-size many', "--batch-size expects a whole number from 1 up, got 'many'"],
    ['--seed=-1', "--seed expects a whole number from 0 up, got '-1'"],
    ['--threads 0', "--threads expects a whole number from 1 to 1024, got '0'"],
    ['--lr 0', "--lr expects a number above 0, got '0'"],
    ['--lr=', "--lr expects a number above 0, got ''"],
    ['--device gpu', "--device expects auto, cpu, cuda or cuda:N, got 'gpu'"],
    ['--algorithm fft', "--algorithm expects auto, direct, winograd, got 'fft'"],
    ['--precision f16', "--precision expects f32, tf32, bf16, got 'f16'"],
    ['--resume=', '--resume expects a value, got an empty text'],
    ...['0', '0m', '1.5', '5h', '5 m', 'm', ''].map((text): [string, string] => [
      `--checkpoint-every=${text}`,
      `--checkpoint-every expects a number of steps, or of minutes such as 5m, got '${text}'`,
    ]),
    ['--epoch 1', "Unknown option '--epoch'"],
    ['--epochs', "Option '--epochs <value>' argument missing"],
    ['more', "Unexpected argument 'more'"],
  ])('%s is refused', (text, message) => {
    const words = text.startsWith('--checkpoint-every') ? [text] : text.split(' ');
    expect(() => parse(...words)).toThrow(cli.UsageError);
    expect(() => parse(...words)).toThrow(message);
  });
});

describe('a script that runs a program', () => {
  test.each(['SIGTERM', 'SIGHUP'] as const)('passes %s on and waits', async (signal) => {
    const exec = new URL('../../scripts/lib/exec.mjs', import.meta.url).href;
    const inner = `
      process.on('${signal}', () => setTimeout(() => process.exit(7), 50));
      setInterval(() => {}, 1000);
      console.log('up');`;
    const outer = startScript(`
      import { shown } from '${exec}';
      process.exitCode = await shown(process.execPath, ['-e', ${JSON.stringify(inner)}]);`);
    await outer.waitFor('up\n');
    outer.kill(signal);
    expect((await outer.ended).status).toBe(7);
  });
});

describe('a program', () => {
  test.each(['lenet', 'train-alexnet'])('%s prints help', async (name) => {
    const { status, stdout, stderr } = await start(name, ['--help']).ended;
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^Usage: .*--epochs N .*--metrics FILE .*Ctrl-C/s);
  });

  test('refuses a wrong option with status 2', async () => {
    const { status, stdout, stderr } = await lenet('--epochs', 'x');
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toBe("--epochs expects a whole number from 1 up, got 'x'\nTry --help.\n");
  });

  test('reports an error in one line, with its code, and its stack on demand', async () => {
    const dir = await temporaryFolder();
    const { status, stderr } = await lenet('--data-root', dir, '--device', 'cuda:9');
    expect(status).toBe(1);
    expect(stderr).toMatch(/^error \[ERR_NN_\w+\]: [^\n]+\n/);
    expect(stderr).not.toContain('    at ');
    const args = [examplePath('lenet'), '--resume', dir, '--workers', '0'];
    const debug = await startNode(args, { NEURONODE_DEBUG: '1' }).ended;
    expect(debug.status).toBe(1);
    expect(debug.stderr).toMatch(
      /^error \[ERR_NN_CHECKPOINT\]: there is no checkpoint in .* {4}at /s,
    );
  });

  test('prints network, device and steps; a resumed run goes on exactly', async () => {
    const dir = await temporaryFolder();
    const run = (name: string, ...args: string[]) =>
      lenet('--checkpoint-dir', join(dir, name), '--metrics', join(dir, `${name}.jsonl`), ...args);
    const whole = await run('whole', '--max-steps', '4');
    expect([whole.status, whole.stderr]).toEqual([0, '']);
    expect(whole.stdout).toMatch(
      /^training on cpu \(.*, 1 thread\)\nLeNet\(\n {2}\(conv\): Sequential\(/,
    );
    expect(whole.stdout).toMatch(/\n\)\nstep 1, train_acc: 0\.\d{4}\n/);
    expect(whole.stdout).toContain('\nstopped after step 4\ncheckpoint: ');
    expect(whole.stdout).not.toContain('\x1b');

    const first = await run('parts', '--max-steps', '2');
    const command = /^resume with: node (.*)$/m.exec(first.stdout)?.[1]?.split(' ') ?? [];
    expect(command.at(-1)).toBe(join(dir, 'parts', 'step-00000002'));
    const second = await startNode(command).ended;
    expect([second.status, second.stderr]).toEqual([0, '']);
    const losses = async (name: string) =>
      (await readFile(join(dir, `${name}.jsonl`), 'utf8'))
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line))
        .map(({ step, loss }) => ({ step, loss }));
    expect(await losses('parts')).toEqual(await losses('whole'));
    expect(await readdir(join(dir, 'parts'))).toEqual(['step-00000002', 'step-00000004']);

    const predict = [examplePath('predict'), join(dir, 'parts'), '--count', '3'];
    const shown = await startNode(predict).ended;
    expect([shown.status, shown.stderr]).toEqual([0, '']);
    expect(shown.stdout).toMatch(/^0: .* \(\d+\.\d%\), .*\n1: .*\n2: .*\n$/);
    const without = await startNode([examplePath('predict')]).ended;
    expect(without.status).toBe(2);
    expect(without.stderr).toMatch(/^expected one checkpoint/);
  });

  test('varies training images with --augment, and a resumed run goes on exactly', async () => {
    const dir = await temporaryFolder();
    const losses = async (name: string, ...args: string[]) => {
      const metrics = join(dir, `${name}.jsonl`);
      const run = await lenet('--checkpoint-dir', join(dir, name), '--metrics', metrics, ...args);
      expect([run.status, run.stderr]).toEqual([0, '']);
      const lines = (await readFile(metrics, 'utf8')).trimEnd().split('\n');
      return lines.map((line) => (JSON.parse(line) as { loss: number }).loss);
    };
    const plain = await losses('plain', '--max-steps', '3');
    const whole = await losses('whole', '--max-steps', '3', '--augment');
    expect(whole).not.toEqual(plain);
    await losses('parts', '--max-steps', '2', '--augment');
    const resume = ['--resume', join(dir, 'parts'), '--workers', '1'];
    expect(await losses('parts', '--max-steps', '1', '--augment', ...resume)).toEqual(whole);
  });

  test('says for auto why it does not train on a GPU', async () => {
    const dir = await temporaryFolder();
    const library = { NEURONODE_CUDA_LIBRARY: join(dir, 'none.so') };
    const args = ['--max-steps', '1', '--batch-size', '16', '--checkpoint-dir', dir];
    const { status, stdout } = await startNode([examplePath('lenet'), ...args], library).ended;
    expect(status).toBe(0);
    expect(stdout).toMatch(/^auto: no NVIDIA GPU: .+; training on cpu \(.*\)\nLeNet\(/);
  });

  test('refuses a precision that the device does not have, before it reads data', async () => {
    const { status, stdout, stderr } = await lenet('--precision', 'bf16', '--data-root', 'none');
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^error \[ERR_NN_ARGUMENT\]: Trainer expects precision to be 'f32' on/);
  });

  test.each([
    ['SIGINT', 130, 'Ctrl-C again'],
    ['SIGTERM', 143, 'Ctrl-C'],
    ['SIGHUP', 129, 'Ctrl-C'],
  ] as const)(
    'stops at %s with a checkpoint, and can go on from it',
    async (signal, code, hint) => {
      const dir = await temporaryFolder();
      const program = start('lenet', ['--batch-size', '16', '--checkpoint-dir', dir]);
      await program.waitFor('step 3, ');
      // Twice, as npm and schedulers do that signal a process and its group.
      program.kill(signal);
      program.kill(signal);
      const { status, stdout, stderr } = await program.ended;
      expect(status).toBe(code);
      expect(stderr).toBe(`\nstopping after the step in flight; ${hint} exits at once\n`);
      const [name = ''] = await readdir(dir);
      const last = Number(/step-(\d+)/.exec(name)?.[1]);
      expect(stdout.match(/^step \d+, /gm)).toHaveLength(last);
      expect(stdout).toContain(`checkpoint: ${join(dir, name)}\nresume with: node `);
      const more = await lenet('--checkpoint-dir', dir, '--resume', dir, '--max-steps', '1');
      expect(more.stdout).toContain(`\nstep ${last + 1}, train_acc: `);
      expect(more.status).toBe(0);
    },
  );

  test('leaves a checkpoint where its terminal goes away', async () => {
    const dir = await temporaryFolder();
    const status = join(dir, 'status');
    const program = `'${process.execPath}' '${examplePath('lenet')}' --batch-size 16 --threads 1 --workers 0 --device cpu --checkpoint-dir '${dir}/c'`;
    // The shell outlives the terminal, to tell how the program ended.
    const command = `trap '' HUP; ${program}; echo $? > '${status}.new'; mv '${status}.new' '${status}'`;
    const terminal = spawn('script', ['-qc', command, '/dev/null'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let shown = '';
    for await (const text of terminal.stdout.setEncoding('utf8')) {
      shown += text;
      if (shown.includes('step 3, ')) break;
    }
    terminal.kill('SIGKILL');
    await vi.waitFor(() => access(status), { timeout: 30_000, interval: 50 });
    expect(await readFile(status, 'utf8')).toBe('129\n');
    expect(await readdir(join(dir, 'c'))).toHaveLength(1);
  });

  test('writes a checkpoint every few steps', async () => {
    const dir = await temporaryFolder();
    const args = ['--checkpoint-dir', dir, '--checkpoint-every', '2', '--max-steps', '5'];
    expect((await lenet(...args)).status).toBe(0);
    expect((await readdir(dir)).sort()).toEqual(['step-00000004', 'step-00000005']);
  });

  test('goes on from the checkpoint before a damaged one, and says so', async () => {
    const dir = await temporaryFolder();
    const args = ['--checkpoint-dir', dir, '--checkpoint-every', '2'];
    expect((await lenet(...args, '--max-steps', '3')).status).toBe(0);
    const damaged = join(dir, 'step-00000003', 'optimizer.safetensors');
    const bytes = await readFile(damaged);
    bytes[5000]! ^= 1;
    await writeFile(damaged, bytes);
    const { status, stdout, stderr } = await lenet(...args, '--resume', dir, '--max-steps', '1');
    expect(status).toBe(0);
    expect(stdout).toContain('\nstep 3, train_acc: ');
    expect(stderr).toMatch(/CheckpointWarning: the checkpoint is damaged: .*step-00000003/);
    expect(stderr).toContain(`Using the one before instead: ${join(dir, 'step-00000002')}\n`);
  });

  test('tells of a full disk under its output in one line', async () => {
    const dir = await temporaryFolder();
    const command = `exec '${process.execPath}' '${examplePath('lenet')}' --checkpoint-dir '${dir}' > /dev/full`;
    const { status, stderr } = spawnSync('sh', ['-c', command], { encoding: 'utf8' });
    expect(status).toBe(1);
    expect(stderr).toBe(
      'no checkpoint was written: no step was taken\n' +
        'error [ERR_NN_FILE]: standard output could not be written: ENOSPC: no space left on device, write\n',
    );
  });

  test('stops with a checkpoint where its output fills the disk', async () => {
    const dir = await temporaryFolder();
    // Stands in for a disk that is full from a point on.
    const full = `
      const write = process.stdout._write;
      process.stdout._write = function (chunk, encoding, done) {
        this.isFull ||= String(chunk).includes('step 3, ');
        if (!this.isFull) write.call(this, chunk, encoding, done);
        else done(Object.assign(new Error('ENOSPC: injected'), { code: 'ENOSPC' }));
      };`;
    const preload = `data:text/javascript,${encodeURIComponent(full)}`;
    const args = [
      '--workers',
      '0',
      '--threads',
      '1',
      '--batch-size',
      '16',
      '--checkpoint-dir',
      dir,
    ];
    const { status, stdout, stderr } = await startNode([
      '--import',
      preload,
      examplePath('lenet'),
      ...args,
    ]).ended;
    expect(status).toBe(1);
    expect(stdout).toMatch(/step 2, .*\n$/);
    const [name = 'none'] = await readdir(dir);
    expect(stderr).toContain(`checkpoint: ${join(dir, name)}\nresume with: node `);
    expect(stderr).toMatch(/\nerror \[ERR_NN_FILE\]: standard output .* ENOSPC: injected\n$/);
  });

  test('ends with status 1 where its last line is lost', async () => {
    const { status, stderr } = await startScript(`
      import { cli } from 'neuronode';
      process.stdout._write = (chunk, encoding, done) =>
        setTimeout(() => done(Object.assign(new Error('ENOSPC: injected'), { code: 'ENOSPC' })), 20);
      await cli.runProgram(async () => console.log('done'));`).ended;
    expect(status).toBe(1);
    expect(stderr).toMatch(/^error \[ERR_NN_FILE\]: standard output .* ENOSPC: injected\n$/);
  });

  test('exits at once at the second Ctrl-C, with steps on the device', async () => {
    const program = startScript(`
      import { cli, models, nn, optim, Trainer } from 'neuronode';
      await cli.runProgram(async () => {
        const net = models.lenet();
        const loss = new nn.CrossEntropyLoss();
        const trainer = new Trainer(net, { loss, optimizer: new optim.Adam(net.parameters()) });
        const image = new Uint8Array(16 * 784);
        const batch = { image, imageShape: [16, 1, 28, 28], label: new Int32Array(16) };
        await trainer.step(batch);
        console.log('training');
        // It does not heed the first Ctrl-C.
        for (;;) await Promise.all([trainer.step(batch), trainer.step(batch)]);
      });`);
    await program.waitFor('training\n');
    program.kill('SIGINT');
    await program.waitFor('Ctrl-C again exits at once\n');
    // Longer after the first than npm's copy of it would come.
    await new Promise((resolve) => setTimeout(resolve, 600));
    program.kill('SIGINT');
    const { status, signal } = await program.ended;
    expect([status, signal]).toEqual([130, null]);
  });

  test.each(['lenet', 'train-alexnet'])('%s stops while it reads its data', async (name) => {
    // Stands in for a disk that never answers.
    const stuck = `
      import { open } from 'node:fs/promises';
      import { Readable } from 'node:stream';
      const file = await open('/dev/null');
      Object.getPrototypeOf(file).createReadStream = () => {
        const alive = setInterval(() => {}, 1000);
        console.log('reading');
        return new Readable({
          read() {},
          destroy(error, done) {
            clearInterval(alive);
            done(error);
          },
        });
      };
      await file.close();`;
    const preload = `data:text/javascript,${encodeURIComponent(stuck)}`;
    const args = ['--workers', '0', '--checkpoint-dir', await temporaryFolder()];
    const program = startNode(['--import', preload, examplePath(name), ...args]);
    await program.waitFor('reading\n');
    program.kill('SIGINT');
    const { status, stdout } = await program.ended;
    expect(status).toBe(130);
    expect(stdout).toContain('no checkpoint was written: no step was taken\n');
  });

  test('ends quietly where its reader goes away', async () => {
    const dir = await temporaryFolder();
    const program = start('lenet', ['--batch-size', '16', '--checkpoint-dir', dir]);
    await program.waitFor('step 2, ');
    program.closeOutput();
    const { status, stderr } = await program.ended;
    expect([status, stderr]).toEqual([141, '']);
    // What was learned is kept.
    expect(await readdir(dir)).toHaveLength(1);
  });

  test('ends quietly where its reader goes away after its last line', async () => {
    const program = startScript(`
      import { cli } from 'neuronode';
      await cli.runProgram(async () => console.log('done'));
      setInterval(() => console.log('late'), 5);`);
    await program.waitFor('done\n');
    program.closeOutput();
    const { status, stderr } = await program.ended;
    expect([status, stderr]).toEqual([141, '']);
  });
});
