/**
 * Reads op-cases.json, the one table of operation cases, and generates their input values.
 *
 * A group of the table is an operation of the graph contract with its gradient operations, which run
 * on the same rows. A row gives the shapes of the group's `inputs`; what else it holds are attributes
 * (over the group's `defaults`) and `values`, the distributions of single inputs. `bias: true` adds an
 * input b of one element per output channel. A distribution that is not named is 'uniform'.
 *
 * Values are a pure function of (distribution, key, index), exact in f32, and the same as in
 * scripts/fixtures/case_values.py:
 *   seed = FNV-1a of the key; h = fmix32(seed + index * 0x9E3779B9); key = 'op/case/input'.
 */
import { readFileSync } from 'node:fs';
import type { Attrs } from '../../dist/graph/spec.js';
import type { OpName } from '../../dist/graph/table.js';

/** How the elements of an input are distributed. */
export type Distribution =
  | 'uniform'
  | 'logits'
  | 'wide'
  | 'negative'
  | 'positive'
  | 'ties'
  | 'bytes'
  | 'labels'
  | 'someIgnored'
  | 'unit'
  | 'zero';

/** Value of one attribute of a case, as the table writes it. */
export type CaseAttr = number | boolean | string | null | readonly number[];

/** One row of the table, its defaults filled in. */
export interface OpCase {
  /** 'conv2d/alexnet.conv1' */
  readonly id: string;
  readonly op: OpName;
  readonly name: string;
  /** Gradient operations that run on this row. */
  readonly gradients: readonly OpName[];
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  readonly attrs: Readonly<Record<string, CaseAttr>>;
  readonly distributions: Readonly<Record<string, Distribution>>;
  /** Largest |a - b| / max |b| over a tensor that a comparison in f32 allows. */
  readonly tolerance: number;
  /** The same where Winograd's algorithm computes; undefined where there is no such kernel. */
  readonly winogradTolerance: number | undefined;
}

interface Group {
  inputs: string[];
  gradients: OpName[];
  tolerance: number;
  winogradTolerance?: number;
  values: Record<string, Distribution>;
  defaults: Record<string, CaseAttr>;
  cases: Record<string, Record<string, CaseAttr | Record<string, Distribution>>>;
}

/**
 * The whole table, in its own order.
 *
 * @param file The table; beside this module unless given.
 */
export function opCases(file = new URL('op-cases.json', import.meta.url)): OpCase[] {
  const text = readFileSync(file, 'utf8');
  const table = JSON.parse(text) as Record<OpName, Group>;
  return Object.entries(table).flatMap(([op, group]) =>
    Object.entries(group.cases).map(([name, row]) => makeCase(op as OpName, name, group, row)),
  );
}

function makeCase(op: OpName, name: string, group: Group, row: Group['cases'][string]): OpCase {
  const { values = {}, ...rest } = row;
  const attrs: Record<string, CaseAttr> = { ...group.defaults, ...rest } as typeof attrs;
  const shapes: Record<string, readonly number[]> = {};
  for (const input of group.inputs) {
    if (attrs[input] === undefined) continue; // an optional one
    shapes[input] = attrs[input] as number[];
    delete attrs[input];
  }
  if (attrs.bias === true && shapes.w !== undefined) shapes.b = [shapes.w![0]!];
  delete attrs.bias;
  const { winogradTolerance } = group;
  const hasKernel = winogradTolerance !== undefined && hasWinograd(shapes.w!, attrs);
  return {
    id: `${op}/${name}`,
    op,
    name,
    gradients: group.gradients,
    shapes,
    attrs,
    distributions: { ...group.values, ...(values as Record<string, Distribution>) },
    tolerance: group.tolerance,
    winogradTolerance: hasKernel ? winogradTolerance : undefined,
  };
}

/** Square 3x3 and 5x5 kernels over all channels that move by one pixel: Winograd's shapes. */
function hasWinograd(w: readonly number[], attrs: Record<string, CaseAttr>): boolean {
  const isOnes = (pair: CaseAttr | undefined) => String(pair) === '1,1';
  const isSquare = w[2] === w[3] && (w[2] === 3 || w[2] === 5);
  return isSquare && isOnes(attrs.stride) && isOnes(attrs.dilation) && attrs.groups === 1;
}

/**
 * Rows of products that are run in lower precisions as well: large ones, in which rounding averages
 * out, and some of every kind.
 */
