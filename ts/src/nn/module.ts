/**
 * Owns the base class of all modules: children, parameters and buffers, modes, state dicts, printing.
 *
 * Policy: children and parameters are a module's own enumerable properties, in the order in which
 * they were defined, as PyTorch registers attributes. Plain arrays, maps and private fields are not
 * searched; Sequential and ModuleList are for that. Buffers are those that were registered.
 */

import { checkBoolean, checkOptions, readMember, show } from '../arguments.js';
import { ArgumentError, StateDictError } from '../errors.js';
import { formatShape, type Shape, sameShape } from '../graph/shapes.js';
import type { Tensor } from '../graph/tensor.js';
import type { HostArray } from '../program/host-values.js';
import { hostValuesOf, type ModuleTensor } from '../program/module-tensor.js';
import { isTensorArray, type TensorArray } from '../safetensors-types.js';
import { cut } from '../text.js';
import { Buffer } from './buffer.js';
import { converted, convertedInSlices, unrepresentable } from './conversion.js';
import { Parameter } from './parameter.js';
import { describe } from './print.js';

/** A named host tensor of a state dict. */
export interface StateTensor {
  /** Values in row-major order: floats, but for a buffer of integers. */
  readonly data: Float32Array | Int32Array;
  readonly shape: Shape;
}

/**
 * A tensor to load. Other element types than the parameter's or buffer's are converted, as PyTorch
 * does; into a buffer of integers only where that changes no value.
 */
export interface LoadableTensor {
  readonly data: TensorArray;
  readonly shape: Shape;
}

/** Host tensors by PyTorch's names, such as `conv.0.weight`. */
export type StateDict = Record<string, StateTensor>;

/** What a module's `forward` may return: a tensor or, for a whole network that is trained, some. */
export type Outputs = Tensor | readonly Tensor[];

/** A module, whatever its `forward` returns. */
type AnyModule = Module<Outputs>;

/**
 * Base class of networks and layers.
 *
 * A network whose `forward` returns an array in training, such as one with auxiliary heads, extends
 * `nn.Module<nn.Outputs>`. Its loss gets every tensor; predictions are made from the first.
 *
 * @example
 * ```ts
 * class Net extends nn.Module {
 *   readonly features = new nn.Sequential(new nn.Conv2d(1, 6, 5), new nn.ReLU());
 *   readonly classifier = new nn.Linear(6 * 24 * 24, 10);
 *   forward(image: Tensor): Tensor {   // image: [N, 1, 28, 28]
 *     return this.classifier.forward(this.features.forward(image).flatten(1));
 *   }
 * }
 * ```
 */
export abstract class Module<Output extends Outputs = Tensor> {
  /** Whether dropout drops; set by {@link Module.train} and {@link Module.eval}. */
  training = true;

  /**
   * Says what the module computes, on symbolic tensors. It runs once for each graph, not once for
   * each batch, so it must not depend on anything that changes between batches.
   */
  abstract forward(...inputs: Tensor[]): Output;

  /** What stands between the parentheses when the module is printed. */
  extraRepr(): string {
    return '';
  }

  /** The modules directly inside, by name. */
  *namedChildren(): IterableIterator<[string, Module]> {
    for (const [name, value] of members(this)) {
      if (value instanceof Module) yield [name, value];
    }
  }

  /** The modules directly inside. */
  *children(): IterableIterator<Module> {
    for (const [, child] of this.namedChildren()) yield child;
  }

  /** This module (under the name '') and every module inside, each once, parents first. */
  namedModules(): IterableIterator<[string, AnyModule]> {
    return walk(this, '', new Set());
  }

  /** This module and every module inside, each once, parents first. */
  *modules(): IterableIterator<AnyModule> {
    for (const [, module] of this.namedModules()) yield module;
  }

  /** Every parameter with its name, each once, in PyTorch's order. */
  *namedParameters(): IterableIterator<[string, Parameter]> {
    const seen = new Set<Parameter>();
    for (const [path, module] of this.namedModules()) {
      for (const [name, parameter] of ownParameters(module)) {
        if (seen.has(parameter)) continue;
        seen.add(parameter);
        yield [join(path, name), parameter];
      }
    }
  }

  /** Every parameter, each once, in PyTorch's order. */
  *parameters(): IterableIterator<Parameter> {
    for (const [, parameter] of this.namedParameters()) yield parameter;
  }

