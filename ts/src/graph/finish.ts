/**
 * Owns the way from a grown graph to the one that native code receives: optimizer nodes are placed,
 * what nothing needs is dropped, and the values are numbered anew.
 */
import type { GraphBuilder } from './builder.js';
import type { GraphSpec, NodeSpec, ValueSpec } from './spec.js';
import { operations } from './table.js';

/**
 * The finished graph.
 *
 * @param outputs What each run returns, by name.
 */
export function finish(builder: GraphBuilder, outputs: ReadonlyMap<string, number>): GraphSpec {
  const nodes = dropUnused(placeUpdates(builder.nodes), [...outputs.values()]);
  const numbers = new Map<number, number>();
  const values: ValueSpec[] = [];
  const used = new Set([
    ...outputs.values(),
    ...nodes.flatMap((node) => [...node.inputs, ...node.outputs]),
  ]);
  for (const [id, value] of builder.values.entries()) {
    if (used.has(id)) numbers.set(id, values.push(value) - 1);
  }
  const number = (id: number): number => numbers.get(id) ?? -1;
  return {
    values,
    nodes: nodes.map((node) => ({
      ...node,
      inputs: node.inputs.map(number),
      outputs: node.outputs.map(number),
    })),
    outputs: [...outputs].map(([name, id]) => ({ name, value: number(id) })),
  };
}

/** Moves each node that updates values in place to right behind the last node that reads them. */
function placeUpdates(nodes: readonly NodeSpec[]): NodeSpec[] {
  const others: NodeSpec[] = [];
  const updates: NodeSpec[] = [];
  for (const node of nodes) {
    (operations[node.op].updates === undefined ? others : updates).push(node);
  }
  const lastUse = new Map<number, number>();
  for (const [index, node] of others.entries()) {
    for (const id of [...node.inputs, ...node.outputs]) lastUse.set(id, index);
  }
  const behind = new Map<number, NodeSpec[]>();
  for (const node of updates) {
    const index = Math.max(...node.inputs.map((id) => lastUse.get(id) ?? -1));
    behind.set(index, [...(behind.get(index) ?? []), node]);
  }
  const first = behind.get(-1) ?? [];
  return [...first, ...others.flatMap((node, index) => [node, ...(behind.get(index) ?? [])])];
}

/** Drops nodes, and optional outputs at the end of a node's list, that nothing needs. */
function dropUnused(nodes: readonly NodeSpec[], outputs: readonly number[]): NodeSpec[] {
  const needed = new Set(outputs);
  const kept: NodeSpec[] = [];
  for (const node of [...nodes].reverse()) {
    const operation = operations[node.op];
    if (operation.updates === undefined && !node.outputs.some((id) => needed.has(id))) continue;
    for (const id of node.inputs) needed.add(id);
    const required = operation.outputs.filter((slot) => slot.optional !== true).length;
    let count = node.outputs.length;
    while (count > required && !needed.has(node.outputs[count - 1] ?? -1)) count -= 1;
    kept.push({ ...node, outputs: node.outputs.slice(0, count) });
  }
  return kept.reverse();
}
