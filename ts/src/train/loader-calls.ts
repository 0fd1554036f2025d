/**
 * Owns the knowledge of who calls a trainer: the loader of one of its evaluations, or anybody else.
 *
 * Policy: an evaluation waits for its loader, and other work of the trainer for the evaluation. What
 * a loader calls, in however many steps, is known by the asynchronous context, which Node.js keeps
 * only while there is an evaluation, since it costs a little.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { ArgumentError } from '../errors.js';

/** A loader at work for somebody. */
interface LoaderAtWork {
  readonly owner: object;
  /** Who called for the evaluation. */
  readonly caller: LoaderAtWork | undefined;
  isOver: boolean;
}

const contexts = new AsyncLocalStorage<LoaderAtWork>();
let atWork = 0;

/** Whether the caller is a loader that is at work for the owner. */
export function isCalledByLoaderOf(owner: object): boolean {
  let context = contexts.getStore();
  while (context !== undefined && (context.isOver || context.owner !== owner)) {
    context = context.caller;
  }
  return context !== undefined;
}

/**
 * Refuses a call that would wait for an evaluation which waits for its loader, which calls.
 *
 * @throws ArgumentError
 */
export function refuseLoaderOf(owner: object, caller: string): void {
  if (!isCalledByLoaderOf(owner)) return;
  throw new ArgumentError(
    `${caller}: it was called by the loader of an evaluation, whose end it would wait for. Call it ` +
      'after the evaluation; a loader may call stateDict, syncParameters, and a Predictor.',
  );
}

/**
 * Does work with a loader, so that {@link isCalledByLoaderOf} knows what the loader calls.
 *
 * @param work Iterates over what it is given instead of the loader.
 */
export async function withLoaderOf<T, R>(
  owner: object,
  loader: AsyncIterable<T>,
  work: (loader: AsyncIterable<T>) => Promise<R>,
): Promise<R> {
  const context: LoaderAtWork = { owner, caller: contexts.getStore(), isOver: false };
  atWork += 1;
  try {
    return await work(inContext(context, loader));
  } finally {
    context.isOver = true;
    atWork -= 1;
    if (atWork === 0) contexts.disable();
  }
}

function inContext<T>(context: LoaderAtWork, loader: AsyncIterable<T>): AsyncIterable<T> {
  const within = <R>(call: () => R): R => contexts.run(context, call);
  return {
    [Symbol.asyncIterator]() {
      const iterator = within(() => loader[Symbol.asyncIterator]());
      if (typeof iterator?.next !== 'function') return iterator;
      return {
        next: () => within(() => iterator.next()),
        // A source of a user's may give anything, or nothing.
        return: async () => {
          await within(() => iterator.return?.());
          return { done: true, value: undefined };
        },
      };
    },
  };
}
