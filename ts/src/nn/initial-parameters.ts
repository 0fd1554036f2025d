/** Owns what layers of products begin with. */
import { at, elementCount, formatShape, type Shape } from '../graph/shapes.js';
import { checkMemory } from '../program/memory.js';
import { defaultBias, defaultWeight } from '../random/init.js';
import { ownParameter, type Parameter } from './parameter.js';

/** The weight and the bias [outputs] of a layer, with PyTorch's initial values. */
export function initialParameters(
  who: string,
  shape: Shape,
  fanIn: number,
  bias: boolean,
  outputs = at(shape, 0),
): [Parameter, Parameter | null] {
  const biasShape = [outputs];
  checkMemory(
    `${who}, whose weight has the shape ${formatShape(shape)},`,
    (elementCount(shape) + elementCount(biasShape)) * Float32Array.BYTES_PER_ELEMENT,
  );
  const weight = ownParameter(defaultWeight(shape, fanIn), shape);
  return [weight, bias ? ownParameter(defaultBias(biasShape, fanIn), biasShape) : null];
}
