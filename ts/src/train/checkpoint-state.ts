/**
 * Owns state.json of a checkpoint: its fields, and the check that a file has them all.
 *
 * Policy: a file is believed only after every field was checked; what is wrong is named with its
 * path in the file. A new version of the format gets a new `version`, and old files stay readable.
 */
import { CheckpointError } from '../errors.js';

/** Version of the format that this package writes. */
export const checkpointVersion = 1;

/** Sums over the part of an epoch that is done. */
export interface EpochSums {
  /** Steps. */
  steps: number;
  /** Examples. */
  examples: number;
  /** Correctly classified examples. */
  correct: number;
  /** Sum of the batches' mean losses. */
  lossOfBatches: number;
  /** Sum of the examples' losses. */
  lossOfExamples: number;
  /** Seconds spent. */
  seconds: number;
}

/** Order of the data, so that a resumed epoch goes on where it stopped. */
export interface LoaderState {
  batchSize: number;
  /** Batches in one epoch. */
  batches: number;
  /** Seed of the shuffle; null where the loader does not shuffle. */
  seed: number | null;
}

/** Contents of state.json. */
export interface CheckpointState {
  version: number;
  /** Which run wrote it: a random name, which a resumed run keeps. */
  run: string;
  /** When it was written, as ISO 8601. */
  savedAt: string;
  /** Steps done. */
  step: number;
  /** Epoch in progress, from 0: the epochs that are complete. */
  epoch: number;
  /** Batches of that epoch that are done. */
  batch: number;
  /** Seed of dropout. */
  seed: number;
  /** What the optimizer is, such as `Adam`. */
  optimizer: string;
  /** Hyper-parameters of each parameter group, the learning rate `lr` among them. */
  groups: Record<string, number | boolean | number[]>[];
  /** Sums of the epoch in progress. */
  sums: EpochSums;
  /** The loader's order; null for a checkpoint that was saved outside `fit`. */
  loader: LoaderState | null;
}

/** Sums of an epoch that has not begun. */
export function emptySums(): EpochSums {
  return { steps: 0, examples: 0, correct: 0, lossOfBatches: 0, lossOfExamples: 0, seconds: 0 };
}

type Fields = Record<string, unknown>;
type Check = (value: unknown) => boolean;

const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const isSize: Check = (value) => Number.isSafeInteger(value) && (value as number) > 0;
const isNumber: Check = (value) => Number.isFinite(value);
const isName: Check = (value) => typeof value === 'string' && value !== '';
const isDate: Check = (value) => typeof value === 'string' && !Number.isNaN(Date.parse(value));
const isSetting: Check = (value) =>
  typeof value === 'boolean' || isNumber(value) || (Array.isArray(value) && value.every(isNumber));

/** What orders checkpoints, from the text of a state.json; undefined where it is damaged. */
export function parseOrigin(text: string): { run: string; savedAt: number } | undefined {
  let state: Partial<CheckpointState> | null;
  try {
    state = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { run, savedAt } = state ?? {};
  return isName(run) && isDate(savedAt)
    ? { run: run as string, savedAt: Date.parse(savedAt as string) }
    : undefined;
}

/** Turns the text of a state.json into checked contents. */
export function parseCheckpointState(text: string, path: string): CheckpointState {
  const fail = (what: string, cause?: unknown): never => {
    throw new CheckpointError(
      `${path}: ${what}. The file is damaged, or no checkpoint of this package; ` +
        'use another checkpoint.',
      cause === undefined ? {} : { cause },
    );
  };
  const need = (fields: Fields, at: string, name: string, kind: string, check: Check) => {
    if (!check(fields[name])) {
      fail(`expected ${at}${name} to be ${kind}, got ${JSON.stringify(fields[name])}`);
    }
  };
  const object = (value: unknown, at: string): Fields =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Fields)
      : fail(`expected ${at} to be an object, got ${JSON.stringify(value)}`);

  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    fail(`expected JSON: ${error instanceof Error ? error.message : String(error)}`, error);
  }
  const state = object(parsed, 'the file');
  need(state, '', 'version', 'a positive integer', isSize);
  if (state.version !== checkpointVersion) {
    throw new CheckpointError(
      `${path}: expected format version ${checkpointVersion}, got ${String(state.version)}. ` +
        'Load it with the version of this package that wrote it, or a newer one.',
    );
  }
  for (const name of ['step', 'epoch', 'batch', 'seed']) {
    need(state, '', name, 'a non-negative integer', isCount);
  }
  for (const name of ['run', 'optimizer']) need(state, '', name, 'a name', isName);
  need(state, '', 'savedAt', 'a date', isDate);
  need(state, '', 'groups', 'a list', Array.isArray);
  for (const [index, value] of (state.groups as unknown[]).entries()) {
    const at = `groups[${index}]`;
    const group = object(value, at);
    for (const name of Object.keys(group)) {
      need(group, `${at}.`, name, 'a number, a list of numbers or a boolean', isSetting);
    }
    need(group, `${at}.`, 'lr', 'a number', isNumber);
  }
  const sums = object(state.sums, 'sums');
  for (const name of ['steps', 'examples', 'correct']) {
    need(sums, 'sums.', name, 'a non-negative integer', isCount);
  }
  // A run that diverged has NaN losses, which JSON writes as null; the sums stay of use.
  for (const name of ['lossOfBatches', 'lossOfExamples']) {
    if (sums[name] === null) sums[name] = Number.NaN;
    else need(sums, 'sums.', name, 'a number', isNumber);
  }
  need(sums, 'sums.', 'seconds', 'a number', isNumber);
  if (state.loader !== null) {
    const loader = object(state.loader, 'loader');
    need(loader, 'loader.', 'batchSize', 'a positive integer', isSize);
    need(loader, 'loader.', 'batches', 'a positive integer', isSize);
    need(loader, 'loader.', 'seed', 'an integer or null', (v) => v === null || isCount(v));
    if ((state.batch as number) > (loader.batches as number)) {
      fail(`expected batch to be at most loader.batches ${loader.batches}, got ${state.batch}`);
    }
  }
  return state as unknown as CheckpointState;
}
