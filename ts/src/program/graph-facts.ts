/**
 * Owns what trainers and predictors read from a traced graph: its images, its parameters, its outputs.
 */
import { ArgumentError, ShapeError } from '../errors.js';
import { formatShape, type Shape } from '../graph/shapes.js';
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

/**
 * Shape of what a graph that predicts gives for one image: that of its output without the leading N.
 *
 * @throws ShapeError for an output that has not one row for each image.
 */
export function outputShape(traced: TracedGraph): Shape {
  const output = traced.spec.outputs.find(({ name }) => name === 'logits');
  const shape = traced.spec.values[output?.value ?? -1]?.shape ?? [];
  const [n, ...each] = shape;
  if (n === traced.batchSize) return each;
  throw new ShapeError(
    `Predictor expects the network to return [N, ...] for ${traced.batchSize} images, ` +
      `got ${formatShape(shape)}`,
  );
}
