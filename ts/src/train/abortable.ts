/** Owns iteration that an AbortSignal can end, whatever the source does meanwhile. */

/**
 * Yields what the source yields until it ends or the signal is aborted.
 *
 * @throws The signal's reason, as soon as it is aborted while an element is awaited.
 */
export async function* abortable<T>(
  source: AsyncIterable<T>,
  signal: AbortSignal | undefined,
): AsyncGenerator<T, void, undefined> {
  const iterator = source[Symbol.asyncIterator]();
  let isOver = false;
  try {
    for (;;) {
      const next = await unlessAborted(iterator.next(), signal);
      if (next.done === true) {
        isOver = true;
        return;
      }
      yield next.value;
    }
  } finally {
    const ended = isOver ? undefined : iterator.return?.();
    // After an abort the source may be stuck; the caller is told the reason and waits no longer.
    if (signal?.aborted === true) ended?.catch(() => {});
    else await ended;
  }
}

async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
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
