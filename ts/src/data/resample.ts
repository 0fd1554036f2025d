/**
 * Owns bilinear resampling of 8-bit planes, bit for bit as Pillow's `Image.resize(BILINEAR)`.
 *
 * The method: each output pixel is a weighted mean of the input pixels under a triangle filter,
 * whose width grows with the scale when the image shrinks (antialiasing). Weights are fixed-point
 * numbers of 22 fractional bits; a horizontal pass is rounded to bytes before the vertical pass.
 * Every intermediate sum fits 32 bits, because weights are not negative and sum to about one.
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

/** Resamples planes of one size to another. Weights are computed once; not reentrant. */
export class Resampler {
  readonly #inputWidth: number;
  readonly #outputHeight: number;
  readonly #outputWidth: number;
  readonly #inputPlane: number;
  readonly #outputPlane: number;
  readonly #horizontal: AxisWeights | null;
  readonly #vertical: AxisWeights | null;
  /** Result of the horizontal pass: [inputHeight, outputWidth]. */
  readonly #rows: Uint8Array;

  constructor(
    inputHeight: number,
    inputWidth: number,
    outputHeight: number,
    outputWidth: number,
  ) {
    this.#inputWidth = inputWidth;
    this.#outputHeight = outputHeight;
    this.#outputWidth = outputWidth;
    this.#inputPlane = inputHeight * inputWidth;
    this.#outputPlane = outputHeight * outputWidth;
    // An axis that keeps its size is not filtered at all.
    this.#horizontal = inputWidth === outputWidth ? null : axisWeights(inputWidth, outputWidth);
    this.#vertical = inputHeight === outputHeight ? null : axisWeights(inputHeight, outputHeight);
    const both = this.#horizontal !== null && this.#vertical !== null;
    this.#rows = new Uint8Array(both ? inputHeight * outputWidth : 0);
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
    for (let p = 0; p < planes; p++) {
      const from = sourceOffset + p * this.#inputPlane;
      const to = targetOffset + p * this.#outputPlane;
      if (this.#horizontal !== null && this.#vertical !== null) {
        this.#runHorizontal(source, from, this.#rows, 0, this.#horizontal);
        this.#runVertical(this.#rows, 0, target, to, this.#vertical);
      } else if (this.#horizontal !== null) {
        this.#runHorizontal(source, from, target, to, this.#horizontal);
      } else if (this.#vertical !== null) {
        this.#runVertical(source, from, target, to, this.#vertical);
      } else {
        target.set(source.subarray(from, from + this.#inputPlane), to);
      }
    }
  }

  #runHorizontal(
    source: Uint8Array,
    sourceOffset: number,
    target: Uint8Array,
    targetOffset: number,
    axis: AxisWeights,
  ): void {
    const { first, count, weights, taps } = axis;
    const inputWidth = this.#inputWidth;
    const outputWidth = this.#outputWidth;
    const inputHeight = this.#inputPlane / inputWidth;
    for (let y = 0; y < inputHeight; y++) {
      const from = sourceOffset + y * inputWidth;
      const to = targetOffset + y * outputWidth;
      for (let x = 0; x < outputWidth; x++) {
        const begin = from + first[x]!;
        const n = count[x]!;
        const w = x * taps;
        let sum = HALF;
        for (let t = 0; t < n; t++) {
          sum = (sum + Math.imul(source[begin + t]!, weights[w + t]!)) | 0;
        }
        target[to + x] = clip(sum);
      }
    }
  }

  #runVertical(
    source: Uint8Array,
    sourceOffset: number,
    target: Uint8Array,
    targetOffset: number,
    axis: AxisWeights,
  ): void {
    const { first, count, weights, taps } = axis;
    const width = this.#outputWidth;
    for (let y = 0; y < this.#outputHeight; y++) {
      const from = sourceOffset + first[y]! * width;
      const to = targetOffset + y * width;
      const n = count[y]!;
      if (n === 2) {
        // Every inner row of an enlargement: the path that decides the loader's speed.
        blendRows(source, from, from + width, target, to, width, weights[y * taps]!, weights[y * taps + 1]!);
        continue;
      }
      for (let x = 0; x < width; x++) {
        let sum = HALF;
        for (let t = 0; t < n; t++) {
          sum = (sum + Math.imul(source[from + t * width + x]!, weights[y * taps + t]!)) | 0;
        }
        target[to + x] = clip(sum);
      }
    }
  }
}

/** Two rounded weights sum to at most 2^22 + 1, so that the result never passes 255. */
function blendRows(
  source: Uint8Array,
  upper: number,
  lower: number,
  target: Uint8Array,
  to: number,
  width: number,
  upperWeight: number,
  lowerWeight: number,
): void {
  for (let x = 0; x < width; x++) {
    target[to + x] =
      (HALF +
        Math.imul(source[upper + x]!, upperWeight) +
        Math.imul(source[lower + x]!, lowerWeight)) >>
      FRACTION_BITS;
  }
}

/** Rounding may lift the sum of thousands of weights above one: then 255 is the limit. */
function clip(sum: number): number {
  const value = sum >> FRACTION_BITS;
  return value > 255 ? 255 : value;
}