export function lowerPrecisionCases(cases: readonly OpCase[]): OpCase[] {
  const products = cases.filter(({ op }) => ['conv2d', 'linear', 'gemm'].includes(op));
  return products.filter(({ name }, index) => index % 4 === 0 || /^(alex|le)net/.test(name));
}

/**
 * The largest relative error that these precisions may have: inputs have 10 bits after the first,
 * which tf32 keeps whole and bf16 rounds to 7.
 */
export const lowerPrecisions = { tf32: 2e-3, bf16: 2e-2 } as const;

/** The words of the table that the graph contract has numbers for. */
const words: Readonly<Record<string, readonly string[]>> = {
  reduction: ['mean', 'sum', 'none'],
  mode: ['constant', 'reflect', 'replicate', 'circular'],
};

/** The attributes `names` of a row, as the graph contract writes them. */
export function attrsOf({ attrs }: Pick<OpCase, 'attrs'>, names: readonly string[]): Attrs {
  const entries = names.map((name) => {
    const value = attrs[name];
    if (value === undefined) throw new Error(`op-cases.json: a row has no ${name}`);
    return [name, typeof value === 'string' ? words[name]!.indexOf(value) : value];
  });
  return Object.fromEntries(entries);
}

/**
 * The output's shape, for operations whose inputs and attributes leave it open: the row's `shape`, or
 * of a sum that of x with 1 for each of the row's `axes`.
 */
export function openShape({ op, shapes, attrs }: OpCase): readonly number[] | undefined {
  if (['reshape', 'fill', 'expand', 'slice', 'interpolate'].includes(op))
    return attrs.shape as number[];
  if (op !== 'sum') return undefined;
  const axes = attrs.axes as number[];
  return shapes.x!.map((size, axis) => (axes.includes(axis) ? 1 : size));
}

/** Number of elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** The hash of element `index` of the input that `key` names: u32. */
export function hashAt(key: string, index: number): number {
  return fmix32((fnv1a(key) + Math.imul(index, 0x9e3779b9)) >>> 0);
}

function fnv1a(key: string): number {
  let h = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(key)) h = Math.imul(h ^ byte, 0x01000193);
  return h >>> 0;
}

function fmix32(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Input `name` of a case as f32; `shape` is needed where the table has none (gy, g.1). */
export function floats(
  opCase: OpCase,
  name: string,
  shape = opCase.shapes[name]!,
  like = name,
): Float32Array {
  const toValue = sampler(opCase, like);
  const seed = fnv1a(`${opCase.id}/${name}`);
  const out = new Float32Array(sizeOf(shape));
  for (let i = 0; i < out.length; i++) {
    out[i] = toValue(fmix32((seed + Math.imul(i, 0x9e3779b9)) >>> 0));
  }
  return out;
}

/** Input `name` of a case as labels. */
export function labels(opCase: OpCase, name: string): Int32Array {
  return Int32Array.from(floats(opCase, name));
}

/** Input `name` of a case as bytes. */
export function bytes(opCase: OpCase, name: string): Uint8Array {
  return Uint8Array.from(floats(opCase, name));
}

/** Columns of a loss's first input. */
function classesOf({ shapes }: OpCase): number {
  return (shapes.logits ?? shapes.input)![1]!;
}

function sampler(opCase: OpCase, name: string): (hash: number) => number {
  const distribution = opCase.distributions[name] ?? 'uniform';
  switch (distribution) {
    case 'uniform':
      return (h) => ((h >>> 21) - 1024) / 1024;
    case 'logits':
      return (h) => ((h >>> 21) - 1024) / 128;
    case 'wide':
      return (h) => ((h >>> 21) - 1024) / 8;
    case 'negative':
      return (h) => -((h >>> 21) + 1) / 1024;
    case 'positive':
      return (h) => ((h >>> 21) + 64) / 1024;
    case 'ties':
      return (h) => (h >>> 30) - 2;
    case 'bytes':
      return (h) => h >>> 24;
    case 'labels':
      return (h) => h % classesOf(opCase);
    case 'someIgnored':
      return (h) => (h >>> 30 === 0 ? -100 : h % classesOf(opCase));
    case 'unit':
      return (h) => (h >>> 21) / 2048;
    case 'zero':
      return () => 0;
  }
}
