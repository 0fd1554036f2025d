/**
 * Owns the section on primitives: the training step against the sum of what its operations take
 * when each runs alone, as a program of one node with the same shapes.
 *
 * Policy: the sum is the strictest there is. Of a program of one node only the operation's own
 * kernel counts, not the reorders that plain inputs and outputs need; operations that the step's
 * program has fused into a neighbour (ReLU and its gradient) are not in the sum at all; a
 * convolution alone takes the algorithm that is fastest alone; and where an operation is faster in
 * the step than alone (pooling, which reads plain layout alone), its time in the step counts.
 */
import { native, type wholeGraphs } from './inside.js';
import { median } from './measure.js';
import { type KernelTime, sumOf, syntheticLabels, Training } from './ours.js';
import type { Measure } from './report.js';
import type { Bench, Subject } from './speed.js';

type Graph = ReturnType<typeof wholeGraphs.trainGraph>['spec'];
type Node = Graph['nodes'][number];
type Value = Graph['values'][number];
type Inputs = Parameters<Awaited<ReturnType<typeof native.compile>>['profile']>[0];

/** Runs of a primitive of which the median counts. */
const runsPerPrimitive = 7;

/** A graph of one node of another graph: what the node reads is input, parameter or state. */
function graphOf(node: Node, values: Graph['values']): Graph {
  const ids = [...new Set([...node.inputs, ...node.outputs])];
  const number = (id: number) => ids.indexOf(id);
  return {
    values: ids.map((id): Value => {
      const value = values[id]!;
      const isMade = node.outputs.includes(id);
      if (isMade || value.kind !== 'intermediate') return value;
      return { ...value, kind: 'input', name: `value ${id}` };
    }),
    nodes: [{ ...node, inputs: node.inputs.map(number), outputs: node.outputs.map(number) }],
    outputs: node.outputs.map((id, index) => ({ name: `output ${index}`, value: number(id) })),
  };
}

/** The node's operation with everything that decides its time. */
function keyOf({ op, attrs, inputs, outputs }: Node, values: Graph['values']): string {
  const types = (ids: readonly number[]) =>
    ids.map((id) => {
      const { dtype, shape, kind } = values[id]!;
      return [dtype, shape, kind === 'parameter' || kind === 'state'];
    });
  return JSON.stringify([op, attrs, types(inputs), types(outputs)]);
}

/** Inputs of a run: no constants, and within what each operation allows. */
function inputsOf({ nodes, values }: Graph, batch: number): Inputs {
  const { kernelSize = [16, 16] } = nodes[0]!.attrs;
  const [height, width] = kernelSize as readonly [number, number];
  const hash = (index: number) => Math.imul(index + 1, 0x9e3779b1) >>> 8;
  const inputs: Record<string, Inputs[string]> = {};
  for (const { kind, name, dtype, shape } of values) {
    if (kind !== 'input') continue;
    const length = shape.reduce((product, extent) => product * extent, 1);
    if (name === 'lr') inputs[name] = 0.001;
    else if (name === 'step') inputs[name] = 1;
    else if (name === 'count') inputs[name] = batch;
    else if (name === 'label') inputs[name] = syntheticLabels(batch);
    else if (dtype === 'f32') {
      inputs[name] = Float32Array.from({ length }, (_, i) => hash(i) / 2 ** 23 - 1);
    } else if (dtype === 'u8') {
      // Pixels, or the place of the largest value in a window of max-pooling.
      inputs[name] = Uint8Array.from({ length }, (_, i) => hash(i) % (height * width));
    } else throw new Error(`bench: no values for the input ${name} of type ${dtype}`);
  }
  return inputs;
}

/** Milliseconds of the operation's own kernel in a program of one node. */
async function timeAlone(graph: Graph, batch: number): Promise<number> {
  const program = await native.compile(graph, { device: 'cpu', algorithm: 'auto' });
  try {
    const kernels = await program.profile(inputsOf(graph, batch), runsPerPrimitive);
    return sumOf(kernels.filter(({ op }) => op !== 'reorder'));
  } finally {
    await program.dispose();
  }
}

/** Milliseconds alone of each kernel of a program; of reorders, which are no primitive, nothing. */
async function timesAlone(
  { nodes, values }: Graph,
  kernels: readonly KernelTime[],
  batch: number,
): Promise<(number | undefined)[]> {
  const known = new Map<string, number>();
  const times: (number | undefined)[] = [];
  for (const { op, name, phase } of kernels) {
    const node = nodes.find((it) => it.op === op && it.name === name && it.phase === phase);
    if (node === undefined) {
      if (op !== 'reorder') throw new Error(`bench: the graph has no ${op} of ${name}`);
      times.push(undefined);
      continue;
    }
    const key = keyOf(node, values);
    const time = known.get(key) ?? (await timeAlone(graphOf(node, values), batch));
    known.set(key, time);
    times.push(time);
  }
  return times;
}

/** Steps before and after the primitives, the primitives alone, and the kernels in place. */
export async function timePrimitives(
  { options: { rounds } }: Bench,
  { name: subject, network, batch }: Subject,
): Promise<Measure[]> {
  await using training = await Training.create(network, batch);
  const wholes: number[] = [];
  const takeSteps = async () => {
    await training.step(); // wakes the threads, and is not counted
    for (let round = 0; round < rounds; round++) wholes.push(await training.step());
  };
  await takeSteps();
  const kernels = await training.profile(rounds);
  const alone = await timesAlone(training.spec, kernels, batch);
  await takeSteps();
  printKernels(kernels, alone);
  const step = median(wholes);
  const sum = alone.reduce(
    (total: number, time, index) => total + Math.min(time ?? 0, kernels[index]!.medianMs),
    0,
  );
  const inPlace = sumOf(kernels);
  const ratio = (name: string, value: number): Measure => {
    return { name, unit: 'ratio', value, peer_value: null, ratio: null };
  };
  return [
    ratio(`${subject} training step of ${batch} / sum of its primitives alone`, step / sum),
    ratio(`${subject} training step of ${batch} / sum of its kernels in place`, step / inPlace),
  ];
}

function printKernels(
  kernels: readonly KernelTime[],
  alone: readonly (number | undefined)[],
): void {
  console.error('\nkernels of one training step, in order; milliseconds in place and alone:');
  for (const [index, { name, op, phase, kernel, medianMs }] of kernels.entries()) {
    const times = [medianMs, alone[index]].map((ms) => (ms?.toFixed(2) ?? '-').padStart(9));
    const what = [phase.padEnd(9), op.padEnd(20), name.padEnd(16), kernel];
    console.error([...times, ...what].join('  '));
  }
}
