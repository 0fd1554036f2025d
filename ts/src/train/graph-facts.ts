/**
 * Owns what the trainer reads from a traced graph: its parameters, its classes, its optimizer state.
 */
import { ArgumentError, CheckpointError, ShapeError } from '../errors.js';
import { formatShape, sameShape } from '../graph/shapes.js';
import type { ImageSpec, TracedGraph } from '../graph/steps.js';
import type { Module, Outputs, StateTensor } from '../nn/index.js';
import type { InputSignature } from './batch.js';

/**
 * Traces a graph for more examples than the batch at hand has. Where that fails, the error shows the
 * batch's own shape, which its owner knows.
 */
export function traceFor(
  size: number,
  largest: number,
  traceGraph: (batchSize: number) => TracedGraph,
): TracedGraph {
  try {
    return traceGraph(largest);
  } catch (error) {
    if (size !== largest) traceGraph(size);
    throw error;
  }
}

/** @throws ArgumentError where a parameter or buffer of the graph is not the network's any more. */
export function checkParameters(
  caller: string,
  traced: TracedGraph,
  net: Module<Outputs>,
  loss?: Module,
): void {
  const present = new Set<unknown>([
    ...net.parameters(),
    ...net.buffers(),
    ...(loss?.buffers() ?? []),
  ]);
  for (const [name, source] of traced.parameters) {
    if (present.has(source)) continue;
    throw new ArgumentError(
      `${caller}: expected the network's layers to be those of the first call, but ${name} was ` +
        'replaced. Change values by loadStateDict or parameter.data, or make a new object for the ' +
        'changed network.',
    );
  }
}

/** The images of a graph. */
export function imageSpec(signature: InputSignature, batchSize: number): ImageSpec {
  const { imageShape, dtype, mean, std } = signature;
  const spec = { batchSize, shape: imageShape, dtype };
  return dtype === 'u8' ? { ...spec, mean, std } : spec;
}

/** Number of classes of a graph that predicts: columns of its output [N, C]. */
export function outputClasses(traced: TracedGraph): number {
  return columns(traced, 'Predictor', traced.spec.outputs[0]?.value);
}

function columns(traced: TracedGraph, who: string, value: number | undefined): number {
  const shape = traced.spec.values[value ?? -1]?.shape ?? [];
  const [, classes] = shape;
  if (shape.length === 2 && classes !== undefined) return classes;
  throw new ShapeError(
    `${who} expects the network to return [N, classes], got ${formatShape(shape)}`,
  );
}

/** @throws CheckpointError where the state's names or shapes are not those of the graph. */
export function checkState(
  traced: TracedGraph,
  state: Readonly<Record<string, StateTensor>>,
): void {
  const misfit = (what: string) =>
    new CheckpointError(
      `the checkpoint's optimizer state does not fit: ${what}. ` +
        'Use the network and the optimizer that it was saved with.',
    );
  for (const [name, shape] of traced.states) {
    const tensor = Object.hasOwn(state, name) ? state[name] : undefined;
    if (tensor === undefined) throw misfit(`${name} is missing`);
    if (!sameShape(tensor.shape, shape)) {
      throw misfit(
        `expected ${name} of shape ${formatShape(shape)}, got ${formatShape(tensor.shape)}`,
      );
    }
  }
  for (const name of Object.keys(state)) {
    if (!traced.states.has(name)) throw misfit(`${name} is not of this optimizer`);
  }
}
