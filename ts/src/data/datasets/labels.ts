/** Owns what a label is: a class index, an integer from 0 to 2^31 - 1 as an Int32Array holds it. */
import { types } from 'node:util';
import { show, unreadable } from '../../arguments.js';
import { ArgumentError, DataError, OutOfMemoryError } from '../../errors.js';

const LIMIT = 2 ** 31;

/** Whether a value is a class index below `limit`. */
export function isLabel(value: unknown, limit = LIMIT): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) < limit;
}

/** A value that is no label, for messages: `'3' (string)`, `3n (bigint)`, `-1`. */
export function describeLabel(value: unknown): string {
  const type = typeof value;
  return type === 'string' || type === 'bigint' ? `${show(value)} (${type})` : show(value);
}

/**
 * A copy of a data set's labels, each of which is read once.
 *
 * @param who Starts the messages.
 * @param numClasses Labels must be below; 2^31 unless given.
 * @throws {ArgumentError} where `labels` is no list of numbers.
 * @throws {DataError} ERR_NN_DATA_CORRUPT where one is no class index.
 * @throws {OutOfMemoryError} where there is no memory for a copy.
 */
export function copyLabels(who: string, labels: unknown, numClasses = LIMIT): Int32Array {
  if (types.isBigInt64Array(labels) || types.isBigUint64Array(labels)) {
    throw new ArgumentError(
      `${who}: expected labels to be an array of numbers, got ${show(labels)}. ` +
        'Convert it by Int32Array.from(labels, Number).',
    );
  }
  const list = labels as ArrayLike<unknown> | null | undefined;
  const length =
    typeof list === 'object' && list !== null ? readOf(who, list, 'length') : undefined;
  if (!isLength(length)) {
    throw new ArgumentError(
      `${who}: expected labels to be an array of numbers, got ${show(labels)}`,
    );
  }
  if (isExact(labels)) {
    const copy = new Int32Array(labels);
    for (let i = 0; i < copy.length; i++) {
      const label = copy[i]!;
      if (label < 0 || label >= numClasses) throw noLabel(who, numClasses, label, i);
    }
    return copy;
  }
  const copy = allocate(who, length);
  for (let i = 0; i < copy.length; i++) {
    const label = readOf(who, list!, i);
    if (!isLabel(label, numClasses)) throw noLabel(who, numClasses, label, i);
    copy[i] = label;
  }
  return copy;
}

/** A member of the labels, read once, whatever its getter or a Proxy does. */
function readOf(who: string, labels: ArrayLike<unknown>, name: 'length' | number): unknown {
  try {
    return labels[name as number];
  } catch (error) {
    throw unreadable(who, typeof name === 'number' ? `labels[${name}]` : `labels.${name}`, error);
  }
}

function isLength(length: unknown): length is number {
  return Number.isSafeInteger(length) && (length as number) >= 0;
}

function allocate(who: string, length: number): Int32Array {
  try {
    return new Int32Array(length);
  } catch (cause) {
    throw new OutOfMemoryError(`${who}: there is no memory for ${length} labels`, { cause });
  }
}

/** Whether every element is an integer that an Int32Array holds, so that they are copied as one. */
function isExact(labels: unknown): labels is Uint8Array | Int32Array {
  return types.isUint8Array(labels) || types.isInt32Array(labels);
}

function noLabel(who: string, numClasses: number, label: unknown, index: number): DataError {
  return new DataError(
    'ERR_NN_DATA_CORRUPT',
    `${who}: expected labels from 0 to ${numClasses - 1}, got ${describeLabel(label)} at index ${index}`,
  );
}