  /**
   * Registers a tensor that belongs to the module's state and is not trained, as PyTorch does:
   * `readonly runningMean = this.registerBuffer('running_mean', { data, shape: [features] })`. One of
   * the same name is replaced.
   *
   * @param name Its name in state dicts.
   * @param value Initial values, which are copied: f32 or i32, in row-major order, and their shape.
   * @param options.persistent Whether state dicts and checkpoints have it. Default: true.
   * @throws ArgumentError for a name that is empty, has a period, or is that of a parameter or module.
   * @throws ShapeError where `data` does not have the shape's number of elements.
   */
  registerBuffer<A extends Float32Array | Int32Array>(
    name: string,
    value: { readonly data: A; readonly shape: Shape },
    options: { persistent?: boolean } = {},
  ): Buffer<A> {
    if (typeof name !== 'string' || name === '' || name.includes('.')) {
      throw new ArgumentError(
        `registerBuffer expects a name without periods, got ${show(name)}: they separate modules`,
      );
    }
    checkBufferName(this, name);
    const buffer = new Buffer(`registerBuffer '${cut(name)}'`, value, options);
    const own = registered.get(this) ?? new Map<string, Buffer>();
    registered.set(this, own.set(name, buffer as Buffer));
    return buffer;
  }

  /** Every buffer with its name, each once, in PyTorch's order. */
  *namedBuffers(): IterableIterator<[string, Buffer]> {
    const seen = new Set<Buffer>();
    for (const [path, module] of this.namedModules()) {
      for (const [name, buffer] of registered.get(module) ?? []) {
        if (seen.has(buffer)) continue;
        seen.add(buffer);
        yield [join(path, name), buffer];
      }
    }
  }

  /** Every buffer, each once, in PyTorch's order. */
  *buffers(): IterableIterator<Buffer> {
    for (const [, buffer] of this.namedBuffers()) yield buffer;
  }

  /**
   * Values of all parameters and persistent buffers by PyTorch's names. The arrays are the tensors'
   * own, not copies: see {@link Parameter} for what follows from that. A parameter or module in two
   * places has an entry for each.
   *
   * @throws StaleParametersError while a Trainer's device has newer values: ask for them by
   *   `await trainer.stateDict()`, or call `await trainer.syncParameters()` first.
   */
  stateDict(): StateDict {
    const dict: StateDict = {};
    for (const [name, tensor] of savedTensors(this)) {
      dict[name] = { data: hostValuesOf(tensor).share(name), shape: tensor.shape };
    }
    return dict;
  }

  /**
   * Copies values into parameters and buffers, which may be done at any time: Trainers and Predictors of the
   * module compute with them from their next call on. Nothing is changed if anything does not fit.
   * It is done when this returns, which takes about 0.5 ms per million values; where that is too long
   * for the event loop, {@link Module.loadStateDictAsync} does it.
   *
   * @param options.strict Whether names must match exactly (the default). Otherwise missing and
   *   unexpected names are left alone; sizes must match even so.
   * @returns The names that were missing and those that were unexpected.
   * @throws StateDictError that lists every mismatch, as PyTorch does.
   */
  loadStateDict(
    dict: Readonly<Record<string, LoadableTensor>>,
    options: { strict?: boolean } = {},
  ): { missingKeys: string[]; unexpectedKeys: string[] } {
    const { pairs, ...keys } = checked('loadStateDict', this, dict, options);
    for (const [tensor, { data }] of pairs) {
      hostValuesOf(tensor).overwrite(converted(data, tensor.dtype));
    }
    return keys;
  }

  /**
   * Does what {@link Module.loadStateDict} does, and gives the event loop turns in between. All
   * tensors change at once, at the end, and get new arrays: those of an earlier `stateDict()` keep
   * their values. The arrays of `dict` must not change until the promise is settled.
   *
   * @param options.strict Whether names must match exactly (the default), as for `loadStateDict`.
   * @returns The names that were missing and those that were unexpected.
   * @throws StateDictError that lists every mismatch; ArgumentError where an array is transferred to
   *   another thread meanwhile; OutOfMemoryError where there is no memory for the new arrays. Nothing
   *   is changed then.
   */
  async loadStateDictAsync(
    dict: Readonly<Record<string, LoadableTensor>>,
    options: { strict?: boolean } = {},
  ): Promise<{ missingKeys: string[]; unexpectedKeys: string[] }> {
    const { pairs, ...keys } = checked('loadStateDictAsync', this, dict, options);
    const copies: [ModuleTensor, HostArray][] = [];
    for (const [tensor, { data }] of pairs) {
      copies.push([tensor, await convertedInSlices(data, tensor.dtype)]);
    }
    for (const [tensor, data] of copies) hostValuesOf(tensor).adopt(data);
    return keys;
  }

