/**
 * Owns the command line of the training programs: which options there are, their defaults, and the
 * messages for those that are wrong.
 *
 * Policy: parsing has no side effects; a wrong option throws {@link UsageError}, and what to print
 * and which status to exit with is for the caller (`run.ts`).
 */
import { parseArgs } from 'node:util';
import { type Algorithm, algorithms, type Precision, precisions } from '../program/target.js';

/** A command line that cannot be understood. Programs print its message and exit with status 2. */
export class UsageError extends Error {
  override name = 'UsageError';
}

/** Parsed options of a training program. */
export interface TrainOptions {
  /** Epochs to train, those of a resumed checkpoint included. */
  epochs: number;
  batchSize: number;
  lr: number;
  /** Edge length of the images after resizing, in pixels. */
  resize: number;
  device: string;
  /** How convolutions compute. */
  algorithm: Algorithm;
  /** How products are computed. */
  precision: Precision;
  /** Whether runs must repeat bit for bit. */
  deterministic: boolean;
  /** Whether to time cuDNN's plans. */
  autotune: boolean;
  seed: number;
  /** Steps to stop after, if given. */
  maxSteps?: number;
  /** CPU threads of the device, if given. */
  threads?: number;
  /** Whether training images are varied at random; see `augmentation`. */
  augment: boolean;
  /** Worker threads that prepare data. */
  workers: number;
  checkpointDir: string;
  /** How often a checkpoint is written, beside those at the end of each epoch. */
  checkpointEvery: { everySteps: number } | { everyMinutes: number };
  /** Checkpoint, or folder of checkpoints, to go on from. */
  resume?: string;
  /** Folder of the data files, if given. */
  dataRoot?: string;
  /** File for one JSON object a step, if given. */
  metrics?: string;
}

/** Defaults that differ between programs. */
export interface TrainDefaults {
  epochs: number;
  batchSize: number;
  lr: number;
  resize: number;
  /** Folder for checkpoints. */
  checkpointDir: string;
}

const optionTypes = {
  epochs: { type: 'string' },
  'batch-size': { type: 'string' },
  lr: { type: 'string' },
  resize: { type: 'string' },
  device: { type: 'string' },
  algorithm: { type: 'string' },
  precision: { type: 'string' },
  deterministic: { type: 'boolean' },
  autotune: { type: 'boolean' },
  seed: { type: 'string' },
  'max-steps': { type: 'string' },
  threads: { type: 'string' },
  augment: { type: 'boolean' },
  workers: { type: 'string' },
  'checkpoint-dir': { type: 'string' },
  'checkpoint-every': { type: 'string' },
  resume: { type: 'string' },
  'data-root': { type: 'string' },
  metrics: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

const defaultWorkers = 2;
/** An epoch may take hours, and this much of it is lost at most. */
const defaultCheckpointEvery = '5m';

/** The text that `--help` prints. */
export function trainUsage(program: string, defaults: TrainDefaults): string {
  return `Usage: ${program} [options]

Options:
  --epochs N            epochs to train (default ${defaults.epochs})
  --batch-size N        images per step (default ${defaults.batchSize})
  --lr X                learning rate (default ${defaults.lr})
  --resize N            edge length of the images in pixels (default ${defaults.resize})
  --device NAME         auto, cpu, cuda or cuda:N (default auto)
  --algorithm NAME      on the CPU: auto (times them), direct or winograd (default auto)
  --precision NAME      f32, or on a GPU also tf32 and bf16 (default f32)
  --deterministic       runs repeat bit for bit: on a GPU only kernels that do, on the CPU
                        algorithms by shape instead of time
  --autotune            on a GPU: time the kernels and take the fastest
  --seed N              seed of weights, shuffling and dropout (default 0)
  --max-steps N         stop after N steps
  --threads N           CPU threads for training (default: all cores)
  --augment             vary the training images: each is moved by up to 4 of its 28 pixels in both
                        directions and mirrored half of the time, anew each epoch (by --seed)
  --workers N           threads that prepare images (default ${defaultWorkers}; 0: none)
  --checkpoint-dir DIR  where checkpoints go (default ${defaults.checkpointDir})
  --checkpoint-every N  write one every N steps, or Nm: every N minutes, beside those after each
                        epoch (default ${defaultCheckpointEvery}); the two newest are kept
  --resume DIR          go on from a checkpoint, or from the newest whole one in DIR
  --data-root DIR       folder of the Fashion-MNIST files (default: found or downloaded)
  --metrics FILE        append one JSON object per step to FILE
  -h, --help            show this help

Ctrl-C, SIGTERM and SIGHUP stop after the step in flight and write a checkpoint; a second Ctrl-C
exits at once.
Environment: NEURONODE_DEBUG=1 prints stack traces with errors.
`;
}

function integer(name: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isSafeInteger(value) || value < min || value > max) {
    const range = max === Number.MAX_SAFE_INTEGER ? `from ${min} up` : `from ${min} to ${max}`;
    throw new UsageError(`--${name} expects a whole number ${range}, got '${text}'`);
  }
  return value;
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value <= 0) {
    throw new UsageError(`--${name} expects a number above 0, got '${text}'`);
  }
  return value;
}

