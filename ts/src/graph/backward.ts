/**
 * Owns the reverse walk: from the loss back to the parameters, adding backward nodes by the
 * gradient rules.
 *
 * Policy: only gradients that lead to a wanted parameter are made (the image gets none); gradients
 * of a value that is used more than once are summed with `add` as they arrive, in reverse order of
 * use.
 */
import { ArgumentError } from '../errors.js';
import { atPath, type GraphBuilder } from './builder.js';
import type { Gradient } from './operation.js';
import type { NodeSpec } from './spec.js';
import { operationOf } from './table.js';

/**
 * Adds the backward nodes of `loss` to the graph.
 *
 * @param wanted The values (parameters) whose gradients are wanted.
 * @returns Gradient of the loss with respect to each wanted value that the loss depends on.
 */
export function addBackward(
  builder: GraphBuilder,
  loss: number,
  wanted: ReadonlySet<number>,
): Map<number, number> {
  const forward = [...builder.nodes];
  const leads = valuesThatLeadBack(forward, wanted);
  const gradients = new Map<number, Gradient>([[loss, 'one']]);
  const one = numberOne(builder);
  for (const node of forward.reverse()) {
    const used = node.outputs.some((id) => gradients.has(id));
    if (used && node.inputs.some((id) => leads.has(id))) {
      try {
        addNodeGradient(builder, node, leads, gradients, one);
      } catch (error) {
        throw atPath(node.name, error);
      }
    }
  }
  const result = new Map<number, number>();
  for (const id of wanted) {
    const gradient = gradients.get(id);
    if (typeof gradient === 'number') result.set(id, gradient);
  }
  return result;
}

/** The number 1 as a value of the graph, made when it is first asked for. */
function numberOne(builder: GraphBuilder): () => number {
  let made: number | undefined;
  return () => {
    const options = { name: '', phase: 'backward' as const, shapes: [[]] };
    made ??= builder.apply('fill', [], { value: 1 }, options)[0];
    if (made === undefined) throw new ArgumentError('fill has no output');
    return made;
  };
}

function valuesThatLeadBack(
  forward: readonly NodeSpec[],
  wanted: ReadonlySet<number>,
): ReadonlySet<number> {
  const leads = new Set(wanted);
  for (const node of forward) {
    if (node.inputs.some((id) => leads.has(id))) {
      for (const id of node.outputs) leads.add(id);
    }
  }
  return leads;
}

function addNodeGradient(
  builder: GraphBuilder,
  node: NodeSpec,
  leads: ReadonlySet<number>,
  gradients: Map<number, Gradient>,
  one: () => number,
): void {
  const { gradient } = operationOf(node.op);
  if (gradient === null) {
    throw new ArgumentError(
      `${node.op} has no gradient, so no parameter before it can be trained; ` +
        'move it out of the part of the network that is trained',
    );
  }
  const options = { name: node.name, phase: 'backward' as const };
  const input = (index: number): number => {
    const id = node.inputs[index];
    if (id === undefined) throw new ArgumentError(`${node.op} has no input ${index}`);
    return id;
  };
  gradient({
    inputs: node.inputs,
    outputs: node.outputs,
    attrs: node.attrs,
    wants: (index) => leads.has(input(index)),
    gradOf: (index) => gradients.get(node.outputs[index] ?? -1),
    shapeOf: (id) => builder.value(id).shape,
    emit: (op, inputs, attrs, shapes) =>
      builder.apply(op, inputs, attrs, { ...options, shapes, outputCount: shapes.length }),
    one,
    give: (index, given) => {
      const id = input(index);
      const before = gradients.get(id);
      if (before === undefined) {
        gradients.set(id, given);
      } else {
        const both = [before, given].map((each) => (each === 'one' ? one() : each));
        const [sum] = builder.apply('add', both, {}, options);
        if (sum !== undefined) gradients.set(id, sum);
      }
    },
  });
}
