/**
 * Owns what the training programs do around their training: options, help, checkpoints, and what is
 * said at the end.
 */
import { relative } from 'node:path';
import type { DeviceInfo } from '../program/devices.js';
import type { FitOptions, FitResult, Trainer } from '../train/index.js';
import { parseTrainOptions, type TrainDefaults, type TrainOptions, trainUsage } from './options.js';
import { Interrupted, runProgram } from './run.js';

/** Checkpoints of its own that a run keeps: one of AlexNet takes 560 MB. */
const checkpointsKept = 2;

/** The part of `fit`'s options that the command line decides. */
export type FitSettings = Pick<FitOptions, 'epochs' | 'maxSteps' | 'checkpoint' | 'resume'> & {
  /** Aborted by a signal such as Ctrl-C's; the loaders take it too. */
  readonly signal: AbortSignal;
};

/**
 * Runs a training program: parses the command line, prints help, stops at a signal with a checkpoint,
 * and says at the end where that is and what can be done with it.
 *
 * @param name Name of the program, for the help text.
 * @param body Trains, with `fit` as part of its options for `Trainer.fit`, and gives `fit.signal` to
 *   whatever else takes long.
 */
export async function runTraining(
  name: string,
  defaults: TrainDefaults,
  body: (options: TrainOptions, fit: FitSettings) => Promise<FitResult>,
): Promise<void> {
  await runProgram(async ({ signal }) => {
    const args = process.argv.slice(2);
    const options = parseTrainOptions(args, defaults);
    if (options === 'help') {
      process.stdout.write(trainUsage(name, defaults));
      return;
    }
    const { epochs, maxSteps, resume, checkpointDir, checkpointEvery } = options;
    let saved: string | undefined;
    const checkpoint = {
      dir: checkpointDir,
      keepLast: checkpointsKept,
      ...checkpointEvery,
      onSave: (path: string) => {
        saved = path;
      },
    };
    try {
      const result = await body(options, { epochs, maxSteps, signal, resume, checkpoint });
      process.stdout.write(`stopped after step ${result.step}\n${whatNext(args, saved)}`);
    } catch (error) {
      // Where standard output cannot be written, the other stream may get through.
      if (error instanceof Interrupted) process.stdout.write(whatNext(args, saved));
      else if (error === signal.reason) process.stderr.write(whatNext(args, saved));
      throw error;
    }
  });
}

/** Where the checkpoint is, and the commands that take it up. */
function whatNext(args: readonly string[], saved: string | undefined): string {
  if (saved === undefined) return 'no checkpoint was written: no step was taken\n';
  const script = relative(process.cwd(), process.argv[1] ?? '');
  const command = ['node', script, ...withoutResume(args), '--resume', saved];
  return (
    `checkpoint: ${saved}\n` +
    `resume with: ${command.map(quoted).join(' ')}\n` +
    '  (--epochs counts from the first epoch; give more to train longer)\n' +
    `weights, as PyTorch's safetensors reads them: ${saved}/model.safetensors\n`
  );
}

function withoutResume(args: readonly string[]): string[] {
  return args.filter((arg, index) => !/^--resume(=|$)/.test(arg) && args[index - 1] !== '--resume');
}

/** A word as a POSIX shell takes it. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** `cpu (AMD EPYC 7763, 2 threads)` */
export function describeDevice(device: DeviceInfo): string {
  const { name, model } = device;
  if (device.type === 'cpu') {
    const { threads } = device;
    return `${name} (${model}, ${threads} thread${threads === 1 ? '' : 's'})`;
  }
  const { computeCapability, driver, cudnn, cublas } = device;
  const facts = [
    model,
    `compute capability ${computeCapability}`,
    `driver ${driver}`,
    `cuDNN ${cudnn}`,
    `cuBLAS ${cublas}`,
  ];
  return `${name} (${facts.join(', ')})`;
}

/**
 * What a program says first: which device trains, for `auto` why not a GPU, and that an emulated
 * device is one.
 *
 * @param wanted The device that was asked for.
 */
export function describeTraining(
  trainer: Pick<Trainer, 'device' | 'deviceChoice' | 'precision'>,
  wanted: string,
): string {
  const { device, deviceChoice, precision } = trainer;
  const auto = wanted === 'auto' ? 'auto: ' : '';
  const why = deviceChoice.reason === undefined ? '' : `no NVIDIA GPU: ${deviceChoice.reason}; `;
  const how = precision === 'f32' ? '' : ` in ${precision}`;
  const line = `${auto}${why}training on ${describeDevice(device)}${how}`;
  return device.type === 'cuda' && device.emulated
    ? `${line}\n${device.name} is EMULATED on the CPU: for tests; slow; no GPU is used`
    : line;
}
