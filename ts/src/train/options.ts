/** Owns the options of `Trainer` and of `Trainer.fit`, and their checks. */

import {
  checkInteger,
  checkOneOf,
  checkOptions,
  checkPath,
  readMember,
  show,
} from '../arguments.js';
import { ArgumentError } from '../errors.js';
import { largestSize } from '../graph/shapes.js';
import { Module, type Outputs } from '../nn/index.js';
import { type TargetOptions, targetOptionNames } from '../program/target.js';
import type { CheckpointOptions } from './fit.js';
import type { TrainerOptimizer } from './optimizer-settings.js';
import type { BatchLoader } from './position.js';
import type { EpochEvent, Reporter, StepEvent } from './reporter.js';

/** Options of `Trainer`. */
export interface TrainerOptions extends TargetOptions {
  /**
   * The loss of a batch: a `nn.CrossEntropyLoss` or another of `nn`'s losses, or any module whose
   * `forward(output, target)` returns a single number. See `nn.Loss` for what one may say of itself.
   */
  loss: Module;
  /** The optimizer, made from `net.parameters()`. */
  optimizer: TrainerOptimizer;
  /** Seed of dropout, 0 or more; that of `manualSeed` by default. */
  seed?: number | undefined;
  /**
   * File that gets one JSON object per step of `fit`; a loss that is not finite is null there. A FIFO
   * is refused while nobody reads it.
   */
  metricsFile?: string | undefined;
}

/** Options of `Trainer.fit`. */
export interface FitOptions {
  /**
   * Epochs to train, one that was left half done included. With `resume`, the epochs of the whole run, those of the checkpoint included.
   */
  epochs: number;
  /** Evaluated at the end of each epoch. */
  test?: BatchLoader | undefined;
  /** Steps to take at most in this call; no limit by default. */
  maxSteps?: number | undefined;
  /** Ends training after the steps in flight. */
  signal?: AbortSignal | undefined;
  /**
   * What to print: `true` (the default) for lines on standard output, with a progress bar where it
   * is a terminal; `false` for nothing; or a reporter of your own.
   */
  log?: boolean | Reporter | undefined;
  /**
   * What to do where training diverges, that is where a loss is NaN or infinite, or a parameter when a
   * checkpoint is taken or at the end: `'stop'` (the default) rejects with a NotFiniteError that names
   * the step and the last good checkpoint; `'continue'` goes on. Parameters that are not finite are
   * written to no checkpoint in either case, so that they replace none.
   */
  onNaN?: 'stop' | 'continue' | undefined;
  /** Called with each step's result, in order. Its promise is awaited before the next report. */
  onStep?: ((event: StepEvent) => void | Promise<void>) | undefined;
  /** Called at the end of each epoch. Its promise is awaited before the next epoch. */
  onEpoch?: ((event: EpochEvent) => void | Promise<void>) | undefined;
  /** Where checkpoints go: one at the end of each epoch, of the call, after an abort, and more. */
  checkpoint?: CheckpointOptions | undefined;
  /**
   * Goes on from a checkpoint, or from the newest in a directory of checkpoints that is not damaged
   * (a warning of the process tells of one that is): the same losses,
   * bit for bit, as without the interruption, where the convolutions' algorithms are the same (see
   * `algorithm`). The loader, the optimizer and the network must be made as they were. Of a run that
   * had all its epochs nothing is done again.
   */
  resume?: string | undefined;
}

/** @throws ArgumentError where the network or an option is not what it should be, but for those of {@link resolveTarget}. */
export function checkTrainerOptions(net: Module<Outputs>, options: TrainerOptions): void {
  if (!(net instanceof Module)) {
    throw new ArgumentError(`Trainer expects net to be a nn.Module, got ${show(net)}`);
  }
  checkOptions('Trainer', options, [
    'loss',
    'optimizer',
    ...targetOptionNames,
    'seed',
    'metricsFile',
  ]);
  const { loss, optimizer, metricsFile } = options;
  if (!(loss instanceof Module)) {
    throw new ArgumentError(
      `Trainer expects loss to be a module such as nn.CrossEntropyLoss, got ${show(loss)}`,
    );
  }
  const isOptimizer =
    typeof optimizer?.emitStep === 'function' &&
    typeof optimizer.kind === 'string' &&
    Array.isArray(optimizer.paramGroups);
  if (!isOptimizer) {
    throw new ArgumentError(
      `Trainer expects optimizer to be one of optim, such as optim.Adam, ` +
        `got ${show(optimizer)}`,
    );
  }
  if (metricsFile !== undefined) checkPath('Trainer', 'metricsFile', metricsFile);
}

