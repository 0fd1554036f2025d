/**
 * Owns what trainers and predictors read from a traced graph: its images, its parameters, its classes.
 */
import { ArgumentError, ShapeError } from '../errors.js';
import { formatShape } from '../graph/shapes.js';
import { sourceNames, type TraceableModule } from '../graph/trace.js';
import type { InputSignature } from './batch.js';
import type { ImageSpec, TracedGraph } from './graphs.js';

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
  net: TraceableModule,
  loss?: TraceableModule,
): void {
  const present = new Set<unknown>(sourceNames(net, loss).keys());
  for (const [name, source] of traced.parameters) {
    if (present.has(source)) continue;
    throw new ArgumentError(
      `${caller} expects the network's layers to be those of the first call, but ${name} was ` +
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
