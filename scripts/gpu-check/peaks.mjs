/**
 * Owns what a GPU can do at most: bytes of its memory a second, and floating-point operations a
 * second by precision. These are the makers' data sheets (dense, boost clock), which no program
 * reaches: floors are worked out from what was measured, where that is known (measure.mjs).
 */

/**
 * @typedef {object} Peaks
 * @property {string} source Where the figures are from, in words.
 * @property {number} bandwidth Bytes a second.
 * @property {Record<'f32' | 'tf32' | 'bf16', number>} flops Operations a second; f32 is strict f32,
 *   without tensor cores.
 */

const tera = 1e12;

/** First match wins, so that the longer names come first. */
const table = [
  // pattern, TB/s, TFLOP/s: f32, tf32, bf16
  [/H200/, 4.8, 67, 494, 989],
  [/H100.*PCIe/, 2.0, 51, 378, 756],
  [/H100.*NVL/, 3.9, 60, 417, 835],
  [/H100/, 3.35, 67, 494, 989],
  [/A100.*SXM.*80GB/, 2.039, 19.5, 156, 312],
  [/A100.*80GB/, 1.935, 19.5, 156, 312],
  [/A100/, 1.555, 19.5, 156, 312],
  [/L40S/, 0.864, 91.6, 183, 362],
  [/\bL4\b/, 0.3, 30.3, 60, 121],
  [/\bA10\b/, 0.6, 31.2, 62.5, 125],
];

/**
 * The data sheet's figures for a model, as the driver names it, or undefined.
 *
 * @returns {Peaks | undefined}
 */
export function peaksOf(model) {
  const row = table.find(([pattern]) => pattern.test(model));
  if (row === undefined) return undefined;
  const [, bandwidth, f32, tf32, bf16] = row;
  return {
    source: `data sheet of ${model}`,
    bandwidth: bandwidth * tera,
    flops: { f32: f32 * tera, tf32: tf32 * tera, bf16: bf16 * tera },
  };
}