  /** Puts this module and all inside into training mode (or, given false, evaluation mode). */
  train(mode = true): this {
    checkBoolean('train', 'mode', mode);
    for (const [path, module] of this.namedModules()) {
      if (Reflect.set(module, 'training', mode)) continue;
      throw new ArgumentError(
        `train and eval expect modules whose mode can be set, but ${named(path)} is frozen`,
      );
    }
    return this;
  }

  /** Puts this module and all inside into evaluation mode. */
  eval(): this {
    return this.train(false);
  }

  /** Sets whether training updates the parameters of this module and all inside. */
  requiresGrad_(requiresGrad = true): this {
    checkBoolean('requiresGrad_', 'requiresGrad', requiresGrad);
    for (const [name, parameter] of this.namedParameters()) {
      if (Reflect.set(parameter, 'requiresGrad', requiresGrad)) continue;
      throw new ArgumentError(
        `requiresGrad_ expects parameters that can be changed, but ${cut(name)} is frozen`,
      );
    }
    return this;
  }

  /** The module as PyTorch prints it. A module inside itself is named, and not printed again. */
  toString(): string {
    const { name } = this.constructor;
    if (printing.has(this)) return `${name}(contains itself)`;
    if (printing.size >= deepest) return `${name}(...)`;
    printing.add(this);
    try {
      return describe(name, this.extraRepr(), this.printedChildren());
    } finally {
      printing.delete(this);
    }
  }

  /** Names and texts of the children, for {@link Module.toString}. */
  protected printedChildren(): [string, string][] {
    return [...this.namedChildren()].map(([name, child]) => [name, child.toString()]);
  }
}

/** Buffers of each module, by name. */
const registered = new WeakMap<AnyModule, Map<string, Buffer>>();

/** @throws ArgumentError where a parameter or a module has the name of a buffer. */
function checkBufferName(module: AnyModule, name: string): void {
  const value = Object.hasOwn(module, name) && (module as unknown as Record<string, unknown>)[name];
  if (!(value instanceof Parameter || value instanceof Module)) return;
  throw new ArgumentError(
    `registerBuffer expects a name that nothing else of the module has, but ${cut(name)} is a ` +
      `${value instanceof Module ? 'module' : 'parameter'} already`,
  );
}

/** Modules that are inside each other, at most: far below what the stack holds. */
const deepest = 256;

/** The modules whose text is being made: each contains the next. */
const printing = new Set<AnyModule>();

/** A module by its path, for messages. */
function named(path: string): string {
  return path === '' ? 'the network' : cut(path);
}

