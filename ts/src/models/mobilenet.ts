/**
 * Owns MobileNetV2 (Sandler, Howard, Zhu, Zhmoginov, Chen, 2018) as torchvision has it. State dict
 * names: features.0.0.weight to classifier.1.bias.
 */
import type { Tensor } from '../graph/tensor.js';
import { ReLU6 } from '../nn/activation.js';
import { BatchNorm2d } from '../nn/batch-norm.js';
import { Sequential } from '../nn/containers.js';
import { Dropout } from '../nn/dropout.js';
import { functional } from '../nn/functional/index.js';
import { constant_, kaimingNormal_, normal_ } from '../nn/init.js';
import { Conv2d, Linear } from '../nn/layers.js';
import { Module } from '../nn/module.js';
import { type DropoutModelOptions, dropoutOptions, imageNet } from './options.js';

/** Options of {@link MobileNetV2}. Dropout is 0.2 by default. */
export type MobileNetV2Options = DropoutModelOptions;

/** For each stage: by how much its blocks widen, output channels, how many blocks, first stride. */
const stages = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
] as const;

/** A convolution, batch normalisation and ReLU6. */
function convNormActivation(
  inChannels: number,
  outChannels: number,
  kernelSize: 1 | 3,
  { stride = 1, groups = 1 } = {},
): Sequential {
  const padding = kernelSize === 3 ? 1 : 0;
  const options = { stride, padding, groups, bias: false };
  return new Sequential(
    new Conv2d(inChannels, outChannels, kernelSize, options),
    new BatchNorm2d(outChannels),
    new ReLU6(),
  );
}

/** Single pixels widened, each channel by itself, and narrowed; the input added where it fits. */
class InvertedResidual extends Module {
  readonly conv: Sequential;
  readonly isResidual: boolean;

  constructor(inChannels: number, outChannels: number, stride: number, expansion: number) {
    super();
    const width = inChannels * expansion;
    this.isResidual = stride === 1 && inChannels === outChannels;
    this.conv = new Sequential(
      ...(expansion === 1 ? [] : [convNormActivation(inChannels, width, 1)]),
      convNormActivation(width, width, 3, { stride, groups: width }),
      new Conv2d(width, outChannels, 1, { bias: false }),
      new BatchNorm2d(outChannels),
    );
  }

  // x: [N, inChannels, H, W]; returns [N, outChannels, H / stride, W / stride]
  override forward(x: Tensor): Tensor {
    const output = this.conv.forward(x);
    return this.isResidual ? x.add(output) : output;
  }
}

/**
 * MobileNetV2 for images [N, 3, 224, 224], or others of any size from 32 x 32 up; 3,504,872
 * parameters.
 */
export class MobileNetV2 extends Module {
  readonly features: Sequential;
  readonly classifier: Sequential;

  constructor(options: MobileNetV2Options = {}) {
    super();
    const defaults = { ...imageNet, dropout: 0.2 };
    const { numClasses, inChannels, dropout } = dropoutOptions('MobileNetV2', options, defaults);
    let channels = 32;
    const layers: Module[] = [convNormActivation(inChannels, channels, 3, { stride: 2 })];
    for (const [expansion, outChannels, count, stride] of stages) {
      for (let i = 0; i < count; i++) {
        const step = i === 0 ? stride : 1;
        layers.push(new InvertedResidual(channels, outChannels, step, expansion));
        channels = outChannels;
      }
    }
    layers.push(convNormActivation(channels, 1280, 1));
    this.features = new Sequential(...layers);
    this.classifier = new Sequential(new Dropout(dropout), new Linear(1280, numClasses));
    for (const module of this.modules()) {
      if (module instanceof Conv2d) {
        kaimingNormal_(module.weight, { mode: 'fanOut' });
      } else if (module instanceof Linear) {
        normal_(module.weight, 0, 0.01);
        if (module.bias !== null) constant_(module.bias, 0);
      }
    }
  }

  // image: [N, inChannels, H, W]; returns logits [N, numClasses]
  override forward(image: Tensor): Tensor {
    const means = functional.adaptiveAvgPool2d(this.features.forward(image), 1);
    return this.classifier.forward(means.flatten(1));
  }
}

/** A new {@link MobileNetV2} with weights drawn from the default generator. */
export function mobilenetV2(options: MobileNetV2Options = {}): MobileNetV2 {
  return new MobileNetV2(options);
}
