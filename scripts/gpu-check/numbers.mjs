/** Owns how numbers are compared, summed up and written in tables. */

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Milliseconds, '-' for null. */
export const milliseconds = (ms) =>
  ms === null ? '-' : ms >= 100 ? ms.toFixed(0) : ms.toPrecision(3);

/** How many times, '-' for null. */
export const times = (value) => (value === null ? '-' : value.toFixed(2));

/** Of two arrays: the largest |a - b| over the largest |b|; Infinity for another shape or a NaN. */
export function difference(a, b) {
  if (String(a.shape) !== String(b.shape)) return Infinity;
  let apart = 0;
  let peak = 0;
  for (let i = 0; i < b.data.length; i++) {
    const here = Math.abs(a.data[i] - b.data[i]);
    apart = Number.isNaN(here) ? Infinity : Math.max(apart, here);
    peak = Math.max(peak, Math.abs(b.data[i]));
  }
  return apart === 0 ? 0 : apart / peak;
}
