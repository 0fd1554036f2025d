/**
 * Owns AlexNet (Krizhevsky, Sutskever, Hinton, 2012) in the one-column form that the PyTorch edition
 * of "Dive into Deep Learning" uses for Fashion-MNIST. State dict names: conv.0.weight to fc.6.bias.
 */
import type { Tensor } from '../graph/tensor.js';
import { ReLU } from '../nn/activation.js';
import { Sequential } from '../nn/containers.js';
import { Dropout } from '../nn/dropout.js';
import { Conv2d, Linear } from '../nn/layers.js';
import { Module } from '../nn/module.js';
import { MaxPool2d } from '../nn/pooling.js';
import { type DropoutModelOptions, dropoutOptions, fashionMnist } from './options.js';

/** Options of {@link AlexNet}. Dropout is 0.5 by default. */
export type AlexNetOptions = DropoutModelOptions;

/** AlexNet for images [N, 1, 224, 224]; 46,764,746 parameters with 10 classes. */
export class AlexNet extends Module {
  readonly conv: Sequential;
  readonly fc: Sequential;

  constructor(options: AlexNetOptions = {}) {
    super();
    const defaults = { ...fashionMnist, dropout: 0.5 };
    const { numClasses, inChannels, dropout } = dropoutOptions('AlexNet', options, defaults);
    this.conv = new Sequential(
      new Conv2d(inChannels, 96, 11, { stride: 4 }),
      new ReLU(),
      new MaxPool2d(3, { stride: 2 }),
      new Conv2d(96, 256, 5, { stride: 1, padding: 2 }),
      new ReLU(),
      new MaxPool2d(3, { stride: 2 }),
      new Conv2d(256, 384, 3, { stride: 1, padding: 1 }),
      new ReLU(),
      new Conv2d(384, 384, 3, { stride: 1, padding: 1 }),
      new ReLU(),
      new Conv2d(384, 256, 3, { stride: 1, padding: 1 }),
      new ReLU(),
      new MaxPool2d(3, { stride: 2 }),
    );
    this.fc = new Sequential(
      new Linear(256 * 5 * 5, 4096),
      new ReLU(),
      new Dropout(dropout),
      new Linear(4096, 4096),
      new ReLU(),
      new Dropout(dropout),
      new Linear(4096, numClasses),
    );
  }

  // image: [N, inChannels, 224, 224]; returns logits [N, numClasses]
  override forward(image: Tensor): Tensor {
    return this.fc.forward(this.conv.forward(image).flatten(1));
  }
}

/** A new {@link AlexNet} with weights drawn from the default generator. */
export function alexnet(options: AlexNetOptions = {}): AlexNet {
  return new AlexNet(options);
}
