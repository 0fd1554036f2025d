/** State dicts: names, copies, and the errors for what does not fit. */
import { setImmediate } from 'node:timers/promises';
import { ArgumentError, models, nn, StateDictError } from 'neuronode';
import { describe, expect, it } from 'vitest';

describe('stateDict and loadStateDict', () => {
  it('carry weights from one module to another', () => {
    const [from, to] = [models.lenet(), models.lenet()];
    expect(to.stateDict()).not.toEqual(from.stateDict());
    expect(to.loadStateDict(from.stateDict())).toEqual({ missingKeys: [], unexpectedKeys: [] });
    expect(to.stateDict()).toEqual(from.stateDict());
    from.fc.stateDict()['0.bias']!.data[0]! += 1;
    expect(to.stateDict()).not.toEqual(from.stateDict());
  });

  it('list a shared module under each of its names', () => {
    const shared = new nn.Linear(1, 1, { bias: false });
    const net = new nn.Sequential({ a: shared, b: shared });
    expect(Object.keys(net.stateDict())).toEqual(['a.weight', 'b.weight']);
    expect([...net.parameters()]).toHaveLength(1);
  });

  it('convert other element types, as PyTorch does', () => {
    const linear = new nn.Linear(2, 1);
    linear.loadStateDict({
      weight: { data: Float64Array.of(0.1, 2), shape: [1, 2] },
      bias: { data: BigInt64Array.of(-7n), shape: [1] },
    });
    expect([...linear.weight.data]).toEqual([Math.fround(0.1), 2]);
    expect([...linear.bias!.data]).toEqual([-7]);
  });

  it('name what is missing, unexpected and of another size, and change nothing', () => {
    const linear = new nn.Linear(2, 3);
    const before = linear.weight.data.slice();
    const call = () =>
      linear.loadStateDict({
        weight: { data: new Float32Array(6), shape: [3, 2] },
        scale: { data: new Float32Array(1), shape: [1] },
      });
    expect(call).toThrow(StateDictError);
    expect(call).toThrow(
      'Error(s) in loading state_dict for Linear:\n' +
        '\tMissing key(s) in state_dict: "bias".\n' +
        '\tUnexpected key(s) in state_dict: "scale".',
    );
    const all = { scale: { data: new Float32Array(1), shape: [1] }, weight: [1] };
    expect(() => linear.loadStateDict(all as never)).toThrow(
      /:\n\tMissing key\(s\) .* "bias"\.\n\tUnexpected key\(s\) .* "scale"\.\n\tweight must be/,
    );
    const other = { weight: { data: new Float32Array(4), shape: [2, 2] } };
    expect(() => linear.loadStateDict(other, { strict: false })).toThrow(
      'size mismatch for weight: copying a param with shape [2, 2] from checkpoint, ' +
        'the shape in current model is [3, 2].',
    );
    expect(linear.weight.data).toEqual(before);
  });

  it('load what fits where strict is false', () => {
    const linear = new nn.Linear(2, 1);
    const dict = {
      weight: { data: Float32Array.of(5, 6), shape: [1, 2] },
      scale: { data: new Float32Array(1), shape: [1] },
    };
    expect(linear.loadStateDict(dict, { strict: false })).toEqual({
      missingKeys: ['bias'],
      unexpectedKeys: ['scale'],
    });
    expect([...linear.weight.data]).toEqual([5, 6]);
  });

  it('refuse what is no tensor', () => {
    const linear = new nn.Linear(1, 1, { bias: false });
    const load = (weight: unknown) => () =>
      linear.loadStateDict({ weight } as Parameters<typeof linear.loadStateDict>[0]);
    expect(load([1])).toThrow('weight must be { data: Float32Array, shape }');
    const proxied = new Proxy(new Float32Array(1), {});
    expect(load({ data: proxied, shape: [1, 1] })).toThrow('weight must be { data: Float32Array');
    expect(load({ data: new Float32Array(2), shape: [1, 1] })).toThrow('must have 1 values, got 2');
    expect(() => linear.loadStateDict(null as never)).toThrow('expects a state dict, got null');
  });
});

describe('loadStateDictAsync', () => {
  it('gives the event loop turns, and changes all parameters at once, at the end', async () => {
    const linear = new nn.Linear(4096, 1024);
    const before = { weight: linear.weight.data, bias: linear.bias!.data };
    const [first, last] = [before.weight[0], before.bias[1023]];
    const dict = {
      weight: { data: new Float32Array(1 << 22).fill(2), shape: [1024, 4096] },
      bias: { data: Float64Array.from({ length: 1024 }, (_, i) => i), shape: [1024] },
    };
    let isDone = false;
    const loading = linear.loadStateDictAsync(dict).then((keys) => {
      isDone = true;
      return keys;
    });
    await setImmediate();
    expect(isDone).toBe(false);
    expect([linear.weight.data[0], linear.bias!.data[1023]]).toEqual([first, last]);
    expect(await loading).toEqual({ missingKeys: [], unexpectedKeys: [] });
    expect(linear.weight.data.every((value) => value === 2)).toBe(true);
    expect([...linear.bias!.data]).toEqual([...dict.bias.data]);
    // Copies, on both sides.
    dict.weight.data[0] = 3;
    expect(linear.weight.data[0]).toBe(2);
    expect([before.weight[0], before.bias[1023]]).toEqual([first, last]);
  });

  it('converts 64-bit integers', async () => {
    const linear = new nn.Linear(200, 300, { bias: false });
    const data = BigInt64Array.from({ length: 60000 }, (_, i) => BigInt(i - 30000));
    await linear.loadStateDictAsync({ weight: { data, shape: [300, 200] } });
    expect(linear.weight.data.every((value, i) => value === i - 30000)).toBe(true);
  });

  it('takes what fits where strict is false', async () => {
    const linear = new nn.Linear(2, 1);
    const dict = {
      weight: { data: Float32Array.of(5, 6), shape: [1, 2] },
      scale: { data: new Float32Array(1), shape: [1] },
    };
    const keys = await linear.loadStateDictAsync(dict, { strict: false });
    expect(keys).toEqual({ missingKeys: ['bias'], unexpectedKeys: ['scale'] });
    expect([...linear.weight.data]).toEqual([5, 6]);
  });

  it('changes nothing where anything does not fit, or goes meanwhile', async () => {
    const linear = new nn.Linear(1024, 1024);
    const [weight, bias] = [linear.weight.data.slice(), linear.bias!.data.slice()];
    const large = { data: new Float32Array(1 << 20), shape: [1024, 1024] };
    const load = (dict: unknown) => linear.loadStateDictAsync(dict as nn.StateDict);
    await expect(load(null)).rejects.toThrow('loadStateDictAsync expects a state dict, got null');
    await expect(load({ weight: large })).rejects.toBeInstanceOf(StateDictError);
    const good = { weight: large, bias: { data: new Float32Array(1024), shape: [1024] } };
    const loading = load(good);
    structuredClone(large.data, { transfer: [large.data.buffer] });
    await expect(loading).rejects.toBeInstanceOf(ArgumentError);
    expect(linear.weight.data.every((value, i) => value === weight[i])).toBe(true);
    expect(linear.bias!.data).toEqual(bias);
  });
});