/** The parameters that are the module's own, by name. */
export function* ownParameters(module: AnyModule): IterableIterator<[string, Parameter]> {
  for (const [name, value] of members(module)) {
    if (value instanceof Parameter) yield [name, value];
  }
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

function* walk(
  module: AnyModule,
  path: string,
  seen: Set<AnyModule>,
  depth = 0,
): IterableIterator<[string, AnyModule]> {
  if (seen.has(module)) return;
  if (depth >= deepest) throw tooDeep(path);
  seen.add(module);
  yield [path, module];
  for (const [name, child] of module.namedChildren()) {
    yield* walk(child, join(path, name), seen, depth + 1);
  }
}

/**
 * Every parameter and persistent buffer by every name that it has, in PyTorch's order: those of a
 * module, parameters first, before those of the modules inside.
 *
 * @throws ArgumentError where a module contains itself: its parameters would have names without end.
 */
export function* savedTensors(
  module: AnyModule,
  path = '',
  around: readonly AnyModule[] = [],
): IterableIterator<[string, ModuleTensor]> {
  const outer = around.indexOf(module);
  if (outer >= 0) {
    const names = path.split('.').slice(0, outer).join('.');
    throw new ArgumentError(
      `state dicts expect modules that do not contain themselves, but ${named(path)} is ` +
        `${named(names)} again; keep a reference to a module around in a private field (#name)`,
    );
  }
  if (around.length >= deepest) throw tooDeep(path);
  for (const [name, parameter] of ownParameters(module)) yield [join(path, name), parameter];
  for (const [name, buffer] of registered.get(module) ?? []) {
    checkBufferName(module, name);
    if (buffer.persistent) yield [join(path, name), buffer];
  }
  for (const [name, child] of module.namedChildren()) {
    yield* savedTensors(child, join(path, name), [...around, module]);
  }
}

/** A module's own enumerable properties, each read once. */
function* members(module: AnyModule): IterableIterator<[string, unknown]> {
  const object = module as unknown as Record<string, unknown>;
  for (const name of Object.keys(module)) {
    yield [name, readMember(module.constructor.name, object, name)];
  }
}

function tooDeep(path: string): ArgumentError {
  return new ArgumentError(
    `a network expects at most ${deepest} modules inside each other, but ${named(path)} is deeper`,
  );
}

/** What {@link matched} gives, for what a user gave. */
function checked(
  who: string,
  module: AnyModule,
  dict: Readonly<Record<string, LoadableTensor>>,
  options: { strict?: boolean },
): Matched<LoadableTensor> {
  checkOptions(who, options, ['strict']);
  const strict = checkBoolean(who, 'strict', options.strict ?? true);
  if (typeof dict !== 'object' || dict === null) {
    throw new StateDictError(`${who} expects a state dict, got ${show(dict)}`);
  }
  return matched(module, dict, strict);
}

/** Parameters and buffers with the tensors to load, and the names that have no counterpart. */
interface Matched<T extends LoadableTensor> {
  readonly pairs: [ModuleTensor, T][];
  readonly missingKeys: string[];
  readonly unexpectedKeys: string[];
}

/** A module's parameters and buffers, each with the tensor of its name. */
function matched<T extends LoadableTensor>(
  module: AnyModule,
  dict: Readonly<Record<string, T>>,
  strict: boolean,
): Matched<T> {
  const own = new Map(savedTensors(module));
  const missingKeys = [...own.keys()].filter((name) => !Object.hasOwn(dict, name));
  const unexpectedKeys = Object.keys(dict).filter((name) => !own.has(name));
  const problems: string[] = [];
  const quoted = (names: string[]) => names.map((name) => `"${cut(name)}"`).join(', ');
  if (strict && missingKeys.length > 0) {
    problems.push(`Missing key(s) in state_dict: ${quoted(missingKeys)}.`);
  }
  if (strict && unexpectedKeys.length > 0) {
    problems.push(`Unexpected key(s) in state_dict: ${quoted(unexpectedKeys)}.`);
  }
  const pairs: [ModuleTensor, T][] = [];
  for (const [name, target] of own) {
    const tensor = Object.hasOwn(dict, name) ? dict[name] : undefined;
    if (tensor === undefined) continue;
    const problem = mismatch(cut(name), target, tensor);
    if (problem === undefined) pairs.push([target, tensor]);
    else problems.push(problem);
  }
  if (problems.length > 0) {
    const name = module.constructor.name;
    throw new StateDictError(
      `Error(s) in loading state_dict for ${name}:\n\t${problems.join('\n\t')}`,
    );
  }
  return { pairs, missingKeys, unexpectedKeys };
}

/**
 * What `loadStateDict` does, for arrays that nobody else has: they are taken over and not copied,
 * which would hold the event loop up. Arrays that a user was given before keep their values.
 *
 * @throws StateDictError where names or shapes do not match; nothing is changed then.
 */
export function adoptStateDict(module: AnyModule, dict: StateDict): void {
  for (const [tensor, { data }] of matched(module, dict, true).pairs) {
    hostValuesOf(tensor).adopt(converted(data, tensor.dtype));
  }
}

function mismatch(name: string, target: ModuleTensor, tensor: LoadableTensor): string | undefined {
  const ok = isTensorArray(tensor?.data) && Array.isArray(tensor.shape);
  if (!ok) {
    const array = target.dtype === 'f32' ? 'Float32Array' : 'Int32Array';
    return `${name} must be { data: ${array}, shape }, got ${show(tensor)}.`;
  }
  if (!sameShape(tensor.shape, target.shape)) {
    return (
      `size mismatch for ${name}: copying a param with shape ${formatShape(tensor.shape)} from ` +
      `checkpoint, the shape in current model is ${formatShape(target.shape)}.`
    );
  }
  if (tensor.data.length !== target.size) {
    return (
      `${name} of shape ${formatShape(tensor.shape)} must have ${target.size} values, ` +
      `got ${tensor.data.length}.`
    );
  }
  const odd = unrepresentable(tensor.data, target.dtype);
  return odd === undefined ? undefined : `${name} must have 32-bit integers, got ${odd}.`;
}
