/** Optimizers: PyTorch's defaults, parameter groups, and the checks of their arguments. */
import { ArgumentError, nn, optim } from 'neuronode';
import { describe, expect, it } from 'vitest';

const parameters = () => [...new nn.Linear(2, 3).parameters()];

describe('optimizers', () => {
  it("have PyTorch's defaults", () => {
    const adam = { betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0 };
    expect(new optim.Adam(parameters()).paramGroups[0]!.options).toEqual(adam);
    expect(new optim.AdamW(parameters()).paramGroups[0]!.options).toEqual({
      ...adam,
      weightDecay: 0.01,
    });
    const sgd = { momentum: 0, dampening: 0, weightDecay: 0, nesterov: false };
    expect(new optim.SGD(parameters()).paramGroups[0]!.options).toEqual(sgd);
    const rmsprop = { alpha: 0.99, eps: 1e-8, weightDecay: 0, momentum: 0, centered: false };
    expect(new optim.RMSprop(parameters()).paramGroups[0]!.options).toEqual(rmsprop);
    expect(new optim.RMSprop(parameters()).lr).toBe(0.01);
    for (const Optimizer of [optim.Adam, optim.AdamW, optim.SGD]) {
      expect(new Optimizer(parameters()).lr).toBe(0.001);
    }
  });

  it('give each group its own options', () => {
    const [weight, bias] = parameters() as [nn.Parameter, nn.Parameter];
    const adam = new optim.Adam(
      [
        { params: [weight], lr: 0.1 },
        { params: [bias], eps: 1e-6 },
      ],
      {
        lr: 0.2,
        weightDecay: 0.5,
      },
    );
    expect(adam.paramGroups.map(({ lr }) => lr)).toEqual([0.1, 0.2]);
    expect(adam.paramGroups.map(({ options }) => options.eps)).toEqual([1e-8, 1e-6]);
    expect(adam.paramGroups.map(({ options }) => options.weightDecay)).toEqual([0.5, 0.5]);
    expect(adam.groupOf(bias)).toBe(1);
    adam.paramGroups[1]!.lr = 0.3;
    expect([adam.lr, adam.paramGroups[1]!.lr]).toEqual([0.1, 0.3]);
    adam.lr = 0.4;
    expect(adam.paramGroups.map(({ lr }) => lr)).toEqual([0.4, 0.4]);
  });

  it('take options of PyTorch that are off, and keep none of them', () => {
    const off = { amsgrad: false, maximize: false } as const;
    const group = { params: parameters(), ...off };
    for (const Optimizer of [optim.Adam, optim.AdamW]) {
      const { options } = new Optimizer(parameters()).paramGroups[0]!;
      expect(new Optimizer(parameters(), off).paramGroups[0]!.options).toEqual(options);
      expect(new Optimizer([group]).paramGroups[0]!.options).toEqual(options);
    }
    const sgd = new optim.SGD(parameters(), { maximize: false });
    expect(sgd.paramGroups[0]!.options).not.toHaveProperty('maximize');
  });

  const any = <T>(value: unknown) => value as T;
  const [one] = parameters() as [nn.Parameter];

  it.each<[string, () => unknown, string]>([
    ['lr below 0', () => new optim.Adam([one], { lr: -1 }), 'Adam expects lr'],
    ['lr beyond f32', () => new optim.SGD([one], { lr: 1e300 }), 'SGD expects lr'],
    [
      'lr that the bias correction takes beyond it',
      () => new optim.Adam([one], { lr: 1e38 }),
      'lr',
    ],
    ['weight decay beyond f32', () => new optim.AdamW([one], { weightDecay: 1e39 }), 'weightDecay'],
    ['beta of 1', () => new optim.Adam([one], { betas: [0.9, 1] }), 'betas[1]'],
    ['one beta', () => new optim.Adam([one], { betas: any([0.9]) }), 'betas to be two numbers'],
    ['eps', () => new optim.AdamW([one], { eps: Number.NaN }), 'AdamW expects eps'],
    ['weight decay', () => new optim.SGD([one], { weightDecay: -0.1 }), 'weightDecay'],
    ['momentum', () => new optim.SGD([one], { momentum: -0.1 }), 'momentum'],
    ['alpha', () => new optim.RMSprop([one], { alpha: 1.1 }), 'RMSprop expects alpha'],
    ['centered', () => new optim.RMSprop([one], any({ centered: 1 })), 'centered'],
    ['nesterov without momentum', () => new optim.SGD([one], { nesterov: true }), 'nesterov'],
    [
      'nesterov with dampening',
      () => new optim.SGD([one], { nesterov: true, momentum: 0.9, dampening: 0.1 }),
      'dampening 0.1',
    ],
    ['unknown option', () => new optim.Adam([one], any({ learningRate: 1 })), "'learningRate'"],
    [
      'unknown option in a group',
      () => new optim.Adam(any([{ params: [one], momentum: 1 }])),
      "Adam group 0 has no option 'momentum'",
    ],
    [
      'amsgrad',
      () => new optim.Adam([one], any({ amsgrad: true })),
      'Adam does not offer amsgrad: leave it out or set it to false, got true',
    ],
    [
      'amsgrad in a group',
      () => new optim.AdamW(any([{ params: [one], amsgrad: 1 }])),
      'does not offer amsgrad',
    ],
    ['maximize', () => new optim.SGD([one], any({ maximize: true })), 'does not offer maximize'],
    ['amsgrad of SGD', () => new optim.SGD([one], any({ amsgrad: false })), "'amsgrad'"],
    ['options that are null', () => new optim.SGD([one], any(null)), 'got null'],
    ['no parameters', () => new optim.Adam([]), 'empty parameter list'],
    ['an empty group', () => new optim.Adam([{ params: [one] }, { params: [] }]), 'group 1'],
    ['a parameter twice', () => new optim.Adam([one, one]), 'shape [3, 2] twice'],
    [
      'a parameter in two groups',
      () => new optim.SGD([{ params: [one] }, { params: [one] }]),
      'in groups 0 and 1',
    ],
    ['no iterable', () => new optim.Adam(any(one)), 'got Parameter'],
    ['arrays', () => new optim.Adam(any([new Float32Array(1)])), 'got Float32Array'],
    ['groups beside parameters', () => new optim.Adam(any([one, { params: [one] }])), 'beside'],
    ['params that is no list', () => new optim.Adam(any([{ params: 3 }])), 'got 3'],
    ['a bad lr later', () => Object.assign(new optim.Adam([one]), { lr: -3 }), 'got -3'],
  ])('refuse %s', (_title, call, message) => {
    expect(call).toThrow(ArgumentError);
    expect(call).toThrow(message);
  });
});
