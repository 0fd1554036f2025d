/** Owns the checks of a batch against the program that would take it. */
import { ShapeError } from '../errors.js';
import { describeSignature, type InputSignature, sameSignature } from '../program/batch.js';
import type { CompiledGraph } from '../program/compiled.js';

/**
 * @throws ShapeError where a batch is too large, or of another kind. A graph that takes no padding
 *   gives way to one of the batch's own size, whatever it is.
 */
export function checkFits(
  caller: string,
  graph: CompiledGraph,
  signature: InputSignature,
  size: number,
): void {
  if (size > graph.batchSize && !graph.traced.wholeBatches) {
    throw new ShapeError(
      `${caller} expects at most ${graph.batchSize} examples, as the program was compiled for, ` +
        `got a batch of ${size}. Call trainer.compile({ batchSize: ${size}, ... }) first, ` +
        'or begin with the largest batch.',
    );
  }
  checkSignature(caller, graph, signature);
}

/** @throws ShapeError where images are of another kind than the graph's. */
export function checkSignature(
  caller: string,
  graph: CompiledGraph,
  signature: InputSignature,
): void {
  if (sameSignature(graph.signature, signature)) return;
  throw new ShapeError(
    `${caller} expects images ${describeSignature(graph.signature)}, as the program was ` +
      `compiled for, got ${describeSignature(signature)}. One trainer takes one kind of image.`,
  );
}
