/**
 * Owns the way from a grown graph to the one that native code receives: optimizer nodes are placed,
 * what nothing needs is dropped, and the values are numbered anew.
 */
import type { GraphBuilder } from './builder.js';
import { updatedInputs } from './operation.js';
import type { GraphSpec, NodeSpec, ValueSpec } from './spec.js';
import { operationOf } from './table.js';

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

/**
 * Moves each optimizer step to as early as allowed: right behind the last node that reads the values
 * that it updates, or makes one of its inputs. Other updates stay where they were recorded.
 */
function placeUpdates(nodes: readonly NodeSpec[]): NodeSpec[] {
  const others = nodes.filter(({ phase }) => phase !== 'optimizer');
  const lastRead = new Map<number, number>();
  const madeAt = new Map<number, number>();
  for (const [index, node] of others.entries()) {
    for (const id of node.inputs) lastRead.set(id, index);
    for (const id of node.outputs) madeAt.set(id, index);
  }
  const behind = new Map<number, NodeSpec[]>();
  for (const node of nodes) {
    if (node.phase !== 'optimizer') continue;
    const updates = updatedInputs(operationOf(node.op), node.inputs.length);
    const reads = updates.map((input) => lastRead.get(node.inputs[input] ?? -1) ?? -1);
    const makes = node.inputs.map((id) => madeAt.get(id) ?? -1);
    const index = Math.max(...reads, ...makes);
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
    const operation = operationOf(node.op);
    // An operation that could update something has nothing to update where the input is absent.
    const updates = updatedInputs(operation, node.inputs.length);
    if (updates.length === 0 && !node.outputs.some((id) => needed.has(id))) continue;
    for (const id of node.inputs) needed.add(id);
    const required = operation.outputs.filter((slot) => slot.optional !== true).length;
    let count = node.outputs.length;
    while (count > required && !needed.has(node.outputs[count - 1] ?? -1)) count -= 1;
    kept.push({ ...node, outputs: node.outputs.slice(0, count) });
  }
  return kept.reverse();
}