/** Steps, or minutes where an m follows. */
function interval(text: string): TrainOptions['checkpointEvery'] {
  const [, number = '', minutes] = /^(\d+(?:\.\d+)?)(m)?$/.exec(text.trim()) ?? [];
  const value = Number(number);
  if (value > 0 && minutes !== undefined) return { everyMinutes: value };
  if (value > 0 && Number.isSafeInteger(value)) return { everySteps: value };
  throw new UsageError(
    `--checkpoint-every expects a number of steps, or of minutes such as 5m, got '${text}'`,
  );
}

function present(name: string, text: string): string {
  if (text === '') throw new UsageError(`--${name} expects a value, got an empty text`);
  return text;
}

/**
 * Parses the arguments of a training program.
 *
 * @param args The arguments without the program, `process.argv.slice(2)`.
 * @returns The options, or `'help'` where help was asked for.
 * @throws UsageError for an unknown option or a value out of range.
 */
export function parseTrainOptions(
  args: readonly string[],
  defaults: TrainDefaults,
): TrainOptions | 'help' {
  const values = parse(args);
  if (values.help === true) return 'help';
  const max = Number.MAX_SAFE_INTEGER;
  const whole = (name: keyof typeof values, min: number, fallback: number, most = max): number => {
    const text = values[name];
    return typeof text === 'string' ? integer(name, text, min, most) : fallback;
  };
  const options: TrainOptions = {
    epochs: whole('epochs', 1, defaults.epochs),
    batchSize: whole('batch-size', 1, defaults.batchSize),
    lr: values.lr === undefined ? defaults.lr : positive('lr', values.lr),
    resize: whole('resize', 1, defaults.resize),
    device: device(values.device ?? 'auto'),
    algorithm: oneOf('algorithm', values.algorithm ?? 'auto', algorithms),
    precision: oneOf('precision', values.precision ?? 'f32', precisions),
    deterministic: values.deterministic ?? false,
    autotune: values.autotune ?? false,
    seed: whole('seed', 0, 0),
    augment: values.augment ?? false,
    workers: whole('workers', 0, defaultWorkers, 1024),
    checkpointDir: present('checkpoint-dir', values['checkpoint-dir'] ?? defaults.checkpointDir),
    checkpointEvery: interval(values['checkpoint-every'] ?? defaultCheckpointEvery),
  };
  if (values['max-steps'] !== undefined) options.maxSteps = whole('max-steps', 1, 1);
  if (values.threads !== undefined) options.threads = whole('threads', 1, 1, 1024);
  if (values.resume !== undefined) options.resume = present('resume', values.resume);
  if (values['data-root'] !== undefined)
    options.dataRoot = present('data-root', values['data-root']);
  if (values.metrics !== undefined) options.metrics = present('metrics', values.metrics);
  return options;
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: optionTypes, strict: true }).values;
  } catch (error) {
    // parseArgs throws TypeErrors with a code for what the user wrote; anything else is a defect.
    if (error instanceof TypeError && 'code' in error) throw new UsageError(error.message);
    throw error;
  }
}

function device(name: string): string {
  if (!/^(auto|cpu|cuda(:\d+)?)$/.test(name)) {
    throw new UsageError(`--device expects auto, cpu, cuda or cuda:N, got '${name}'`);
  }
  return name;
}

function oneOf<T extends string>(option: string, name: string, names: readonly T[]): T {
  const known = names.find((each) => each === name);
  if (known !== undefined) return known;
  throw new UsageError(`--${option} expects ${names.join(', ')}, got '${name}'`);
}
