/** Owns the text form of modules: what Python's print shows for PyTorch's. */
import type { PairLike } from '../arguments.js';

/** A module's text from its class name, its own description and its children's texts. */
export function describe(
  name: string,
  extra: string,
  children: readonly (readonly [string, string])[],
): string {
  if (children.length === 0) return `${name}(${extra})`;
  const lines = children.map(([key, text]) => indent(`(${key}): ${text}`));
  const head = extra === '' ? [] : [`  ${extra}`];
  return [`${name}(`, ...head, ...lines, ')'].join('\n');
}

function indent(text: string): string {
  return text.replace(/^/gm, '  ');
}

/** `3`, `(3, 2)` or `None`, as Python prints what the caller gave. */
export function pythonSize(size: PairLike | readonly (number | null)[] | null): string {
  if (size === null) return 'None';
  if (typeof size === 'number') return String(size);
  return `(${size.map((item) => (item === null ? 'None' : String(item))).join(', ')})`;
}

/** `(3,)` or `(3, 2)`, as Python prints a tuple. */
export function pythonShape(sizes: readonly number[]): string {
  return sizes.length === 1 ? `(${sizes[0]},)` : `(${sizes.join(', ')})`;
}

/** `True` or `False`. */
export function pythonBoolean(value: boolean): string {
  return value ? 'True' : 'False';
}

/** A number as Python prints the float: an exponent from 1e-5 down, of two digits. */
export function pythonFloat(value: number): string {
  if (value !== 0 && Math.abs(value) < 1e-4) {
    return value.toExponential().replace(/e-(\d)$/, 'e-0$1');
  }
  return String(value);
}
