/**
 * Owns NiN, "Network in network" (Lin, Chen, Yan, 2013), in the form that the PyTorch edition of "Dive
 * into Deep Learning" gives it, on colour images. State dict names: net.0.0.weight to net.7.4.bias.
 */
import type { Tensor } from '../graph/tensor.js';
import { ReLU } from '../nn/activation.js';
import { Sequential } from '../nn/containers.js';
import { Dropout } from '../nn/dropout.js';
import type { functional } from '../nn/functional/index.js';
import { xavierUniform_ } from '../nn/init.js';
import { Conv2d } from '../nn/layers.js';
import { Module } from '../nn/module.js';
import { AdaptiveAvgPool2d, MaxPool2d } from '../nn/pooling.js';
import { Flatten } from '../nn/reshape.js';
import { type DropoutModelOptions, dropoutOptions, imageNet } from './options.js';

/** Options of {@link NiN}. Dropout is 0.5 by default. */
export type NiNOptions = DropoutModelOptions;

/** A convolution and two of single pixels, which are a small network at each place. */
function block(
  inChannels: number,
  outChannels: number,
  kernelSize: number,
  options: functional.ConvOptions,
): Sequential {
  return new Sequential(
    new Conv2d(inChannels, outChannels, kernelSize, options),
    new ReLU(),
    new Conv2d(outChannels, outChannels, 1),
    new ReLU(),
    new Conv2d(outChannels, outChannels, 1),
    new ReLU(),
  );
}

/**
 * NiN for images [N, 3, 224, 224], or others of at least 67 x 67; 7,439,608 parameters. Weights are
 * drawn by `nn.init.xavierUniform_`, as the book does.
 */
export class NiN extends Module {
  readonly net: Sequential;

  constructor(options: NiNOptions = {}) {
    super();
    const defaults = { ...imageNet, dropout: 0.5 };
    const { numClasses, inChannels, dropout } = dropoutOptions('NiN', options, defaults);
    this.net = new Sequential(
      block(inChannels, 96, 11, { stride: 4 }),
      new MaxPool2d(3, { stride: 2 }),
      block(96, 256, 5, { padding: 2 }),
      new MaxPool2d(3, { stride: 2 }),
      block(256, 384, 3, { padding: 1 }),
      new MaxPool2d(3, { stride: 2 }),
      new Dropout(dropout),
      block(384, numClasses, 3, { padding: 1 }),
      new AdaptiveAvgPool2d(1),
      new Flatten(),
    );
    for (const module of this.modules()) {
      if (module instanceof Conv2d) xavierUniform_(module.weight);
    }
  }

  // image: [N, inChannels, H, W]; returns logits [N, numClasses]
  override forward(image: Tensor): Tensor {
    return this.net.forward(image);
  }
}

/** A new {@link NiN} with weights drawn from the default generator. */
export function nin(options: NiNOptions = {}): NiN {
  return new NiN(options);
}
