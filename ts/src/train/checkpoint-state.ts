/**
 * Owns state.json of a checkpoint: its fields, and the check that a file has them all.
 *
 * Policy: a file is believed only after its own checksum and every field were checked; what is wrong
 * is named with its path in the file. A new version of the format gets a new `version`, and old files
 * stay readable: version 1 has neither `files` nor `sha256`.
 */
import { createHash } from 'node:crypto';
import { show } from '../arguments.js';
import { CheckpointError, reasonOf } from '../errors.js';
import type { Digest } from '../files.js';
import { membersOf, parsePart } from '../json-members.js';

/** Version of the format that this package writes. */
export const checkpointVersion = 2;

/** Most bytes of a state.json. */
export const longestState = 4 << 20;

/** Deepest nesting of a field: a group's list of numbers. */
const deepestField = 8;

/** A checkpoint whose files are not what was written: one before it may be whole. */
export class DamagedCheckpointError extends CheckpointError {}

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
  /** What the optimizer is: its class. */
  optimizer: string;
  /** Hyper-parameters of each parameter group, the learning rate `lr` among them. */
  groups: Record<string, number | boolean | number[]>[];
  /** Sums of the epoch in progress. */
  sums: EpochSums;
  /** The loader's order; null for a checkpoint that was saved outside `fit`. */
  loader: LoaderState | null;
  /** Size and checksum of the other files, by their names; absent in version 1. */
  files?: Readonly<Record<string, Digest>>;
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
const isChecksum: Check = (value) => typeof value === 'string' && /^[0-9a-f]{64}$/.test(value);
const isSetting: Check = (value) =>
  typeof value === 'boolean' || isNumber(value) || (Array.isArray(value) && value.every(isNumber));

/**
 * The last field of a file: the checksum of all bytes before it, in a line of its own. It is over the
 * text and not over the fields, so that no byte can change unseen.
 */
const seal = /,\n {2}"sha256": "([0-9a-f]{64})"\n\}\n$/;

function checksum(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** The text of a state.json. */
export function formatState(state: CheckpointState): string {
  const body = JSON.stringify(state, null, 2).replace(/\n\}$/, '');
  return `${body},\n  "sha256": "${checksum(body)}"\n}\n`;
}

/** Whether a file's checksum is right; undefined where it has none. */
function isSealed(bytes: Buffer): boolean | undefined {
  const found = seal.exec(bytes.toString('latin1'));
  return found === null ? undefined : checksum(bytes.subarray(0, found.index)) === found[1];
}

/** What orders checkpoints, from the bytes of a state.json; undefined where it is damaged. */
export function parseOrigin(bytes: Buffer): { run: string; savedAt: number } | undefined {
  try {
    const { run, savedAt } = parseCheckpointState(bytes, '');
    return { run, savedAt: Date.parse(savedAt) };
  } catch {
    return undefined;
  }
}

/**
 * Turns the bytes of a state.json into checked contents.
 *
 * @throws DamagedCheckpointError where they are not what was written.
 * @throws CheckpointError where they are of a later version.
 */
export function parseCheckpointState(bytes: Buffer, path: string): CheckpointState {
  const fail = (what: string, cause?: unknown): never => {
    throw new DamagedCheckpointError(
      `${path}: ${what}. The file is damaged, or no checkpoint of this package; ` +
        'use another checkpoint.',
      cause === undefined ? {} : { cause },
    );
  };
  const need = (fields: Fields, at: string, name: string, kind: string, check: Check) => {
    if (!check(fields[name])) {
      fail(`expected ${at}${name} to be ${kind}, got ${show(fields[name])}`);
    }
  };
  const object = (value: unknown, at: string): Fields =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Fields)
      : fail(`expected ${at} to be an object, got ${show(value)}`);

  const sealed = isSealed(bytes);
  if (sealed === false) fail('its bytes are not those of its sha256');
  let parsed: unknown;
  try {
    const bounds = { depth: deepestField, bytes: longestState };
    if (bytes[0] === 0x7b) for (const _ of membersOf(bytes, 0, bytes.length, bounds));
    parsed = parsePart(bytes, 0, bytes.length);
  } catch (error) {
    fail(`expected JSON: ${reasonOf(error)}`, error);
  }
  const state = object(parsed, 'the file');
  need(state, '', 'version', 'a positive integer', isSize);
  if ((state.version as number) > checkpointVersion) {
    throw new CheckpointError(
      `${path}: expected format version ${checkpointVersion} or earlier, got ` +
        `${String(state.version)}. Load it with the version of this package that wrote it, or a ` +
        'newer one.',
    );
  }
  const isFirst = state.version === 1;
  if (isFirst && ('files' in state || 'sha256' in state)) fail('it has fields of a later version');
  if (!isFirst && sealed === undefined) fail('it does not end with its sha256');
  if (!isFirst) {
    const files = object(state.files, 'files');
    for (const name of Object.keys(files)) {
      const file = object(files[name], `files['${name}']`);
      need(file, `files['${name}'].`, 'bytes', 'a non-negative integer', isCount);
      need(file, `files['${name}'].`, 'sha256', 'a checksum', isChecksum);
    }
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
