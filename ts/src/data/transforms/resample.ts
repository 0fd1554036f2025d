/**
 * Owns bilinear resampling of 8-bit planes, bit for bit as Pillow's `Image.resize(BILINEAR)`.
 *
 * The method: each output pixel is a weighted mean of the input pixels under a triangle filter,
 * whose width grows with the scale when the image shrinks (antialiasing). Weights are fixed-point
 * numbers of 22 fractional bits. The axes are filtered one after the other, and the first pass is
 * rounded to 8 bits; which axis comes first is Pillow 13's choice. (Before 13, the horizontal one
 * always did, so that older versions differ by one in some pixels of images that lose much more
 * height than width.) Every sum fits 32 bits: weights are not negative and sum to about one.
 */

const FRACTION_BITS = 22;
const HALF = 1 << (FRACTION_BITS - 1);

/** Weights of one axis: output pixel i reads `count[i]` inputs from `first[i]` on. */
interface AxisWeights {
  readonly first: Int32Array;
  readonly count: Int32Array;
  /** [outputs, taps] */
  readonly weights: Int32Array;
  readonly taps: number;
}

function axisWeights(inputSize: number, outputSize: number): AxisWeights {
  // An axis that keeps its size is not filtered: its only weight is one, which changes nothing.
  if (inputSize === outputSize) return identityWeights(outputSize);
  const scale = inputSize / outputSize;
  const filterScale = Math.max(scale, 1);
  const support = filterScale; // the triangle filter's own support is 1
  const taps = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(outputSize);
  const count = new Int32Array(outputSize);
  const weights = new Int32Array(outputSize * taps);
  const row = new Float64Array(taps);
  // The order of the float64 operations decides the last bit of a weight, so it is Pillow's.
  const step = 1 / filterScale;
  for (let i = 0; i < outputSize; i++) {
    const center = (i + 0.5) * scale;
    const begin = Math.max(Math.trunc(center - support + 0.5), 0);
    const end = Math.min(Math.trunc(center + support + 0.5), inputSize);
    let sum = 0;
    for (let x = begin; x < end; x++) {
      const w = Math.max(1 - Math.abs((x - center + 0.5) * step), 0);
      row[x - begin] = w;
      sum += w;
    }
    first[i] = begin;
    count[i] = end - begin;
    for (let x = 0; x < end - begin; x++) {
      weights[i * taps + x] = Math.trunc(0.5 + (row[x]! / sum) * (1 << FRACTION_BITS));
    }
  }
  return { first, count, weights, taps };
}

function identityWeights(size: number): AxisWeights {
  return {
    first: Int32Array.from({ length: size }, (_, i) => i),
    count: new Int32Array(size).fill(1),
    weights: new Int32Array(size).fill(1 << FRACTION_BITS),
    taps: 1,
  };
}

/** Pixels of a pass: bytes, or the first pass's results, which are bytes held in faster words. */
type Plane = Uint8Array | Int32Array;

/** Resamples planes of one size to another. Weights are computed once; not reentrant. */
export class Resampler {
  readonly #inputHeight: number;
  readonly #inputWidth: number;
  readonly #outputHeight: number;
  readonly #outputWidth: number;
  readonly #horizontal: AxisWeights;
  readonly #vertical: AxisWeights;
  readonly #isCopy: boolean;
  readonly #isVerticalFirst: boolean;
  /** The first pass's result. */
  readonly #between: Int32Array;

  constructor(inputHeight: number, inputWidth: number, outputHeight: number, outputWidth: number) {
    this.#inputHeight = inputHeight;
    this.#inputWidth = inputWidth;
    this.#outputHeight = outputHeight;
    this.#outputWidth = outputWidth;
    this.#horizontal = axisWeights(inputWidth, outputWidth);
    this.#vertical = axisWeights(inputHeight, outputHeight);
    this.#isCopy = inputHeight === outputHeight && inputWidth === outputWidth;
    const lostHeight = inputHeight - outputHeight;
    this.#isVerticalFirst = lostHeight > 0 && lostHeight > 2 * (inputWidth - outputWidth);
    const between = this.#isVerticalFirst ? outputHeight * inputWidth : inputHeight * outputWidth;
    this.#between = new Int32Array(this.#isCopy ? 0 : between);
  }

