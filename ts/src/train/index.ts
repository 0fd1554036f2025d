/** Training: the public names. */
export type { ImageBatch, LabelledBatch } from '../program/batch.js';
export { type CheckpointModel, latestCheckpoint, loadCheckpointModel } from './checkpoint.js';
export type { CheckpointOptions, FitResult } from './fit.js';
export type { MetricsLine } from './metrics.js';
export type { TrainerOptimizer } from './optimizer-settings.js';
export type { FitOptions, TrainerOptions } from './options.js';
export type { BatchLoader } from './position.js';
export {
  type EpochEvent,
  type Reporter,
  type StartEvent,
  type StepEvent,
  TextReporter,
  type TextStream,
} from './reporter.js';
export type { EvaluationResult } from './results.js';
export { type StepResult, Trainer } from './trainer.js';
