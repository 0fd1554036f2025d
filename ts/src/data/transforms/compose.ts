/** Owns Compose: chains of transforms, and their order. */
import { show } from '../../arguments.js';
import { ArgumentError } from '../../errors.js';
import { Normalize, ToTensor } from './tensor.js';
import type { Transform } from './transform.js';

/** What a chain is made of, and what a dataset takes: transforms of bytes, the two ends, chains. */
export type TransformStep = Transform | ToTensor | Normalize | Compose;

/**
 * A chain of transforms: those of bytes in any number and order, then ToTensor, then at most one
 * Normalize. Chains may stand in chains.
 *
 * @example
 * new Compose([new RandomCrop(28, { padding: 2 }), new RandomHorizontalFlip(), new Resize(224),
 *   new ToTensor(), new Normalize(0.286, 0.353)]);
 */
export class Compose {
  /** The transforms, chains inside chains flattened. */
  readonly transforms: readonly (Transform | ToTensor | Normalize)[];

  /**
   * @throws {ArgumentError} where something is no transform, Normalize comes before ToTensor, a
   *   transform of bytes after it, or one of the two comes twice.
   */
  constructor(transforms: readonly TransformStep[]) {
    if (!Array.isArray(transforms)) {
      throw new ArgumentError(`Compose: expected a list of transforms, got ${show(transforms)}`);
    }
    this.transforms = (transforms as readonly TransformStep[]).flatMap((t) =>
      t instanceof Compose ? t.transforms : [t],
    );
    let last = 0;
    for (const t of this.transforms) {
      const rank = rankOf(t);
      if (rank === 2 && last === 0) {
        throw new ArgumentError('Compose: expected ToTensor before Normalize, which needs floats');
      }
      if (rank < last || (rank > 0 && rank === last)) {
        throw new ArgumentError(
          'Compose: expected transforms of the 8-bit image, then ToTensor and Normalize, each of ' +
            `these two at most once, got [${this.transforms.map(textOf).join(', ')}]`,
        );
      }
      last = rank;
    }
  }

  toString(): string {
    return `Compose(\n${this.transforms.map((t) => `    ${textOf(t)}\n`).join('')})`;
  }
}

/** 0 for a transform of bytes, then the order of the two ends. */
function rankOf(transform: unknown): number {
  if (transform instanceof ToTensor) return 1;
  if (transform instanceof Normalize) return 2;
  if (isTransform(transform)) return 0;
  throw new ArgumentError(
    'Compose: expected transforms (objects with apply(image, shape, random), ToTensor, Normalize or ' +
      `Compose), got ${show(transform)}`,
  );
}

function isTransform(value: unknown): value is Transform {
  return (
    typeof value === 'object' && value !== null && typeof (value as Transform).apply === 'function'
  );
}

/** As the transform prints itself, or its class's name. */
function textOf(transform: object): string {
  const text = String(transform);
  return text === '[object Object]' ? show(transform) : text;
}
