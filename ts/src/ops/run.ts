/**
 * Owns the way from one operation of the table, with host tensors, to its result: a graph of one
 * node through the machinery that whole networks use.
 */

import { types } from 'node:util';
import { checkNames, checkOneOf, checkOptions, readMember, show } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import { GraphBuilder } from '../graph/builder.js';
import { finish } from '../graph/finish.js';
import { type Operation, updatedInputs } from '../graph/operation.js';
import { checkShape, elementCount, type Shape } from '../graph/shapes.js';
import type { Attrs } from '../graph/spec.js';
import type { OpName } from '../graph/table.js';
import { operationOf } from '../graph/table.js';
import type { NativeArray } from '../program/native.js';
import { resolveTarget, type TargetOptions, targetOptionNames } from '../program/target.js';
import { WaitingCalls } from '../waiting.js';
import { withProgram } from './cache.js';
import {
  arrayType,
  checkTensor,
  type FloatTensor,
  floatTensor,
  type HostTensor,
} from './tensors.js';

/** Where and how a single operation runs: on the CPU by default. */
export interface OpOptions extends TargetOptions {}

/** Checks an operation's options, and returns those that every operation has apart. */
export function splitOptions<T extends OpOptions>(
  who: string,
  options: T,
  ownNames: readonly Exclude<keyof T, keyof OpOptions>[] = [],
): [own: Omit<T, keyof OpOptions>, common: OpOptions] {
  const given = checkOptions(who, options, [
    ...(ownNames as readonly string[]),
    ...targetOptionNames,
  ]);
  const isCommon = (name: string) => (targetOptionNames as readonly string[]).includes(name);
  const entries = Object.entries(given);
  const common = entries.filter(([name]) => isCommon(name));
  const own = entries.filter(([name]) => !isCommon(name));
  return [Object.fromEntries(own) as Omit<T, keyof OpOptions>, Object.fromEntries(common)];
}

/** Calls of all operations. */
const waiting = new WaitingCalls('inputs and outputs');

/** Options of {@link run}. */
export interface RunOptions extends OpOptions {
  /** Names of the outputs that are wanted; all of them by default. Others are not computed. */
  outputs?: readonly string[];
  /** Shapes of outputs by name, where inputs and attributes leave them open. */
  shapes?: Readonly<Record<string, Shape>>;
}

/**
 * Inputs by the names of the operation's declaration; scalars may be numbers. Of an input that may be
 * repeated, a list of tensors.
 */
export type OpInputs = Readonly<
  Record<string, HostTensor | readonly HostTensor[] | number | undefined>
>;

/**
 * Runs an operation of the graph contract by name, with its attributes as the contract has them.
 * The named functions of this module are the comfortable way to it.
 *
 * @returns Every output wanted, by name; for an optimizer step, the updated inputs by name.
 * @throws ArgumentError, ShapeError, DTypeError before any work.
 * @throws QueueFullError where calls are not awaited, and inputs and outputs of more than 512 MiB
 *   wait. Two may wait, however large.
 */
