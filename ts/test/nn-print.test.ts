/** Modules print as in PyTorch 2.15: the strings are what Python's print gave. */
import { models, nn, type Tensor } from 'neuronode';
import { describe, expect, it } from 'vitest';

const alexnet = `AlexNet(
  (conv): Sequential(
    (0): Conv2d(1, 96, kernel_size=(11, 11), stride=(4, 4))
    (1): ReLU()
    (2): MaxPool2d(kernel_size=3, stride=2, padding=0, dilation=1, ceil_mode=False)
    (3): Conv2d(96, 256, kernel_size=(5, 5), stride=(1, 1), padding=(2, 2))
    (4): ReLU()
    (5): MaxPool2d(kernel_size=3, stride=2, padding=0, dilation=1, ceil_mode=False)
    (6): Conv2d(256, 384, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
    (7): ReLU()
    (8): Conv2d(384, 384, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
    (9): ReLU()
    (10): Conv2d(384, 256, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
    (11): ReLU()
    (12): MaxPool2d(kernel_size=3, stride=2, padding=0, dilation=1, ceil_mode=False)
  )
  (fc): Sequential(
    (0): Linear(in_features=6400, out_features=4096, bias=True)
    (1): ReLU()
    (2): Dropout(p=0.5, inplace=False)
    (3): Linear(in_features=4096, out_features=4096, bias=True)
    (4): ReLU()
    (5): Dropout(p=0.5, inplace=False)
    (6): Linear(in_features=4096, out_features=10, bias=True)
  )
)`;

class Empty extends nn.Module {
  forward(x: Tensor): Tensor {
    return x;
  }
}

describe('String(module)', () => {
  it('prints AlexNet', () => {
    expect(String(models.alexnet())).toBe(alexnet);
  });

  it.each<[string, nn.Module]>([
    [
      'Conv2d(4, 8, kernel_size=(3, 5), stride=(1, 2), padding=valid, dilation=(2, 2), groups=2, bias=False)',
      new nn.Conv2d(4, 8, [3, 5], {
        stride: [1, 2],
        padding: 'valid',
        dilation: 2,
        groups: 2,
        bias: false,
      }),
    ],
    [
      'Conv2d(4, 8, kernel_size=(3, 3), stride=(1, 1), padding=same)',
      new nn.Conv2d(4, 8, 3, { padding: 'same' }),
    ],
    [
      'Conv2d(4, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 0))',
      new nn.Conv2d(4, 8, 3, { padding: [1, 0] }),
    ],
    [
      'MaxPool2d(kernel_size=(3, 2), stride=(2, 1), padding=1, dilation=2, ceil_mode=True)',
      new nn.MaxPool2d([3, 2], { stride: [2, 1], padding: 1, dilation: 2, ceilMode: true }),
    ],
    [
      'MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)',
      new nn.MaxPool2d(2),
    ],
    ['AvgPool2d(kernel_size=2, stride=2, padding=0)', new nn.AvgPool2d(2)],
    [
      'AvgPool2d(kernel_size=(2, 3), stride=1, padding=(1, 0))',
      new nn.AvgPool2d([2, 3], {
        stride: 1,
        padding: [1, 0],
        ceilMode: true,
        countIncludePad: false,
      }),
    ],
    ['AdaptiveAvgPool2d(output_size=6)', new nn.AdaptiveAvgPool2d(6)],
    ['AdaptiveAvgPool2d(output_size=(6, None))', new nn.AdaptiveAvgPool2d([6, null])],
    ['AdaptiveAvgPool2d(output_size=None)', new nn.AdaptiveAvgPool2d(null)],
    ['Dropout(p=0.5, inplace=False)', new nn.Dropout()],
    ['LocalResponseNorm(5, alpha=0.0001, beta=0.75, k=1.0)', new nn.LocalResponseNorm(5)],
    [
      'LocalResponseNorm(2, alpha=1e-05, beta=0.5, k=2)',
      new nn.LocalResponseNorm(2, { alpha: 1e-5, beta: 0.5, k: 2 }),
    ],
    ["Upsample(scale_factor=2.0, mode='nearest')", new nn.Upsample({ scaleFactor: 2 })],
    [
      "Upsample(scale_factor=(1.5, 2.0), mode='bilinear')",
      new nn.Upsample({ scaleFactor: [1.5, 2], mode: 'bilinear' }),
    ],
    ["Upsample(size=(3, 4), mode='nearest')", new nn.Upsample({ size: [3, 4] })],
    ["Upsample(size=7, mode='nearest')", new nn.Upsample({ size: 7 })],
    ['GroupNorm(2, 4, eps=1e-05, affine=True, bias=True)', new nn.GroupNorm(2, 4)],
    [
      'GroupNorm(2, 4, eps=0.5, affine=False, bias=False)',
      new nn.GroupNorm(2, 4, { eps: 0.5, affine: false }),
    ],
    ['LayerNorm((10,), eps=1e-05, elementwise_affine=True, bias=True)', new nn.LayerNorm(10)],
    [
      'LayerNorm((3, 4), eps=1e-05, elementwise_affine=True, bias=False)',
      new nn.LayerNorm([3, 4], { bias: false }),
    ],
    ['Dropout(p=1e-07, inplace=False)', new nn.Dropout(1e-7)],
    ['Dropout(p=1e-05, inplace=False)', new nn.Dropout(0.00001)],
    ['Flatten(start_dim=1, end_dim=-1)', new nn.Flatten()],
    ['Flatten(start_dim=0, end_dim=2)', new nn.Flatten(0, 2)],
    ['CrossEntropyLoss()', new nn.CrossEntropyLoss()],
    ['Linear(in_features=3, out_features=4, bias=False)', new nn.Linear(3, 4, { bias: false })],
    ['Sigmoid()', new nn.Sigmoid()],
    ['Empty()', new Empty()],
    ['Sequential()', new nn.Sequential()],
    ['ModuleList()', new nn.ModuleList()],
    [
      `ModuleList(
  (0-1): 2 x Linear(in_features=2, out_features=2, bias=True)
  (2): ReLU()
  (3): Linear(in_features=2, out_features=2, bias=True)
)`,
      new nn.ModuleList([
        new nn.Linear(2, 2),
        new nn.Linear(2, 2),
        new nn.ReLU(),
        new nn.Linear(2, 2),
      ]),
    ],
    [
      `Sequential(
  (block): Sequential(
    (0): ReLU()
  )
  (act): ReLU()
)`,
      new nn.Sequential(
        new Map<string, nn.Module>([
          ['block', new nn.Sequential(new nn.ReLU())],
          ['act', new nn.ReLU()],
        ]),
      ),
    ],
  ])('%s', (text, module) => {
    expect(String(module)).toBe(text);
  });
});
