/**
 * Owns the residual networks (He, Zhang, Ren, Sun, 2015) as torchvision has them. State dict names: conv1.weight to fc.bias.
 */
import type { Tensor } from '../graph/tensor.js';
import { ReLU } from '../nn/activation.js';
import { BatchNorm2d } from '../nn/batch-norm.js';
import { Sequential } from '../nn/containers.js';
import { kaimingNormal_ } from '../nn/init.js';
import { Conv2d, Linear } from '../nn/layers.js';
import { Module } from '../nn/module.js';
import { AdaptiveAvgPool2d, MaxPool2d } from '../nn/pooling.js';
import { imageNet, type ModelOptions, modelOptions } from './options.js';

/** Options of {@link ResNet}. */
export type ResNetOptions = ModelOptions;

function conv(inChannels: number, outChannels: number, kernelSize: 1 | 3, stride = 1): Conv2d {
  const padding = kernelSize === 3 ? 1 : 0;
  return new Conv2d(inChannels, outChannels, kernelSize, { stride, padding, bias: false });
}

/** What brings a block's input to the shape of its output. */
function shortcut(inChannels: number, outChannels: number, stride: number): Sequential | undefined {
  if (stride === 1 && inChannels === outChannels) return undefined;
  return new Sequential(conv(inChannels, outChannels, 1, stride), new BatchNorm2d(outChannels));
}

/** Two 3x3 convolutions, and their input added. */
class BasicBlock extends Module {
  static readonly expansion = 1;
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly relu = new ReLU();
  readonly conv2: Conv2d;
  readonly bn2: BatchNorm2d;
  readonly downsample?: Sequential;

  constructor(inChannels: number, width: number, stride: number, downsample?: Sequential) {
    super();
    this.conv1 = conv(inChannels, width, 3, stride);
    this.bn1 = new BatchNorm2d(width);
    this.conv2 = conv(width, width, 3);
    this.bn2 = new BatchNorm2d(width);
    if (downsample !== undefined) this.downsample = downsample;
  }

  // x: [N, inChannels, H, W]; returns [N, width, H / stride, W / stride]
  override forward(x: Tensor): Tensor {
    const hidden = this.relu.forward(this.bn1.forward(this.conv1.forward(x)));
    const output = this.bn2.forward(this.conv2.forward(hidden));
    return this.relu.forward(output.add(this.downsample?.forward(x) ?? x));
  }
}

/** A 3x3 convolution between two of single pixels, which narrow and widen, and its input added. */
class Bottleneck extends Module {
  static readonly expansion = 4;
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly conv2: Conv2d;
  readonly bn2: BatchNorm2d;
  readonly conv3: Conv2d;
  readonly bn3: BatchNorm2d;
  readonly relu = new ReLU();
  readonly downsample?: Sequential;

  constructor(inChannels: number, width: number, stride: number, downsample?: Sequential) {
    super();
    const outChannels = width * Bottleneck.expansion;
    this.conv1 = conv(inChannels, width, 1);
    this.bn1 = new BatchNorm2d(width);
    this.conv2 = conv(width, width, 3, stride);
    this.bn2 = new BatchNorm2d(width);
    this.conv3 = conv(width, outChannels, 1);
    this.bn3 = new BatchNorm2d(outChannels);
    if (downsample !== undefined) this.downsample = downsample;
  }

  // x: [N, inChannels, H, W]; returns [N, 4 width, H / stride, W / stride]
  override forward(x: Tensor): Tensor {
    const narrow = this.relu.forward(this.bn1.forward(this.conv1.forward(x)));
    const hidden = this.relu.forward(this.bn2.forward(this.conv2.forward(narrow)));
    const output = this.bn3.forward(this.conv3.forward(hidden));
    return this.relu.forward(output.add(this.downsample?.forward(x) ?? x));
  }
}

/** The block, and how many of them each of the four stages has. */
const plans = {
  18: { block: BasicBlock, counts: [2, 2, 2, 2] },
  34: { block: BasicBlock, counts: [3, 4, 6, 3] },
  50: { block: Bottleneck, counts: [3, 4, 6, 3] },
} as const;

/** ResNet for images [N, 3, 224, 224], or others of any size from 32 x 32 up. */
export class ResNet extends Module {
  readonly conv1: Conv2d;
  readonly bn1 = new BatchNorm2d(64);
  readonly relu = new ReLU();
  readonly maxpool = new MaxPool2d(3, { stride: 2, padding: 1 });
  readonly layer1: Sequential;
  readonly layer2: Sequential;
  readonly layer3: Sequential;
  readonly layer4: Sequential;
  readonly avgpool = new AdaptiveAvgPool2d(1);
  readonly fc: Linear;

  /** @param layers Number of layers with weights: 18, 34 or 50. */
  constructor(layers: keyof typeof plans, options: ResNetOptions = {}) {
    super();
    const { numClasses, inChannels } = modelOptions('ResNet', options, imageNet);
    const { block: Block, counts } = plans[layers];
    let channels = 64;
    const stage = (width: number, count: number, stride: number): Sequential => {
      const blocks: Module[] = [];
      const outChannels = width * Block.expansion;
      for (let i = 0; i < count; i++) {
        const step = i === 0 ? stride : 1;
        blocks.push(new Block(channels, width, step, shortcut(channels, outChannels, step)));
        channels = outChannels;
      }
      return new Sequential(...blocks);
    };
    this.conv1 = new Conv2d(inChannels, 64, 7, { stride: 2, padding: 3, bias: false });
    this.layer1 = stage(64, counts[0], 1);
    this.layer2 = stage(128, counts[1], 2);
    this.layer3 = stage(256, counts[2], 2);
    this.layer4 = stage(512, counts[3], 2);
    this.fc = new Linear(channels, numClasses);
    for (const module of this.modules()) {
      if (!(module instanceof Conv2d)) continue;
      kaimingNormal_(module.weight, { mode: 'fanOut', nonlinearity: 'relu' });
    }
  }

  // image: [N, inChannels, H, W]; returns logits [N, numClasses]
  override forward(image: Tensor): Tensor {
    let x = this.relu.forward(this.bn1.forward(this.conv1.forward(image)));
    x = this.maxpool.forward(x);
    for (const layer of [this.layer1, this.layer2, this.layer3, this.layer4]) x = layer.forward(x);
    return this.fc.forward(this.avgpool.forward(x).flatten(1));
  }
}

/** A new {@link ResNet} of basic blocks; 11,689,512 parameters. */
export function resnet18(options: ResNetOptions = {}): ResNet {
  return new ResNet(18, options);
}

/** A new {@link ResNet} of basic blocks; 21,797,672 parameters. */
export function resnet34(options: ResNetOptions = {}): ResNet {
  return new ResNet(34, options);
}

/** A new {@link ResNet} of bottlenecks; 25,557,032 parameters. */
export function resnet50(options: ResNetOptions = {}): ResNet {
  return new ResNet(50, options);
}
