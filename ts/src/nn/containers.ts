/** Owns the modules that hold other modules: Sequential and ModuleList. */

import { show } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import type { Tensor } from '../graph/tensor.js';
import { Module } from './module.js';

function checkModule(who: string, name: string, value: unknown): Module {
  if (!(value instanceof Module)) {
    throw new ArgumentError(`${who} expects modules, got ${show(value)} at ${name}`);
  }
  return value;
}

/** Names and modules of an argument list, a record or a Map. */
function entries(
  who: string,
  args: readonly (Module | Readonly<Record<string, Module>> | ReadonlyMap<string, Module>)[],
): [string, Module][] {
  const [only] = args;
  const named = args.length === 1 && !(only instanceof Module) && only !== null;
  if (!named || typeof only !== 'object') {
    return args.map((module, index) => [`${index}`, checkModule(who, `${index}`, module)]);
  }
  const pairs: [string, Module][] = only instanceof Map ? [...only] : Object.entries(only);
  return pairs.map(([name, module]) => {
    if (typeof name !== 'string' || name === '' || name.includes('.')) {
      throw new ArgumentError(`${who} expects names without dots, got ${show(name)}`);
    }
    return [name, checkModule(who, name, module)];
  });
}

/**
 * Modules that run one after the other.
 *
 * @example `new nn.Sequential(new nn.Linear(4, 8), new nn.ReLU())`
 * @example `new nn.Sequential({ hidden: new nn.Linear(4, 8), act: new nn.ReLU() })`
 *
 * A record's names that are whole numbers come first, as JavaScript orders them; a Map keeps its
 * own order.
 */
export class Sequential extends Module implements Iterable<Module> {
  readonly #modules: ReadonlyMap<string, Module>;

  constructor(...modules: Module[]);
  constructor(modules: Readonly<Record<string, Module>> | ReadonlyMap<string, Module>);
  constructor(
    ...args: (Module | Readonly<Record<string, Module>> | ReadonlyMap<string, Module>)[]
  ) {
    super();
    this.#modules = new Map(entries('Sequential', args));
  }

  /** Number of modules. */
  get length(): number {
    return this.#modules.size;
  }

  /** The module at an index; negative indices count from the end. */
  at(index: number): Module | undefined {
    return [...this.#modules.values()].at(index);
  }

  [Symbol.iterator](): Iterator<Module> {
    return this.#modules.values();
  }

  override *namedChildren(): IterableIterator<[string, Module]> {
    yield* super.namedChildren();
    yield* this.#modules;
  }

  override forward(x: Tensor): Tensor {
    return [...this].reduce((output, module) => module.forward(output), x);
  }
}

/**
 * A list of modules that are registered, to be called one by one in a module's `forward`.
 * @throws ArgumentError for what is no list of modules.
 */
export class ModuleList extends Module implements Iterable<Module> {
  readonly #modules: Module[];

  constructor(modules: Iterable<Module> = []) {
    super();
    if (typeof modules !== 'object' || modules === null || !(Symbol.iterator in modules)) {
      throw new ArgumentError(`ModuleList expects a list of modules, got ${show(modules)}`);
    }
    this.#modules = [...modules].map((module, index) =>
      checkModule('ModuleList', `${index}`, module),
    );
  }

  /** Number of modules. */
  get length(): number {
    return this.#modules.length;
  }

  /** The module at an index; negative indices count from the end. */
  at(index: number): Module | undefined {
    return this.#modules.at(index);
  }

  /** Adds a module to the end. */
  push(module: Module): this {
    this.#modules.push(checkModule('ModuleList', `${this.length}`, module));
    return this;
  }

  [Symbol.iterator](): Iterator<Module> {
    return this.#modules.values();
  }

  override *namedChildren(): IterableIterator<[string, Module]> {
    yield* super.namedChildren();
    for (const [index, module] of this.#modules.entries()) yield [`${index}`, module];
  }

  override forward(): Tensor {
    throw new ArgumentError('ModuleList has no forward; call the forward of the modules in it');
  }

  /** Neighbours that print alike are one line: `(0-2): 3 x ReLU()`. */
  protected override printedChildren(): [string, string][] {
    const groups: { first: string; last: string; count: number; text: string }[] = [];
    for (const [name, text] of super.printedChildren()) {
      const group = groups.at(-1);
      if (group?.text === text) {
        group.last = name;
        group.count += 1;
      } else {
        groups.push({ first: name, last: name, count: 1, text });
      }
    }
    return groups.map(({ first, last, count, text }) =>
      count === 1 ? [first, text] : [`${first}-${last}`, `${count} x ${text}`],
    );
  }
}
