/** Messages: they stay short whatever is quoted in them, and are typed whatever an argument does. */
import { ArgumentError, nn, ops, ShapeError, type Tensor } from 'neuronode';
import { describe, expect, it } from 'vitest';
import { makeTrainer } from './trainer-support.js';

const long = 'n'.repeat(10 * 2 ** 20);

function caught(body: () => unknown): Error {
  try {
    body();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}

async function rejection(body: () => Promise<unknown>): Promise<Error> {
  try {
    await body();
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing was thrown');
}

describe('long names in messages', () => {
  const net = () => new nn.Sequential({ [long]: new nn.Linear(2, 2) });
  const any = <T>(value: unknown) => value as T;

  it.each<[string, () => unknown]>([
    ['an option', () => new nn.Linear(1, 1, any({ [long]: 1 }))],
    ['a value', () => new nn.Linear(any(long), 1)],
    ['a list of them', () => new nn.Conv2d(1, 1, any(Array(9).fill(long)))],
    ['missing keys', () => net().loadStateDict({})],
    ['unexpected keys', () => new nn.ReLU().loadStateDict({ [long]: any(1) })],
    [
      'many of them',
      () =>
        new nn.ReLU().loadStateDict(
          Object.fromEntries(Array.from({ length: 1e5 }, (_, i) => [`key${i}`, any(1)])),
        ),
    ],
    ['sizes', () => new nn.Parameter(new Float32Array(1), Array(1e6).fill(2))],
  ])('%s', (_, body) => {
    const { message } = caught(body);
    expect(message.length).toBeLessThan(10_000);
    expect(message).toContain('more characters');
  });

  it('shows the beginning and the end', () => {
    const { message } = caught(() => new nn.Linear(any(`begin${long}end`), 1));
    expect(message).toMatch(/got 'beginnn+… \(\d+ more characters\) …n+end'$/);
  });

  it('native errors', async () => {
    const bad = { data: new Float32Array(2), shape: [2] };
    const error = await rejection(() => ops.relu(bad, any({ device: long })));
    expect(error).toBeInstanceOf(ArgumentError);
    expect(error.message.length).toBeLessThan(1000);
  });

  it('values that contain themselves', () => {
    const loop: unknown[] = [];
    loop.push(loop);
    expect(caught(() => new nn.Linear(any(loop), 1)).message).toContain('got [[[[...]]]]');
  });
});

class Self extends nn.Module {
  readonly layer = new nn.Linear(2, 2);
  self: nn.Module | undefined;
  forward(x: Tensor): Tensor {
    return this.layer.forward(x.flatten(1));
  }
}

const compile = (net: nn.Module) =>
  makeTrainer(net).compile({ batchSize: 1, imageShape: [2, 1, 1] });

describe('a module that contains itself', () => {
  const make = () => {
    const net = new Self();
    net.self = new nn.Sequential(net);
    return net;
  };

  it('has no state dict', () => {
    const net = make();
    for (const body of [() => net.stateDict(), () => net.loadStateDict({})]) {
      const error = caught(body);
      expect(error).toBeInstanceOf(ArgumentError);
      expect(error.message).toContain('self.0 is the network again');
    }
  });

  it('is printed once', () => {
    expect(String(make())).toBe(
      [
        'Self(',
        '  (layer): Linear(in_features=2, out_features=2, bias=True)',
        '  (self): Sequential(',
        '    (0): Self(contains itself)',
        '  )',
        ')',
      ].join('\n'),
    );
  });

  it('still lists its modules and parameters, each once', () => {
    expect([...make().namedModules()].map(([name]) => name)).toEqual(['', 'layer', 'self']);
    expect([...make().namedParameters()].map(([name]) => name)).toEqual([
      'layer.weight',
      'layer.bias',
    ]);
  });

  it('and so do modules inside each other without end', () => {
    let net: nn.Module = new nn.ReLU();
    for (let depth = 0; depth < 20_000; depth++) net = new nn.Sequential(net);
    expect(caught(() => net.stateDict())).toBeInstanceOf(ArgumentError);
    expect(caught(() => net.eval()).message).toContain('at most 256 modules inside each other');
    expect(String(net)).toContain('Sequential(...)');
  });
});

describe('networks that cannot be traced', () => {
  it('a forward that calls itself', async () => {
    class Loop extends Self {
      override forward(x: Tensor): Tensor {
        return this.forward(x);
      }
    }
    const error = await rejection(() => compile(new Loop()));
    expect(error).toBeInstanceOf(ArgumentError);
    expect(error.message).toContain('does it call itself?');
  });

  it.each([
    ['frozen', Object.freeze],
    ['sealed', Object.seal],
    ['not extensible', Object.preventExtensions],
  ])('%s ones', async (_, freeze) => {
    const net = new Self();
    freeze(net.layer);
    const error = await rejection(() => compile(net));
    expect(error).toBeInstanceOf(ArgumentError);
    expect(error.message).toContain('layer cannot be traced, since it is frozen or sealed');
    // What was changed on the way to it is as before.
    expect(Object.hasOwn(net, 'forward')).toBe(false);
    expect(net.training).toBe(true);
  });

  it('modes and gradients of frozen ones', () => {
    const net = new Self();
    Object.freeze(net.layer.weight);
    expect(caught(() => net.requiresGrad_(false)).message).toContain('layer.weight is frozen');
    Object.freeze(net.layer);
    expect(caught(() => net.eval())).toBeInstanceOf(ArgumentError);
  });
});

describe('arrays that cannot be read', () => {
  const any = <T>(value: unknown) => value as T;
  const throwing = {
    get data(): Float32Array {
      throw new Error('no');
    },
    shape: [1],
  };
  const detached = () => {
    const data = Float32Array.of(1, 2);
    structuredClone(data, { transfer: [data.buffer] });
    return data;
  };

  it.each<[string, string, () => unknown]>([
    [
      'in a Proxy',
      'got Object with data a Proxy',
      () => ({ data: new Proxy(new Float32Array(2), {}), shape: [2] }),
    ],
    ['detached', 'its buffer is detached', () => ({ data: detached(), shape: [2] })],
    ['behind a getter that throws', 'reading it threw Error: no', () => throwing],
  ])('tensors %s', async (_, text, make) => {
    const error = await rejection(() => ops.relu(any(make())));
    expect(error).toBeInstanceOf(ArgumentError);
    expect(error.message).toContain('relu');
    expect(error.message).toContain(text);
  });

  it('inputs and options behind getters that throw', async () => {
    const inputs = {
      get x(): ops.HostTensor {
        throw new Error('no');
      },
    };
    expect(await rejection(() => ops.run('relu', inputs))).toBeInstanceOf(ArgumentError);
    const options = {
      get stride(): number {
        throw new Error('no');
      },
    };
    const x = { data: new Float32Array(4), shape: [1, 1, 2, 2] };
    const error = await rejection(() => ops.maxPool2d(x, 1, options));
    expect(error).toBeInstanceOf(ArgumentError);
    expect(error.message).toContain('maxPool2d expects stride to be readable');
  });

  it('a module with a getter that throws', () => {
    const net = new Self();
    Object.defineProperty(net, 'broken', {
      enumerable: true,
      get() {
        throw new Error('no');
      },
    });
    for (const body of [() => String(net), () => net.stateDict(), () => [...net.parameters()]]) {
      const error = caught(body);
      expect(error).toBeInstanceOf(ArgumentError);
      expect(error.message).toContain('Self expects broken to be readable');
    }
  });

  it('parameters', () => {
    for (const data of [detached(), new Proxy(new Float32Array(2), {})]) {
      const error = caught(() => new nn.Parameter(data, [2]));
      expect(error).toBeInstanceOf(ArgumentError);
    }
  });
});

describe('single operations name what they were given', () => {
  const x = { data: new Float32Array(4), shape: [1, 1, 2, 2] };

  it.each<[string, () => Promise<unknown>]>([
    ['maxPool2d', () => ops.maxPool2d(x, 3)],
    ['avgPool2d', () => ops.avgPool2d(x, 3)],
  ])('a window larger than the input: %s', async (name, body) => {
    const error = await rejection(body);
    expect(error).toBeInstanceOf(ShapeError);
    expect(error.message).toContain(`${name} has a window of 3x3 that is larger than`);
  });

  it.each<[string, () => Promise<unknown>]>([
    ['maxPool2d has a window', () => ops.maxPool2d(x, 2, { dilation: 3 })],
    ['conv2d has a kernel', () => ops.conv2d(x, x, undefined, { dilation: 3 })],
  ])('and what dilation makes of it, with the name once: %s', async (begin, body) => {
    const { message } = await rejection(body);
    expect(message).toMatch(
      new RegExp(`^${begin} of 2x2 \\(4x4 with its dilation\\) that is larger`),
    );
  });

  it('rounding up, a window that begins inside fits', async () => {
    const { y } = await ops.maxPool2d(x, 3, { ceilMode: true });
    expect(y.shape).toEqual([1, 1, 1, 1]);
  });

  it.each<[string, string, (shape: number[]) => Promise<unknown>]>([
    ['conv2dInputGrad', 'inputShape', (shape) => ops.conv2dInputGrad(x, x, shape)],
    ['maxPool2dGrad', 'inputShape', (shape) => ops.maxPool2dGrad(x, x, shape, 1)],
    ['avgPool2dGrad', 'inputShape', (shape) => ops.avgPool2dGrad(x, shape, 1)],
    ['adaptiveAvgPool2dGrad', 'inputShape', (shape) => ops.adaptiveAvgPool2dGrad(x, shape)],
    ['reshape', 'shape', (shape) => ops.reshape(x, shape)],
  ])('the wanted shape: %s', async (name, argument, body) => {
    const error = await rejection(() => body([1, 1, 0, 2]));
    expect(error.message).toBe(
      `${name} expects ${argument} to be an array of positive integers, got [1, 1, 0, 2]`,
    );
  });
});
