/**
 * Owns LeNet (LeCun, Bottou, Bengio, Haffner, 1998) in the form that the PyTorch edition of "Dive
 * into Deep Learning" uses for Fashion-MNIST. State dict names: conv.0.weight to fc.4.bias.
 */
import type { Tensor } from '../graph/tensor.js';
import { Sigmoid } from '../nn/activation.js';
import { Sequential } from '../nn/containers.js';
import { Conv2d, Linear } from '../nn/layers.js';
import { Module } from '../nn/module.js';
import { MaxPool2d } from '../nn/pooling.js';
import { fashionMnist, type ModelOptions, modelOptions } from './options.js';

/** Options of {@link LeNet}. */
export type LeNetOptions = ModelOptions;

/** LeNet for images [N, 1, 28, 28]; 44,426 parameters with 10 classes. */
export class LeNet extends Module {
  readonly conv: Sequential;
  readonly fc: Sequential;

  constructor(options: LeNetOptions = {}) {
    super();
    const { numClasses, inChannels } = modelOptions('LeNet', options, fashionMnist);
    this.conv = new Sequential(
      new Conv2d(inChannels, 6, 5),
      new Sigmoid(),
      new MaxPool2d(2, { stride: 2 }),
      new Conv2d(6, 16, 5),
      new Sigmoid(),
      new MaxPool2d(2, { stride: 2 }),
    );
    this.fc = new Sequential(
      new Linear(16 * 4 * 4, 120),
      new Sigmoid(),
      new Linear(120, 84),
      new Sigmoid(),
      new Linear(84, numClasses),
    );
  }

  // image: [N, inChannels, 28, 28]; returns logits [N, numClasses]
  override forward(image: Tensor): Tensor {
    return this.fc.forward(this.conv.forward(image).flatten(1));
  }
}

/** A new {@link LeNet} with weights drawn from the default generator. */
export function lenet(options: LeNetOptions = {}): LeNet {
  return new LeNet(options);
}
