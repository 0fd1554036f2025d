/**
 * Owns random numbers of several distributions, drawn as PyTorch draws them on the CPU: Tensor.uniform_,
 * Tensor.normal_ and torch.nn.init.trunc_normal_ for contiguous f32.
 *
 * Policy: native/src/math/random_stream.cc draws the same, bit for bit. So logarithm, sine and cosine
 * are polynomials of our own, to 1e-11; normal numbers differ from PyTorch's, which has others, by
 * about 1e-6 of the standard deviation.
 */
import { Mt19937 } from './mt19937.js';

/** Uniform on [from, to). */
export interface Uniform {
  readonly kind: 'uniform';
  readonly from: number;
  readonly to: number;
}

/** Normal, of a mean and a standard deviation. */
export interface Normal {
  readonly kind: 'normal';
  readonly mean: number;
  readonly std: number;
}

/** Normal, and whatever falls outside [from, to] is drawn again. */
export interface TruncatedNormal {
  readonly kind: 'truncatedNormal';
  readonly mean: number;
  readonly std: number;
  readonly from: number;
  readonly to: number;
  /** How: by normal numbers until all are inside, or by uniform ones until all are accepted. */
  readonly byNormals: boolean;
}

/** What to draw. */
export type Distribution = Uniform | Normal | TruncatedNormal;

const block = 16;
const halfPi = 1.5707963267948966;

const twoPi = Math.fround(6.283185307179586);

/** Takes the next `count` values of `values`, for the elements from `at` on. */
type Take = (at: number, values: Float32Array, count: number) => void;

/** One stream of random numbers. */
export class RandomStream {
  readonly bits: Mt19937;
  #spare = Number.NaN;
  readonly #block = new Float32Array(block);

  /** @param seed As {@link Mt19937} takes it. */
  constructor(seed: number) {
    this.bits = new Mt19937(seed);
  }

  /** The second of two normal numbers that were drawn one by one; NaN where there is none. */
  get spare(): number {
    return this.#spare;
  }

  /** Fills `out` with the stream's next numbers. */
  fill(out: Float32Array, distribution: Distribution): void {
    if (distribution.kind === 'uniform') {
      this.bits.fillUniform(out, distribution.from, distribution.to);
    } else if (distribution.kind === 'normal') {
      this.#drawNormal(out.length, distribution, copyTo(out));
    } else if (distribution.byNormals) {
      this.#fillTruncated(out, distribution);
    } else {
      this.#fillAccepted(out, distribution);
    }
  }

