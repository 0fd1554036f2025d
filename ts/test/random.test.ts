/** The generator behind initial weights, and its seed. */
import { execFileSync } from 'node:child_process';
import { ArgumentError, initialSeed, manualSeed, nn } from 'neuronode';
import { describe, expect, it } from 'vitest';
import { Mt19937 } from '../../dist/random/index.js';

describe('Mt19937', () => {
  it("gives the reference code's numbers", () => {
    // First outputs and the 10,000th for the seed 5489, as the C++ standard prescribes (mt19937).
    const generator = new Mt19937(5489);
    expect(Array.from({ length: 3 }, () => generator.nextUint32())).toEqual([
      3499211612, 581869302, 3890346734,
    ]);
    for (let i = 3; i < 9999; i++) generator.nextUint32();
    expect(generator.nextUint32()).toBe(4123659995);
  });

  it('fills arrays from the same stream, in any pieces', () => {
    const whole = new Float32Array(2000);
    new Mt19937(7).fillUniform(whole, -0.25, 0.75);
    const generator = new Mt19937(7);
    const pieces = [1, 623, 2, 1000, 374].flatMap((length) => {
      const piece = new Float32Array(length);
      generator.fillUniform(piece, -0.25, 0.75);
      return [...piece];
    });
    expect(pieces).toEqual([...whole]);
    expect(Math.min(...whole)).toBeGreaterThanOrEqual(-0.25);
    expect(Math.max(...whole)).toBeLessThan(0.75);
  });

  it('uses the low 32 bits of the seed', () => {
    expect(new Mt19937(2 ** 32 + 9).nextUint32()).toBe(new Mt19937(9).nextUint32());
    expect(new Mt19937(-1).nextUint32()).toBe(new Mt19937(2 ** 32 - 1).nextUint32());
  });
});

describe('manualSeed', () => {
  const weights = () => [...new nn.Linear(3, 2).weight.data];

  it('repeats initial weights', () => {
    manualSeed(42);
    const first = [weights(), weights()];
    expect(first[0]).not.toEqual(first[1]);
    manualSeed(42);
    expect([weights(), weights()]).toEqual(first);
    expect(initialSeed()).toBe(42);
    manualSeed(43);
    expect(weights()).not.toEqual(first[0]);
  });

  it.each([-1, 0.5, 2 ** 53, Number.NaN, '1'])('refuses %s', (seed) => {
    expect(() => manualSeed(seed as number)).toThrow(ArgumentError);
  });

  it('is drawn anew in each process that does not call it', () => {
    const url = new URL('../../dist/index.js', import.meta.url).href;
    const script = `import { initialSeed } from '${url}'; console.log(initialSeed());`;
    const seed = () =>
      execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    const [first, second] = [seed(), seed()];
    expect(Number.isSafeInteger(Number(first))).toBe(true);
    expect(first).not.toBe(second);
  });
});
