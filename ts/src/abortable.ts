/** Owns waiting that an AbortSignal can end, whatever is waited for does meanwhile. */

import { show } from './arguments.js';
import { ArgumentError } from './errors.js';

/**
 * The promise, or the signal's reason, whichever comes first.
 *
 * @throws The signal's reason, at once where it is aborted already.
 */
export async function unlessAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (signal === undefined) return promise;
  let onAbort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([aborted, promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/**
 * Yields what the source yields until it ends or one of the signals is aborted.
 *
 * @throws That signal's reason, as soon as it is aborted while an element is awaited.
 * @throws ArgumentError where the source gives no iterator, or that no results.
 */
export async function* abortable<T>(
  source: AsyncIterable<T>,
  ...signals: readonly (AbortSignal | undefined)[]
): AsyncGenerator<T, void, undefined> {
  const iterator = source[Symbol.asyncIterator]();
  if (typeof iterator?.next !== 'function') {
    throw new ArgumentError(`expected an async iterator with next(), got ${show(iterator)}`);
  }
  // A source that ended, or threw, is over: as in for await, only one that was left is told so.
  let isOver = false;
  try {
    for (;;) {
      isOver = true;
      let pending = iterator.next();
      for (const signal of signals) pending = unlessAborted(pending, signal);
      const next = await pending;
      if (typeof next !== 'object' || next === null) {
        throw new ArgumentError(
          `expected an iterator's next() to give { value, done }, got ${show(next)}`,
        );
      }
      if (next.done === true) return;
      isOver = false;
      yield next.value;
    }
  } finally {
    // After an abort the source may be stuck; the caller is told the reason and waits no longer.
    if (signals.some((signal) => signal?.aborted === true)) leave(iterator).catch(() => {});
    else if (!isOver) await leave(iterator);
  }
}

/** Tells an iterator that no more is wanted; sources of users may throw, or give a plain object. */
async function leave(iterator: AsyncIterator<unknown>): Promise<void> {
  await iterator.return?.();
}
