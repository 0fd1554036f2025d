/**
 * Philox4x32-10 (Salmon et al., 2011) in 64-bit integers, and the dropout decision drawn from it:
 * element e reads word e % 4 of philox(counter = {e / 4, step, stream}, key = seed).
 */

const mask = 0xffffffffn;

function philox(counter: readonly bigint[], seed: readonly [number, number]): bigint[] {
  let [c0, c1, c2, c3] = counter as [bigint, bigint, bigint, bigint];
  let [k0, k1] = seed.map(BigInt) as [bigint, bigint];
  for (let round = 0; round < 10; round++) {
    const a = c0 * 0xd2511f53n;
    const b = c2 * 0xcd9e8d57n;
    [c0, c1, c2, c3] = [(b >> 32n) ^ c1 ^ k0, b & mask, (a >> 32n) ^ c3 ^ k1, a & mask];
    k0 = (k0 + 0x9e3779b9n) & mask;
    k1 = (k1 + 0xbb67ae85n) & mask;
  }
  return [c0, c1, c2, c3];
}

/** Whether dropout keeps each of `count` elements. */
export function keptElements(
  count: number,
  p: number,
  seed: readonly [number, number],
  step: number,
  stream: number,
): boolean[] {
  const kept: boolean[] = [];
  for (let block = 0; block * 4 < count; block++) {
    const counter = [BigInt(block) & mask, BigInt(block) >> 32n, BigInt(step), BigInt(stream)];
    for (const word of philox(counter, seed)) kept.push(Number(word >> 8n) / 2 ** 24 >= p);
  }
  return kept.slice(0, count);
}
