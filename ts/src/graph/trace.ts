/**
 * Owns the call of a network's `forward` with a symbolic tensor.
 *
 * Policy: modules are known by what they offer, not by class. While a trace runs, each module's
 * `forward` is shadowed by one that notes the module's path and checks the result; afterwards the
 * modules are as before, whatever happened.
 */

import { show } from '../arguments.js';
import { ArgumentError, NeuronodeError } from '../errors.js';
import { type BufferSource, type ParameterSource, Tensor, type TensorSource } from './tensor.js';
import type { Tracer } from './tracer.js';

/** What tracing needs of a module: nn.Module has it. */
export interface TraceableModule {
  training: boolean;
  forward(...inputs: Tensor[]): Tensor | readonly Tensor[];
  /** This module under the name '', then every module inside, each once, by path. */
  namedModules(): Iterable<[string, TraceableModule]>;
  /** Every parameter once, by name. */
  namedParameters(): Iterable<[string, ParameterSource]>;
  /** Every buffer once, by name. */
  namedBuffers(): Iterable<[string, BufferSource]>;
}

/**
 * Every parameter and buffer of the network with its name, and every buffer of the loss, whose names
 * begin with `loss.`. A loss has no parameters: nobody would save them.
 */
export function sourceNames(
  net: TraceableModule,
  loss?: TraceableModule,
): Map<TensorSource, string> {
  const names = new Map<TensorSource, string>();
  for (const [name, source] of net.namedParameters()) names.set(source, name);
  for (const [name, source] of net.namedBuffers()) names.set(source, name);
  for (const [name, source] of loss?.namedBuffers() ?? []) {
    if (!names.has(source)) names.set(source, `loss.${name}`);
  }
  return names;
}

/**
 * Paths of the modules that keep evaluation mode in a training step, as a text to compare: those of a
 * network in training mode that were put into evaluation mode by themselves.
 */
export function modesOf(net: TraceableModule): string {
  if (!net.training) return '';
  const kept = [...net.namedModules()].filter(([, module]) => !module.training);
  return kept.map(([path]) => path).join();
}

/**
 * Calls `forward` of the network (or loss) and records what it does.
 *
 * @returns What it returns: one tensor, or each of an array.
 * @param prefix Path of the network itself, before those of the modules inside.
 * @param training Whether modules behave as after `train()` or as after `eval()`. In a network that is
 *   in training mode, those inside that were put into evaluation mode by themselves keep it.
 */
export function trace(
  tracer: Tracer,
  net: TraceableModule,
  inputs: readonly Tensor[],
  training: boolean,
  prefix = '',
): Tensor[] {
  const undo: (() => void)[] = [];
  const isWhole = !net.training;
  try {
    for (const [name, module] of net.namedModules()) {
      const path = [prefix, name].filter((part) => part !== '').join('.');
      try {
        undo.push(setTraining(module, training && (isWhole || module.training)));
        undo.push(shadowForward(tracer, module, path));
      } catch (cause) {
        // What a module's own setters throw comes here as well.
        if (cause instanceof NeuronodeError) throw cause;
        throw new ArgumentError(
          `${path === '' ? 'the network' : path} cannot be traced, since it is frozen or sealed: ` +
            'while a network is traced its modules have another mode and forward. Freeze nothing ' +
            'that is, or is inside, a module.',
          { cause },
        );
      }
    }
    return [net.forward(...inputs)].flat() as Tensor[];
  } finally {
    for (const restore of undo.reverse()) restore();
  }
}

function setTraining(module: TraceableModule, training: boolean): () => void {
  const before = module.training;
  module.training = training;
  return () => {
    module.training = before;
  };
}

function shadowForward(tracer: Tracer, module: TraceableModule, path: string): () => void {
  const own = Object.getOwnPropertyDescriptor(module, 'forward');
  const original = module.forward;
  const forward = (...inputs: Tensor[]): Tensor | readonly Tensor[] =>
    tracer.scope(path, () => {
      const output: unknown = original.apply(module, inputs);
      if (output instanceof Tensor || isTensors(output)) return output;
      throw tracer.error(`forward must return a tensor, got ${show(output)}`);
    });
  Object.defineProperty(module, 'forward', { value: forward, configurable: true, writable: true });
  return () => {
    if (own === undefined) Reflect.deleteProperty(module, 'forward');
    else Object.defineProperty(module, 'forward', own);
  };
}

function isTensors(value: unknown): value is readonly Tensor[] {
  const isList = Array.isArray(value) && value.length > 0;
  return isList && value.every((each) => each instanceof Tensor);
}

/** A tensor from whatever a user's code passed to a module's forward. */
export function asTensor(who: string, value: unknown): Tensor {
  if (value instanceof Tensor) return value;
  throw new ArgumentError(
    `${who} expects a symbolic tensor, got ${show(value)}; forward is called while a network is ` +
      'traced: run networks with Trainer, evaluate or predict, single operations with ops',
  );
}
