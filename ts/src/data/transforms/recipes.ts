/**
 * Owns how transforms reach worker threads: as recipes, from which each thread makes its own.
 *
 * Policy: what cannot be told to a thread is refused before one is started.
 */
import { show, showThrown } from '../../arguments.js';
import { ArgumentError, WorkerError } from '../../errors.js';
import { nameOf, type Transform } from './transform.js';

/** A recipe as it is sent to a thread. */
export interface SentRecipe {
  /** For messages. */
  readonly name: string;
  readonly module: string;
  readonly export: string;
  readonly args: readonly unknown[];
}

/**
 * The recipes of transforms, for worker threads.
 *
 * @param who Starts the messages.
 * @throws {ArgumentError} that names the first transform without one, or with one that is no recipe.
 */
export function recipesOf(who: string, steps: readonly Transform[]): SentRecipe[] {
  return steps.map((step) => {
    const name = nameOf(step);
    const { worker } = step;
    const remedy = 'Use numWorkers: 0, which runs transforms on this thread.';
    if (worker === undefined) {
      throw new ArgumentError(
        `${who}: expected ${name} to say how a worker thread makes it, by a property worker: ` +
          `{ module: import.meta.url, export: 'its name there', args: [...] }, got none. ${remedy}`,
      );
    }
    const { module, export: exported, args = [] } = worker;
    const address = module instanceof URL ? module.href : module;
    if (typeof address !== 'string' || !URL.canParse(address)) {
      throw new ArgumentError(
        `${who}: expected ${name}.worker.module to be the address of a module, as import.meta.url is, ` +
          `got ${show(module)}. ${remedy}`,
      );
    }
    if (typeof exported !== 'string' || exported === '') {
      throw new ArgumentError(
        `${who}: expected ${name}.worker.export to be the name of an export, got ${show(exported)}. ` +
          remedy,
      );
    }
    if (!Array.isArray(args)) {
      throw new ArgumentError(
        `${who}: expected ${name}.worker.args to be a list, got ${show(args)}. ${remedy}`,
      );
    }
    try {
      return { name, module: address, export: exported, args: structuredClone(args) };
    } catch (error) {
      throw new ArgumentError(
        `${who}: expected ${name}.worker.args to be what structuredClone can copy, got ${show(args)}. ` +
          remedy,
        { cause: error },
      );
    }
  });
}

/**
 * Makes the transforms of recipes, on a worker thread.
 *
 * @throws {WorkerError} that names the first that cannot be made, with what was thrown as its cause.
 */
export async function makeSteps(recipes: readonly SentRecipe[]): Promise<Transform[]> {
  const steps: Transform[] = [];
  for (const { name, module, export: exported, args } of recipes) {
    const where = `new ${exported}(...) of ${module}`;
    let step: unknown;
    try {
      const exports = (await import(module)) as Record<string, new (...args: unknown[]) => unknown>;
      step = new exports[exported]!(...args);
    } catch (error) {
      throw new WorkerError(
        `${name} cannot be made on a worker thread by ${where}: ${showThrown(error)}`,
        {
          cause: error,
        },
      );
    }
    if (typeof (step as Partial<Transform>).apply !== 'function') {
      throw new WorkerError(
        `${name} cannot be made on a worker thread: expected ${where} to have apply(), got ${show(step)}`,
      );
    }
    steps.push(step as Transform);
  }
  return steps;
}
