/**
 * Owns the VGG networks (Simonyan and Zisserman, 2014) as torchvision has them. State dict names:
 * features.0.weight to classifier.6.bias.
 */
import { checkBoolean } from '../arguments.js';
import type { Tensor } from '../graph/tensor.js';
import { ReLU } from '../nn/activation.js';
import { BatchNorm2d } from '../nn/batch-norm.js';
import { Sequential } from '../nn/containers.js';
import { Dropout } from '../nn/dropout.js';
import { constant_, kaimingNormal_, normal_ } from '../nn/init.js';
import { Conv2d, Linear } from '../nn/layers.js';
import { Module } from '../nn/module.js';
import { AdaptiveAvgPool2d, MaxPool2d } from '../nn/pooling.js';
import { type DropoutModelOptions, dropoutOptions, imageNet } from './options.js';

/** Options of {@link VGG}. Dropout is 0.5 by default. */
export type VGGOptions = DropoutModelOptions;

/** Channels of the convolutions between two poolings, for each number of layers with weights. */
const plans = {
  11: [[64], [128], [256, 256], [512, 512], [512, 512]],
  13: [
    [64, 64],
    [128, 128],
    [256, 256],
    [512, 512],
    [512, 512],
  ],
  16: [
    [64, 64],
    [128, 128],
    [256, 256, 256],
    [512, 512, 512],
    [512, 512, 512],
  ],
  19: [
    [64, 64],
    [128, 128],
    [256, 256, 256, 256],
    [512, 512, 512, 512],
    [512, 512, 512, 512],
  ],
} as const;

function features(
  plan: readonly (readonly number[])[],
  inChannels: number,
  batchNorm: boolean,
): Sequential {
  const layers: Module[] = [];
  let channels = inChannels;
  for (const stage of plan) {
    for (const wanted of stage) {
      layers.push(new Conv2d(channels, wanted, 3, { padding: 1 }));
      if (batchNorm) layers.push(new BatchNorm2d(wanted));
      layers.push(new ReLU());
      channels = wanted;
    }
    layers.push(new MaxPool2d(2, { stride: 2 }));
  }
  return new Sequential(...layers);
}

/** VGG for images [N, 3, 224, 224], or others of at least 32 x 32. */
export class VGG extends Module {
  readonly features: Sequential;
  readonly avgpool = new AdaptiveAvgPool2d(7);
  readonly classifier: Sequential;

  /**
   * @param layers Number of layers with weights: 11, 13, 16 or 19.
   * @param batchNorm Whether batch normalisation follows each convolution; false by default.
   */
  constructor(layers: keyof typeof plans, options: VGGOptions = {}, batchNorm = false) {
    super();
    const defaults = { ...imageNet, dropout: 0.5 };
    const { numClasses, inChannels, dropout } = dropoutOptions('VGG', options, defaults);
    checkBoolean('VGG', 'batchNorm', batchNorm);
    this.features = features(plans[layers], inChannels, batchNorm);
    this.classifier = new Sequential(
      new Linear(512 * 7 * 7, 4096),
      new ReLU(),
      new Dropout(dropout),
      new Linear(4096, 4096),
      new ReLU(),
      new Dropout(dropout),
      new Linear(4096, numClasses),
    );
    for (const module of this.modules()) {
      if (module instanceof Conv2d) {
        kaimingNormal_(module.weight, { mode: 'fanOut', nonlinearity: 'relu' });
      } else if (module instanceof Linear) {
        normal_(module.weight, 0, 0.01);
      } else continue;
      if (module.bias !== null) constant_(module.bias, 0);
    }
  }

  // image: [N, inChannels, H, W]; returns logits [N, numClasses]
  override forward(image: Tensor): Tensor {
    return this.classifier.forward(this.avgpool.forward(this.features.forward(image)).flatten(1));
  }
}

/** A new {@link VGG} of 8 convolutions; 132,863,336 parameters. */
export function vgg11(options: VGGOptions = {}): VGG {
  return new VGG(11, options);
}

/** A new {@link VGG} of 10 convolutions; 133,047,848 parameters. */
export function vgg13(options: VGGOptions = {}): VGG {
  return new VGG(13, options);
}

/** A new {@link VGG} of 13 convolutions; 138,357,544 parameters. */
export function vgg16(options: VGGOptions = {}): VGG {
  return new VGG(16, options);
}

/** A new {@link VGG} of 16 convolutions; 143,667,240 parameters. */
export function vgg19(options: VGGOptions = {}): VGG {
  return new VGG(19, options);
}

/** {@link vgg11} with batch normalisation; 132,868,840 parameters. */
export function vgg11Bn(options: VGGOptions = {}): VGG {
  return new VGG(11, options, true);
}

/** {@link vgg13} with batch normalisation; 133,053,736 parameters. */
export function vgg13Bn(options: VGGOptions = {}): VGG {
  return new VGG(13, options, true);
}

/** {@link vgg16} with batch normalisation; 138,365,992 parameters. */
export function vgg16Bn(options: VGGOptions = {}): VGG {
  return new VGG(16, options, true);
}

/** {@link vgg19} with batch normalisation; 143,678,248 parameters. */
export function vgg19Bn(options: VGGOptions = {}): VGG {
  return new VGG(19, options, true);
}
