/**
 * Owns how many images a predictor computes at a time.
 *
 * Policy: programs are made for one image, for eight, and for the largest number, so that few images
 * do not cost what many do. What lies between is padded, or split where that computes less than half.
 */

/** Images of one run. */
export interface Part {
  /** Index of the first image. */
  readonly begin: number;
  readonly rows: number;
  /** Images that the program is made for; the rest are padding. */
  readonly batchSize: number;
}

/** The numbers of images that programs are made for, ascending. */
export function programSizes(largest: number): readonly number[] {
  return [...[1, 8].filter((size) => size < largest), largest];
}

/** Cuts n images into runs. */
export function partsOf(n: number, sizes: readonly number[]): Part[] {
  const parts: Part[] = [];
  let begin = 0;
  while (begin < n) {
    const batchSize = sizeFor(n - begin, sizes);
    const rows = Math.min(batchSize, n - begin);
    parts.push({ begin, rows, batchSize });
    begin += rows;
  }
  return parts;
}

/** The size for what is left: the smallest that takes it all, or one below where that is cheaper. */
function sizeFor(left: number, sizes: readonly number[]): number {
  const last = sizes.length - 1;
  const enough = sizes.findIndex((size) => size >= left);
  let index = enough === -1 ? last : enough;
  while (index > 0) {
    const smaller = sizes[index - 1]!;
    if (Math.ceil(left / smaller) * smaller >= sizes[index]! / 2) break;
    index -= 1;
  }
  return sizes[index]!;
}
