/**
 * Initial weights: after manualSeed(0) every parameter of the models has, bit for bit, the values
 * that PyTorch gives the same modules after torch.manual_seed(0).
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { manualSeed, models } from 'neuronode';
import { describe, expect, it } from 'vitest';

interface Weights {
  shape: number[];
  sha256: string;
  first: number[];
}

const fixture = JSON.parse(
  readFileSync(new URL('fixtures/init.json', import.meta.url), 'utf8'),
) as Record<'alexnet' | 'lenet', Record<string, Weights>>;

describe.each(['alexnet', 'lenet'] as const)('models.%s() after manualSeed(0)', (name) => {
  manualSeed(0);
  const parameters = new Map(models[name]().namedParameters());
  const expected = fixture[name];

  it("has PyTorch's parameter names, in its order", () => {
    expect([...parameters.keys()]).toEqual(Object.keys(expected));
  });

  it.each(Object.keys(expected))('%s has the same bits', (key) => {
    const { shape, data } = parameters.get(key)!;
    expect([...shape]).toEqual(expected[key]!.shape);
    expect([...data.slice(0, 8)]).toEqual(expected[key]!.first);
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(expected[key]!.sha256);
  });
});