export async function run(
  op: OpName,
  inputs: OpInputs,
  attrs: Attrs = {},
  options: RunOptions = {},
): Promise<Record<string, HostTensor>> {
  const operation = operationOf(op);
  const settings = checkOptions(op, options, ['outputs', 'shapes', ...targetOptionNames]);
  const { target } = resolveTarget(op, settings, 'cpu');
  const names = operation.outputs.map(({ name }) => name);
  checkNames(op, attrs, Object.keys(operation.attrs), 'attribute');
  checkNames(op, settings.shapes ?? {}, names, 'output shape');
  const wanted = checkWanted(op, settings.outputs ?? names, names);
  const given = givenInputs(op, operation, inputs, attrs);
  const updates = new Set(updatedInputs(operation, given.length));
  const builder = new GraphBuilder();
  const ids = given.map(({ name, type, shape }, index) => {
    // Natively a state is of floats.
    const isParameter = index === 0 || type === 'i32';
    const kind = !updates.has(index) ? 'input' : isParameter ? 'parameter' : 'state';
    return builder.named(kind, name, type, shape);
  });
  const shapes = operation.outputs.map(({ name }) => {
    const shape = settings.shapes?.[name];
    return shape === undefined ? undefined : checkShape(op, `shapes.${name}`, shape);
  });
  const outputs = builder.apply(op, ids, attrs, { name: '', phase: 'forward', shapes });
  const all = outputs.map((id, index): [string, number] => [names[index] ?? '', id]);
  const returned = new Map(all.filter(([name]) => wanted.includes(name)));
  const graph = finish(builder, returned);
  const lengths = all.map(([, id]) => elementCount(builder.value(id).shape));
  const bytes = 4 * lengths.reduce((sum, length) => sum + length, 0);
  const end = waiting.begin(
    op,
    given.reduce((sum, { data }) => sum + (data?.byteLength ?? 0), bytes),
  );
  const result = withProgram(graph, target, updates.size > 0, async (program) => {
    const values: Record<string, NativeArray | number> = {};
    for (const [index, { name, value, data }] of given.entries()) {
      if (!updates.has(index)) values[name] = value;
      else if (types.isFloat32Array(data) || types.isInt32Array(data)) {
        await program.write(name, data);
      }
    }
    const results = await program.run(values);
    const tensors: [string, HostTensor][] = [];
    for (const [name, id] of returned) {
      const data = results[name];
      if (data !== undefined) tensors.push([name, { data, shape: builder.value(id).shape }]);
    }
    for (const index of updates) {
      const input = given[index];
      if (input === undefined) continue;
      const data = await program.read(input.name);
      tensors.push([input.name, { data, shape: input.shape }]);
    }
    return Object.fromEntries(tensors);
  });
  return result.finally(end);
}

/** Runs an operation without options of its own; gives its one output. */
export async function single(
  op: OpName,
  inputs: OpInputs,
  options: OpOptions,
  attrs: Attrs = {},
): Promise<FloatTensor> {
  const [, common] = splitOptions(op, options);
  const [[name, output] = ['y', undefined]] = Object.entries(await run(op, inputs, attrs, common));
  return floatTensor(name, output);
}

function checkWanted(who: string, outputs: unknown, names: readonly string[]): readonly string[] {
  if (!Array.isArray(outputs) || (outputs.length === 0 && names.length > 0)) {
    throw new ArgumentError(`${who} expects outputs to be a list of names, got ${show(outputs)}`);
  }
  return outputs.map((name) => checkOneOf(who, 'each of outputs', name, names));
}

interface GivenInput {
  readonly name: string;
  readonly type: ReturnType<typeof arrayType>;
  readonly shape: Shape;
  readonly data: NativeArray | undefined;
  /** What the program is given. */
  readonly value: NativeArray | number;
}

function givenInputs(
  op: OpName,
  operation: Operation,
  inputs: OpInputs,
  attrs: Attrs,
): GivenInput[] {
  const names = operation.inputs.map(({ name }) => name);
  checkNames(op, inputs, names, 'input');
  const given: GivenInput[] = [];
  const addTensor = (name: string, value: unknown) => {
    const { data, shape } = checkTensor(op, name, value);
    given.push({ name, type: arrayType(data), shape, data, value: data });
  };
  let isComplete = true;
  for (const slot of operation.inputs) {
    const value = readMember(op, inputs, slot.name);
    if (slot.when !== undefined) {
      const attr = attrs[slot.when];
      if (Boolean(attr) !== (value !== undefined)) {
        const wanted = typeof attr === 'boolean' ? 'true' : 'not 0';
        throw new ArgumentError(
          `${op} expects a ${slot.name} exactly where ${slot.when} is ${wanted}`,
        );
      }
      if (value !== undefined) addTensor(slot.name, value);
      continue;
    }
    if (value === undefined) {
      if (!slot.optional) {
        throw new ArgumentError(`${op} expects the input ${slot.name}, got undefined`);
      }
      isComplete = false;
      continue;
    }
    if (slot.optional && !isComplete) {
      throw new ArgumentError(`${op} expects the inputs before ${slot.name} to be given too`);
    }
    const [type] = slot.dtypes;
    if (slot.repeated === true) {
      const list: readonly unknown[] = Array.isArray(value) ? value : [value];
      for (const [index, each] of list.entries()) addTensor(`${slot.name}[${index}]`, each);
    } else if (typeof value === 'number' && type !== undefined) {
      given.push({ name: slot.name, type, shape: [], data: undefined, value });
    } else {
      addTensor(slot.name, value);
    }
  }
  return given;
}
