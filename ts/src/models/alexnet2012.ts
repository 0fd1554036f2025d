/**
 * Owns AlexNet as the paper has it: "ImageNet classification with deep convolutional neural networks"
 * (Krizhevsky, Sutskever, Hinton, 2012), its two columns as two groups of channels. State dict names:
 * features.0.weight to classifier.6.bias.
 */
import type { Tensor } from '../graph/tensor.js';
import { ReLU } from '../nn/activation.js';
import { Sequential } from '../nn/containers.js';
import { Dropout } from '../nn/dropout.js';
import { constant_, normal_ } from '../nn/init.js';
import { Conv2d, Linear } from '../nn/layers.js';
import { Module } from '../nn/module.js';
import { LocalResponseNorm } from '../nn/normalisation.js';
import { MaxPool2d } from '../nn/pooling.js';
import { type DropoutModelOptions, dropoutOptions, imageNet } from './options.js';

/** Options of {@link AlexNet2012}. Dropout is 0.5 by default. */
export type AlexNet2012Options = DropoutModelOptions;

/** The paper's alpha, 1e-4, multiplies the sum over 5 channels; here it multiplies their mean. */
function localResponseNorm(): LocalResponseNorm {
  return new LocalResponseNorm(5, { alpha: 5e-4, beta: 0.75, k: 2 });
}

/** Normal numbers of deviation 0.01, and one bias for all outputs. */
function drawn<T extends Conv2d | Linear>(layer: T, bias: 0 | 1): T {
  normal_(layer.weight, 0, 0.01);
  if (layer.bias !== null) constant_(layer.bias, bias);
  return layer;
}

/**
 * The AlexNet of 2012 for images [N, 3, 224, 224]; 60,965,224 parameters. The second, fourth and fifth
 * convolutions have two groups: the halves of their channels, which the paper put on two GPUs, do not
 * see each other. The first pads its image by 2, which gives the 55 x 55 places of the paper.
 *
 * Weights are drawn as in the paper: normal, of deviation 0.01; biases are 1 in the second, fourth and
 * fifth convolution and in the hidden linear layers, and 0 in the others.
 */
export class AlexNet2012 extends Module {
  readonly features: Sequential;
  readonly classifier: Sequential;

  constructor(options: AlexNet2012Options = {}) {
    super();
    const defaults = { ...imageNet, dropout: 0.5 };
    const { numClasses, inChannels, dropout } = dropoutOptions('AlexNet2012', options, defaults);
    this.features = new Sequential(
      drawn(new Conv2d(inChannels, 96, 11, { stride: 4, padding: 2 }), 0),
      new ReLU(),
      localResponseNorm(),
      new MaxPool2d(3, { stride: 2 }),
      drawn(new Conv2d(96, 256, 5, { padding: 2, groups: 2 }), 1),
      new ReLU(),
      localResponseNorm(),
      new MaxPool2d(3, { stride: 2 }),
      drawn(new Conv2d(256, 384, 3, { padding: 1 }), 0),
      new ReLU(),
      drawn(new Conv2d(384, 384, 3, { padding: 1, groups: 2 }), 1),
      new ReLU(),
      drawn(new Conv2d(384, 256, 3, { padding: 1, groups: 2 }), 1),
      new ReLU(),
      new MaxPool2d(3, { stride: 2 }),
    );
    this.classifier = new Sequential(
      drawn(new Linear(256 * 6 * 6, 4096), 1),
      new ReLU(),
      new Dropout(dropout),
      drawn(new Linear(4096, 4096), 1),
      new ReLU(),
      new Dropout(dropout),
      drawn(new Linear(4096, numClasses), 0),
    );
  }

  // image: [N, inChannels, 224, 224]; returns logits [N, numClasses]
  override forward(image: Tensor): Tensor {
    return this.classifier.forward(this.features.forward(image).flatten(1));
  }
}

/** A new {@link AlexNet2012} with weights drawn from the default generator. */
export function alexnet2012(options: AlexNet2012Options = {}): AlexNet2012 {
  return new AlexNet2012(options);
}
