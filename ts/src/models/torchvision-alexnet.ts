/**
 * Owns AlexNet as torchvision has it: "One weird trick for parallelizing convolutional neural networks"
 * (Krizhevsky, 2014). State dict names: features.0.weight to classifier.6.bias.
 */
import type { Tensor } from '../graph/tensor.js';
import { ReLU } from '../nn/activation.js';
import { Sequential } from '../nn/containers.js';
import { Dropout } from '../nn/dropout.js';
import { Conv2d, Linear } from '../nn/layers.js';
import { Module } from '../nn/module.js';
import { AdaptiveAvgPool2d, MaxPool2d } from '../nn/pooling.js';
import { type DropoutModelOptions, dropoutOptions, imageNet } from './options.js';

/** Options of {@link TorchvisionAlexNet}. Dropout is 0.5 by default. */
export type TorchvisionAlexNetOptions = DropoutModelOptions;

/** AlexNet for images [N, 3, 224, 224], or others of at least 63 x 63; 61,100,840 parameters. */
export class TorchvisionAlexNet extends Module {
  readonly features: Sequential;
  readonly avgpool = new AdaptiveAvgPool2d(6);
  readonly classifier: Sequential;

  constructor(options: TorchvisionAlexNetOptions = {}) {
    super();
    const defaults = { ...imageNet, dropout: 0.5 };
    const who = 'TorchvisionAlexNet';
    const { numClasses, inChannels, dropout } = dropoutOptions(who, options, defaults);
    this.features = new Sequential(
      new Conv2d(inChannels, 64, 11, { stride: 4, padding: 2 }),
      new ReLU(),
      new MaxPool2d(3, { stride: 2 }),
      new Conv2d(64, 192, 5, { padding: 2 }),
      new ReLU(),
      new MaxPool2d(3, { stride: 2 }),
      new Conv2d(192, 384, 3, { padding: 1 }),
      new ReLU(),
      new Conv2d(384, 256, 3, { padding: 1 }),
      new ReLU(),
      new Conv2d(256, 256, 3, { padding: 1 }),
      new ReLU(),
      new MaxPool2d(3, { stride: 2 }),
    );
    this.classifier = new Sequential(
      new Dropout(dropout),
      new Linear(256 * 6 * 6, 4096),
      new ReLU(),
      new Dropout(dropout),
      new Linear(4096, 4096),
      new ReLU(),
      new Linear(4096, numClasses),
    );
  }

  // image: [N, inChannels, H, W]; returns logits [N, numClasses]
  override forward(image: Tensor): Tensor {
    return this.classifier.forward(this.avgpool.forward(this.features.forward(image)).flatten(1));
  }
}

/** A new {@link TorchvisionAlexNet} with weights drawn from the default generator. */
export function torchvisionAlexnet(options: TorchvisionAlexNetOptions = {}): TorchvisionAlexNet {
  return new TorchvisionAlexNet(options);
}
