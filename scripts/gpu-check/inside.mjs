/**
 * Owns the way to the built package and to what it does not export: traced graphs, their native
 * programs, the table of operations. Loaded at run time, since the check builds it first.
 */
const dist = new URL('../../dist/', import.meta.url);
const load = (path) => import(new URL(path, dist).href);

/** The package, and its inside views. */
export async function loadPackage() {
  return {
    package: await load('index.js'),
    graphs: await load('program/graphs.js'),
    operations: (await load('graph/table.js')).operations,
    GraphBuilder: (await load('graph/builder.js')).GraphBuilder,
    finish: (await load('graph/finish.js')).finish,
    native: await load('program/native.js'),
  };
}
