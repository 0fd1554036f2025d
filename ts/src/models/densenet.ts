/**
 * Owns the densely connected networks (Huang, Liu, van der Maaten, Weinberger, 2016) as torchvision has
 * them. State dict names: features.conv0.weight to classifier.bias.
 */
import type { Tensor } from '../graph/tensor.js';
import { ReLU } from '../nn/activation.js';
import { BatchNorm2d } from '../nn/batch-norm.js';
import { Sequential } from '../nn/containers.js';
import { functional } from '../nn/functional/index.js';
import { constant_, kaimingNormal_ } from '../nn/init.js';
import { Conv2d, Linear } from '../nn/layers.js';
import { Module } from '../nn/module.js';
import { AvgPool2d, MaxPool2d } from '../nn/pooling.js';
import { imageNet, type ModelOptions, modelOptions } from './options.js';

/** Options of {@link DenseNet}. */
export type DenseNetOptions = ModelOptions;

/** Channels that each layer adds. */
const growth = 32;

/** Channels of the first convolution. */
const firstChannels = 64;

/** Number of layers in each block, for each number of layers with weights. */
const plans = { 121: [6, 12, 24, 16] } as const;

/** Makes `growth` channels from all that came before it in its block. */
class DenseLayer extends Module {
  readonly norm1: BatchNorm2d;
  readonly relu1 = new ReLU();
  readonly conv1: Conv2d;
  readonly norm2 = new BatchNorm2d(4 * growth);
  readonly relu2 = new ReLU();
  readonly conv2: Conv2d;

  constructor(inChannels: number) {
    super();
    this.norm1 = new BatchNorm2d(inChannels);
    this.conv1 = new Conv2d(inChannels, 4 * growth, 1, { bias: false });
    this.conv2 = new Conv2d(4 * growth, growth, 3, { padding: 1, bias: false });
  }

  // x: [N, inChannels, H, W]; returns [N, growth, H, W]
  override forward(x: Tensor): Tensor {
    const narrow = this.conv1.forward(this.relu1.forward(this.norm1.forward(x)));
    return this.conv2.forward(this.relu2.forward(this.norm2.forward(narrow)));
  }
}

/** Layers that each get what the block was given and what every layer before them made. */
class DenseBlock extends Sequential {
  constructor(count: number, inChannels: number) {
    const layers = new Map<string, Module>();
    for (let i = 0; i < count; i++) {
      layers.set(`denselayer${i + 1}`, new DenseLayer(inChannels + i * growth));
    }
    super(layers);
  }

  // x: [N, inChannels, H, W]; returns [N, inChannels + count growth, H, W]
  override forward(x: Tensor): Tensor {
    return [...this].reduce((all, layer) => functional.cat([all, layer.forward(all)], 1), x);
  }
}

/** Between two blocks: half as many channels, and half the height and width. */
function transition(inChannels: number): Sequential {
  return new Sequential({
    norm: new BatchNorm2d(inChannels),
    relu: new ReLU(),
    conv: new Conv2d(inChannels, inChannels / 2, 1, { bias: false }),
    pool: new AvgPool2d(2, { stride: 2 }),
  });
}

/** DenseNet for images [N, 3, 224, 224], or others of at least 29 x 29. */
export class DenseNet extends Module {
  readonly features: Sequential;
  readonly classifier: Linear;

  /** @param layers Number of layers with weights: 121. */
  constructor(layers: keyof typeof plans, options: DenseNetOptions = {}) {
    super();
    const { numClasses, inChannels } = modelOptions('DenseNet', options, imageNet);
    const first = { stride: 2, padding: 3, bias: false };
    const features = new Map<string, Module>([
      ['conv0', new Conv2d(inChannels, firstChannels, 7, first)],
      ['norm0', new BatchNorm2d(firstChannels)],
      ['relu0', new ReLU()],
      ['pool0', new MaxPool2d(3, { stride: 2, padding: 1 })],
    ]);
    let channels = firstChannels;
    const counts = plans[layers];
    for (const [i, count] of counts.entries()) {
      features.set(`denseblock${i + 1}`, new DenseBlock(count, channels));
      channels += count * growth;
      if (i === counts.length - 1) continue;
      features.set(`transition${i + 1}`, transition(channels));
      channels /= 2;
    }
    features.set('norm5', new BatchNorm2d(channels));
    this.features = new Sequential(features);
    this.classifier = new Linear(channels, numClasses);
    for (const module of this.modules()) {
      if (module instanceof Conv2d) kaimingNormal_(module.weight);
    }
    if (this.classifier.bias !== null) constant_(this.classifier.bias, 0);
  }

  // image: [N, inChannels, H, W]; returns logits [N, numClasses]
  override forward(image: Tensor): Tensor {
    const means = functional.adaptiveAvgPool2d(this.features.forward(image).relu(), 1);
    return this.classifier.forward(means.flatten(1));
  }
}

/** A new {@link DenseNet} of 121 layers, which each add 32 channels; 7,978,856 parameters. */
export function densenet121(options: DenseNetOptions = {}): DenseNet {
  return new DenseNet(121, options);
}
