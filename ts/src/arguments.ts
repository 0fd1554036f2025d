/**
 * Owns the checks of arguments that modules, optimizers, operations and loaders share.
 *
 * Policy: a check throws an ArgumentError that names the caller (`who`), the argument, what was
 * expected and what came, before any work is done.
 */
import { types } from 'node:util';
import { ArgumentError, NeuronodeError } from './errors.js';
import { cut } from './text.js';

/** One number for both axes, or [height, width]. */
export type PairLike = number | readonly [number, number];

/** [height, width]. */
export type Pair = readonly [number, number];

/** A value as a message shows it: short, unambiguous, never throwing. */
export function show(value: unknown): string {
  return cut(describe(value, 0));
}

function describe(value: unknown, depth: number): string {
  if (typeof value === 'string') return `'${cut(value)}'`;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (typeof value === 'bigint') return `${value}n`;
  if (value === null || value === undefined) return String(value);
  if (types.isProxy(value)) return 'a Proxy';
  if (Array.isArray(value)) {
    // An array may contain itself.
    const items = depth < 3 ? value.slice(0, 8).map((item) => describe(item, depth + 1)) : ['...'];
    if (depth < 3 && value.length > 8) items.push('...');
    return `[${items.join(', ')}]`;
  }
  if (typeof value === 'symbol') return value.toString();
  try {
    if (typeof value === 'function') return `function ${value.name}`;
    const name: unknown = Object.getPrototypeOf(value)?.constructor?.name;
    return typeof name === 'string' ? name : 'object';
  } catch {
    // A getter of the user's that throws says no more about the value.
    return typeof value;
  }
}

/** Checks that `value` is an integer of at least `min` and, where it is given, at most `max`. */
export function checkInteger(
  who: string,
  name: string,
  value: unknown,
  min: number,
  max = Number.MAX_SAFE_INTEGER,
): number {
  if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > max) {
    const bounds =
      max < Number.MAX_SAFE_INTEGER
        ? `an integer from ${min} to ${max}`
        : `an integer of at least ${min}`;
    throw new ArgumentError(`${who} expects ${name} to be ${bounds}, got ${show(value)}`);
  }
  return value as number;
}

/** Checks that `value` is an integer of at least `min`, or a pair of them; returns the pair. */
export function checkPair(
  who: string,
  name: string,
  value: unknown,
  min: number,
  max = Number.MAX_SAFE_INTEGER,
): Pair {
  if (typeof value === 'number') {
    const size = checkInteger(who, name, value, min, max);
    return [size, size];
  }
  if (!Array.isArray(value) || value.length !== 2) {
    throw new ArgumentError(
      `${who} expects ${name} to be a number or a pair [height, width], got ${show(value)}`,
    );
  }
  return [
    checkInteger(who, `${name}[0]`, value[0], min, max),
    checkInteger(who, `${name}[1]`, value[1], min, max),
  ];
}

/** Bounds of a number; the bounds themselves are allowed unless `below` is given. */
export interface Range {
  min?: number;
  max?: number;
  /** Exclusive upper bound. */
  below?: number;
}

/** Checks that `value` is a finite number in the range. */
export function checkNumber(who: string, name: string, value: unknown, range: Range = {}): number {
  const { min = -Infinity, max = Infinity, below = Infinity } = range;
  const ok = typeof value === 'number' && Number.isFinite(value);
  if (!ok || value < min || value > max || value >= below) {
    const bounds = [
      min > -Infinity ? `at least ${min}` : '',
      max < Infinity ? `at most ${max}` : '',
      below < Infinity ? `below ${below}` : '',
    ].filter((text) => text !== '');
    const wanted = bounds.length > 0 ? `a number, ${bounds.join(' and ')}` : 'a finite number';
    throw new ArgumentError(`${who} expects ${name} to be ${wanted}, got ${show(value)}`);
  }
  return value;
}

/** Checks that `value` is true or false. */
export function checkBoolean(who: string, name: string, value: unknown): boolean {
  if (typeof value !== 'boolean') {
    throw new ArgumentError(`${who} expects ${name} to be true or false, got ${show(value)}`);
  }
  return value;
}

/** Checks that `value` is one of the strings. */
export function checkOneOf<T extends string>(
  who: string,
  name: string,
  value: unknown,
  allowed: readonly T[],
): T {
  if (!allowed.includes(value as T)) {
    throw new ArgumentError(
      `${who} expects ${name} to be one of ${allowed.map(show).join(', ')}, got ${show(value)}`,
    );
  }
  return value as T;
}

/** Checks that `value`, where it is given, is an AbortSignal. */
export function checkSignal(who: string, value: unknown): AbortSignal | undefined {
  if (value !== undefined && !(value instanceof AbortSignal)) {
    throw new ArgumentError(`${who} expects signal to be an AbortSignal, got ${show(value)}`);
  }
  return value;
}

/** @throws ArgumentError where a value is no path. */
export function checkPath(who: string, name: string, path: unknown): void {
  if (typeof path === 'string' && path !== '') return;
  throw new ArgumentError(`${who} expects ${name} to be a path, got ${show(path)}`);
}

/**
 * A member of a caller's object, read once: a getter may give another value each time.
 *
 * @throws {ArgumentError} that names the member, where its getter throws anything but an error of
 *   this package.
 */
export function readMember<T extends object, K extends string & keyof T>(
  who: string,
  object: T,
  name: K,
): T[K] {
  try {
    return object[name];
  } catch (error) {
    throw unreadable(who, name, error);
  }
}

/** What a caller's code threw, as a message shows it: `RangeError: too far`. */
export function showThrown(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : show(error);
}

/** What {@link readMember} throws where reading a member threw an error. */
export function unreadable(who: string, name: string, error: unknown): unknown {
  if (error instanceof NeuronodeError) return error;
  const message = `${who} expects ${name} to be readable, but reading it threw ${showThrown(error)}`;
  return new ArgumentError(message, { cause: error });
}

/**
 * Checks that `options` is an options object with known names only.
 *
 * @returns What is given, each member read once.
 */
export function checkOptions<T extends object>(
  who: string,
  options: T,
  known: readonly string[],
): T {
  checkNames(who, options, known, 'option');
  const given: Record<string, unknown> = {};
  for (const name of known) {
    const value: unknown = readMember(who, options as Record<string, unknown>, name);
    if (value !== undefined) given[name] = value;
  }
  return given as T;
}

/** Checks that `object` is one of `what`s ('input', 'attribute') with known names only. */
export function checkNames(
  who: string,
  object: unknown,
  known: readonly string[],
  what: string,
): void {
  if (typeof object !== 'object' || object === null || Array.isArray(object)) {
    throw new ArgumentError(`${who} expects an ${what}s object, got ${show(object)}`);
  }
  for (const name of Object.keys(object)) {
    if (!known.includes(name)) {
      throw new ArgumentError(
        `${who} has no ${what} ${show(name)}; its ${what}s are ${known.join(', ') || 'none'}`,
      );
    }
  }
}
