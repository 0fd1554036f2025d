/** Owns the check that a checkpoint's optimizer state is that of a training program. */
import { CheckpointError } from '../errors.js';
import { formatShape, sameShape } from '../graph/shapes.js';
import type { StateTensor } from '../nn/index.js';
import type { TracedGraph } from '../program/graphs.js';

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