/** @throws ArgumentError where an option is not what it should be. */
export function checkFitOptions(who: string, train: BatchLoader, options: FitOptions): void {
  checkLoaderArgument(who, 'the training loader', train);
  checkOptions(who, options, [
    'epochs',
    'test',
    'maxSteps',
    'signal',
    'log',
    'onNaN',
    'onStep',
    'onEpoch',
    'checkpoint',
    'resume',
  ]);
  const { test, maxSteps, signal, log, checkpoint, resume } = options;
  checkInteger(who, 'epochs', options.epochs, 1);
  if (test !== undefined) checkLoaderArgument(who, 'test', test);
  if (maxSteps !== undefined) checkInteger(who, 'maxSteps', maxSteps, 1);
  checkSignal(who, signal);
  if (options.onNaN !== undefined) checkOneOf(who, 'onNaN', options.onNaN, ['stop', 'continue']);
  if (log !== undefined && typeof log !== 'boolean' && (typeof log !== 'object' || log === null)) {
    throw new ArgumentError(`${who} expects log to be a boolean or a reporter, got ${show(log)}`);
  }
  for (const name of ['onStep', 'onEpoch'] as const) {
    const callback = options[name];
    if (callback !== undefined && typeof callback !== 'function') {
      throw new ArgumentError(`${who} expects ${name} to be a function, got ${show(callback)}`);
    }
  }
  if (checkpoint !== undefined) checkCheckpoint(who, checkpoint);
  if (resume !== undefined) checkPath(who, 'resume', resume);
}

function checkCheckpoint(who: string, options: CheckpointOptions): void {
  checkOptions(`${who} checkpoint`, options, [
    'dir',
    'everySteps',
    'everyMinutes',
    'keepLast',
    'onSave',
  ]);
  const { dir, everySteps, everyMinutes, keepLast, onSave } = options;
  checkPath(who, 'checkpoint.dir', dir);
  if (everySteps !== undefined) checkInteger(who, 'checkpoint.everySteps', everySteps, 1);
  const isPositive = Number.isFinite(everyMinutes) && (everyMinutes as number) > 0;
  if (everyMinutes !== undefined && !isPositive) {
    throw new ArgumentError(
      `${who} expects checkpoint.everyMinutes to be a number above 0, got ${show(everyMinutes)}`,
    );
  }
  if (keepLast !== undefined) checkInteger(who, 'checkpoint.keepLast', keepLast, 1);
  if (onSave !== undefined && typeof onSave !== 'function') {
    throw new ArgumentError(
      `${who} expects checkpoint.onSave to be a function, got ${show(onSave)}`,
    );
  }
}

/** @throws ArgumentError where a value is given and is no AbortSignal. */
export function checkSignal(who: string, signal: unknown): void {
  if (signal === undefined || signal instanceof AbortSignal) return;
  throw new ArgumentError(`${who} expects signal to be an AbortSignal, got ${show(signal)}`);
}

/** @throws ArgumentError where a value is no loader, or one without batches. */
export function checkLoaderArgument(who: string, name: string, loader: BatchLoader): void {
  if (typeof loader?.[Symbol.asyncIterator] !== 'function') {
    throw new ArgumentError(
      `${who} expects ${name} to be a DataLoader, or another async iterable of batches with ` +
        `length and batchSize, got ${show(loader)}`,
    );
  }
  const of = `${who}: ${name}`;
  checkInteger(who, `length of ${name}`, readMember(of, loader, 'length'), 1);
  const batchSize = readMember(of, loader, 'batchSize');
  checkInteger(who, `batchSize of ${name}`, batchSize, 1, largestSize);
}