  /**
   * Resamples `planes` consecutive planes.
   *
   * @param source [planes, inputHeight, inputWidth] from `sourceOffset` on.
   * @param target [planes, outputHeight, outputWidth] from `targetOffset` on.
   */
  run(
    source: Uint8Array,
    sourceOffset: number,
    target: Uint8Array,
    targetOffset: number,
    planes: number,
  ): void {
    const inputPlane = this.#inputHeight * this.#inputWidth;
    const outputPlane = this.#outputHeight * this.#outputWidth;
    if (this.#isCopy) {
      target.set(source.subarray(sourceOffset, sourceOffset + planes * inputPlane), targetOffset);
      return;
    }
    for (let p = 0; p < planes; p++) {
      const from = sourceOffset + p * inputPlane;
      const to = targetOffset + p * outputPlane;
      if (this.#isVerticalFirst) {
        filterColumns(this.#vertical, source, from, this.#between, 0, this.#inputWidth);
        const rows = this.#outputHeight;
        filterRows(this.#horizontal, this.#between, 0, target, to, this.#inputWidth, rows);
      } else {
        const rows = this.#inputHeight;
        filterRows(this.#horizontal, source, from, this.#between, 0, this.#inputWidth, rows);
        filterColumns(this.#vertical, this.#between, 0, target, to, this.#outputWidth);
      }
    }
  }
}

/**
 * The horizontal pass.
 *
 * @param source [rows, inputWidth] from `sourceOffset` on.
 * @param target [rows, outputs of the axis] from `targetOffset` on.
 */
function filterRows(
  { first, count, weights, taps }: AxisWeights,
  source: Plane,
  sourceOffset: number,
  target: Plane,
  targetOffset: number,
  inputWidth: number,
  rows: number,
): void {
  const outputWidth = first.length;
  // Columns outside, rows inside: a column's weights stay in registers.
  for (let x = 0; x < outputWidth; x++) {
    const n = count[x]!;
    const w = x * taps;
    let from = (sourceOffset + first[x]!) | 0;
    let to = (targetOffset + x) | 0;
    if (n === 2) {
      // Two rounded weights sum to at most 2^22 + 1: nothing passes 255.
      const k0 = weights[w]!;
      const k1 = weights[w + 1]!;
      for (let y = 0; y < rows; y++) {
        const sum = HALF + Math.imul(source[from]!, k0) + Math.imul(source[from + 1]!, k1);
        target[to] = sum >> FRACTION_BITS;
        from = (from + inputWidth) | 0;
        to = (to + outputWidth) | 0;
      }
      continue;
    }
    for (let y = 0; y < rows; y++) {
      let sum = HALF;
      for (let t = 0; t < n; t++) {
        sum = (sum + Math.imul(source[from + t]!, weights[w + t]!)) | 0;
      }
      target[to] = clip(sum);
      from = (from + inputWidth) | 0;
      to = (to + outputWidth) | 0;
    }
  }
}

/**
 * The vertical pass.
 *
 * @param source [inputs of the axis, width] from `sourceOffset` on.
 * @param target [outputs of the axis, width] from `targetOffset` on.
 */
function filterColumns(
  axis: AxisWeights,
  source: Plane,
  sourceOffset: number,
  target: Plane,
  targetOffset: number,
  width: number,
): void {
  const { first, count, weights, taps } = axis;
  for (let y = 0; y < first.length; y++) {
    const from = sourceOffset + first[y]! * width;
    const to = targetOffset + y * width;
    const group = groupSize(axis, y);
    if (group > 0) {
      blendRows(source, from, target, to, width, weights, y * taps + 1, taps, group);
      y += group - 1;
      continue;
    }
    const n = count[y]!;
    const w = y * taps;
    for (let x = 0; x < width; x++) {
      let sum = HALF;
      for (let t = 0; t < n; t++) {
        sum = (sum + Math.imul(source[from + t * width + x]!, weights[w + t]!)) | 0;
      }
      target[to + x] = clip(sum);
    }
  }
}

/** How many outputs from `begin` on read the same two inputs, with weights that sum to one. */
function groupSize({ first, count, weights, taps }: AxisWeights, begin: number): number {
  let i = begin;
  while (
    i < first.length &&
    count[i] === 2 &&
    first[i] === first[begin] &&
    weights[i * taps]! + weights[i * taps + 1]! === 1 << FRACTION_BITS
  ) {
    i += 1;
  }
  return i - begin;
}

/**
 * Output rows that lie between the same two rows: upper + (lower - upper) * weight, which equals the
 * weighted sum exactly and takes half its multiplications. This is where an enlargement spends its
 * time; four columns a turn, and all rows of a column, keep the inputs in registers.
 *
 * @param source The upper row from `from` on; the lower one follows it.
 * @param target [rows, width] from `to` on.
 * @param weights The lower row's weights, each `step` further from `weight` on.
 */
function blendRows(
  source: Plane,
  from: number,
  target: Plane,
  to: number,
  width: number,
  weights: Int32Array,
  weight: number,
  step: number,
  rows: number,
): void {
  const whole = width & ~3;
  for (let x = 0; x < whole; x += 4) {
    const upper = (from + x) | 0;
    const lower = (upper + width) | 0;
    const a0 = source[upper]!;
    const a1 = source[upper + 1]!;
    const a2 = source[upper + 2]!;
    const a3 = source[upper + 3]!;
    const d0 = (source[lower]! - a0) | 0;
    const d1 = (source[lower + 1]! - a1) | 0;
    const d2 = (source[lower + 2]! - a2) | 0;
    const d3 = (source[lower + 3]! - a3) | 0;
    let out = (to + x) | 0;
    let w = weight | 0;
    for (let row = 0; row < rows; row++) {
      const k = weights[w]!;
      target[out] = a0 + ((HALF + Math.imul(d0, k)) >> FRACTION_BITS);
      target[out + 1] = a1 + ((HALF + Math.imul(d1, k)) >> FRACTION_BITS);
      target[out + 2] = a2 + ((HALF + Math.imul(d2, k)) >> FRACTION_BITS);
      target[out + 3] = a3 + ((HALF + Math.imul(d3, k)) >> FRACTION_BITS);
      out = (out + width) | 0;
      w = (w + step) | 0;
    }
  }
  for (let x = whole; x < width; x++) {
    const a = source[from + x]!;
    const d = source[from + width + x]! - a;
    for (let row = 0; row < rows; row++) {
      const k = weights[weight + row * step]!;
      target[to + row * width + x] = a + ((HALF + Math.imul(d, k)) >> FRACTION_BITS);
    }
  }
}

/** Rounding may lift the sum of thousands of weights above one: then 255 is the limit. */
function clip(sum: number): number {
  const value = sum >> FRACTION_BITS;
  return value > 255 ? 255 : value;
}
