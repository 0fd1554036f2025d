/** Owns how numbers are summed up and written in tables. */

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
