/** What the command-line programs share: options, signals, errors and exit statuses. */
export { augmentation } from './augment.js';
export {
  parseTrainOptions,
  type TrainDefaults,
  type TrainOptions,
  trainUsage,
  UsageError,
} from './options.js';
export {
  describeError,
  type EndingSignal,
  Interrupted,
  type ProgramContext,
  runProgram,
} from './run.js';
export { describeDevice, describeTraining, type FitSettings, runTraining } from './train.js';