  /**
   * Gives every element its number once. Up to 15 elements are drawn one by one; more in blocks of 16,
   * and where those leave a rest, the last 16 elements are drawn again.
   */
  #drawNormal(count: number, normal: { mean: number; std: number }, take: Take): void {
    const values = this.#block;
    const [mean, std] = [Math.fround(normal.mean), Math.fround(normal.std)];
    if (count < block) {
      for (let i = 0; i < count; i++) {
        values[0] = this.#nextNormal() * normal.std + normal.mean;
        take(i, values, 1);
      }
      return;
    }
    const rest = count % block;
    // Elements that are not drawn again.
    const kept = rest === 0 ? count : count - block;
    for (let i = 0; i + block <= count; i += block) {
      this.bits.fillUniform(values, 0, 1);
      boxMuller(values, mean, std);
      take(i, values, Math.min(block, kept - i));
    }
    if (rest === 0) return;
    this.bits.skip(rest);
    this.bits.fillUniform(values, 0, 1);
    boxMuller(values, mean, std);
    take(kept, values, block);
  }

  #fillTruncated(out: Float32Array, distribution: TruncatedNormal): void {
    const [low, high] = [Math.fround(distribution.from), Math.fround(distribution.to)];
    const outside = (value: number) => value < low || value > high;
    this.#drawNormal(out.length, distribution, copyTo(out));
    while (out.some(outside)) {
      this.#drawNormal(out.length, distribution, (at, values, count) => {
        for (let i = 0; i < count; i++) {
          if (outside(out[at + i]!)) out[at + i] = values[i]!;
        }
      });
    }
  }

  /** All candidates are drawn, and then all the numbers that accept them. */
  #fillAccepted(out: Float32Array, distribution: TruncatedNormal): void {
    const { mean, std, from, to } = distribution;
    const candidates = new Float32Array(out.length);
    const accepting = new Float32Array(out.length);
    const z = (Math.max(from, Math.min(mean, to)) - mean) / std;
    const logPeak = Math.fround(-0.5 * (z * z));
    out.fill(Number.NaN);
    do {
      this.bits.fillUniform(candidates, from, to);
      this.bits.fillUniform(accepting, 0, 1);
      for (const [i, candidate] of candidates.entries()) {
        if (!Number.isNaN(out[i]!)) continue;
        const distance = Math.fround(candidate - Math.fround(mean));
        const scaled = Math.fround(distance / Math.fround(std));
        const density = Math.fround(Math.fround(scaled * scaled) * -0.5 - logPeak);
        const accept = accepting[i]!;
        if (!(accept > 0 && Math.fround(logarithm(accept)) > density)) out[i] = candidate;
      }
    } while (out.some(Number.isNaN));
  }

  #nextNormal(): number {
    const spare = this.#spare;
    this.#spare = Number.NaN;
    if (!Number.isNaN(spare)) return spare;
    const u1 = this.#nextDouble();
    const u2 = this.#nextDouble();
    const radius = Math.sqrt(-2 * logarithm(1 - u2));
    const angle = 2 * (2 * halfPi) * u1;
    this.#spare = radius * sine(angle, 0);
    return radius * sine(angle, 1);
  }

  /** 53 random bits as a fraction. */
  #nextDouble(): number {
    const high = this.bits.nextUint32() & 0x1fffff;
    return (high * 2 ** 32 + this.bits.nextUint32()) / 2 ** 53;
  }
}

function copyTo(out: Float32Array): Take {
  return (at, values, count) => {
    for (let i = 0; i < count; i++) out[at + i] = values[i]!;
  };
}

/** 16 uniform numbers become 16 normal ones, by Box and Muller, with PyTorch's roundings to f32. */
function boxMuller(values: Float32Array, mean: number, std: number): void {
  for (let j = 0; j < block / 2; j++) {
    const log = Math.fround(logarithm(1 - values[j]!));
    const radius = Math.fround(Math.sqrt(-2 * log));
    const angle = Math.fround(twoPi * values[j + 8]!);
    const cosine = Math.fround(sine(angle, 1));
    values[j] = Math.fround(radius * cosine) * std + mean;
    values[j + 8] = Math.fround(radius * Math.fround(sine(angle, 0))) * std + mean;
  }
}

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);

/** log(x) of x > 0, to 1e-12. */
function logarithm(x: number): number {
  double[0] = x;
  let exponent = (words[1]! >>> 20) - 1023;
  words[1] = (words[1]! & 0xfffff) | 0x3ff00000;
  let m = double[0];
  if (m > Math.SQRT2) {
    m *= 0.5;
    exponent += 1;
  }
  const s = (m - 1) / (m + 1);
  const q = s * s;
  const series =
    1 + q * (1 / 3 + q * (1 / 5 + q * (1 / 7 + q * (1 / 9 + q * (1 / 11 + q * (1 / 13))))));
  return exponent * Math.LN2 + 2 * s * series;
}

/** Sine of an angle from 0 to 2 pi plus some quarters of a turn, to 1e-11. */
function sine(angle: number, quarters: 0 | 1): number {
  const nearest = Math.trunc(angle / halfPi + 0.5);
  const r = angle - nearest * halfPi;
  const q = r * r;
  const quadrant = nearest + quarters;
  const value =
    quadrant & 1
      ? 1 +
        q *
          (-1 / 2 +
            q *
              (1 / 24 +
                q * (-1 / 720 + q * (1 / 40320 + q * (-1 / 3628800 + q * (1 / 479001600))))))
      : r *
        (1 +
          q * (-1 / 6 + q * (1 / 120 + q * (-1 / 5040 + q * (1 / 362880 + q * (-1 / 39916800))))));
  return quadrant & 2 ? -value : value;
}
