/**
 * Owns the way to what the package does not export: traced graphs and their native programs, of
 * which the benchmark reads per-kernel times. Loaded from dist at run time, typed from ts/src.
 */
const dist = new URL('../../dist/', import.meta.url); // from build/bench

const load = (path: string): Promise<unknown> => import(new URL(path, dist).href);

export const wholeGraphs = (await load(
  'program/graphs.js',
)) as typeof import('../ts/src/program/graphs.js');
export const graphs = {
  ...((await load('graph/builder.js')) as typeof import('../ts/src/graph/builder.js')),
  ...((await load('graph/finish.js')) as typeof import('../ts/src/graph/finish.js')),
  ...((await load('graph/table.js')) as typeof import('../ts/src/graph/table.js')),
  ...((await load('graph/ops/pooling.js')) as typeof import('../ts/src/graph/ops/pooling.js')),
};
export const compiled = (await load(
  'program/compiled.js',
)) as typeof import('../ts/src/program/compiled.js');
export const native = (await load(
  'program/native.js',
)) as typeof import('../ts/src/program/native.js');
