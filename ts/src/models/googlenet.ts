/**
 * Owns GoogLeNet (Szegedy et al., 2014) with batch normalisation, as torchvision has it, and its loss.
 * State dict names: conv1.conv.weight to fc.bias.
 */
import { checkBoolean, checkNumber } from '../arguments.js';
import { ArgumentError } from '../errors.js';
import type { Tensor } from '../graph/tensor.js';
import { BatchNorm2d } from '../nn/batch-norm.js';
import { Sequential } from '../nn/containers.js';
import { Dropout } from '../nn/dropout.js';
import { functional } from '../nn/functional/index.js';
import { truncNormal_ } from '../nn/init.js';
import { Conv2d, Linear } from '../nn/layers.js';
import { Loss } from '../nn/loss.js';
import { Module, type Outputs } from '../nn/module.js';
import { AdaptiveAvgPool2d, MaxPool2d } from '../nn/pooling.js';
import { type DropoutModelOptions, dropoutOptions, imageNet } from './options.js';

/** Options of {@link GoogLeNet}. Dropout, which stands before `fc`, is 0.2 by default. */
export interface GoogLeNetOptions extends DropoutModelOptions {
  /** Whether there are two auxiliary heads, which take part in training alone; true by default. */
  auxLogits?: boolean;
  /** Probability of the auxiliary heads' dropout; 0.7 by default. */
  dropoutAux?: number;
  /**
   * Whether images normalised by ImageNet's means and deviations are turned into such of mean 0.5 and
   * deviation 0.5, for which torchvision's trained weights were made; false by default.
   */
  transformInput?: boolean;
}

/** A convolution, batch normalisation and ReLU. */
class BasicConv2d extends Module {
  readonly conv: Conv2d;
  readonly bn: BatchNorm2d;

  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: number,
    options: functional.ConvOptions = {},
  ) {
    super();
    this.conv = new Conv2d(inChannels, outChannels, kernelSize, { ...options, bias: false });
    this.bn = new BatchNorm2d(outChannels, { eps: 0.001 });
  }

  // x: [N, inChannels, H, W]; returns [N, outChannels, H', W']
  override forward(x: Tensor): Tensor {
    return this.bn.forward(this.conv.forward(x)).relu();
  }
}

/** Channels of a branch: of its narrowing convolution, and of what it gives. */
type Branch = readonly [narrow: number, out: number];

/** Four branches side by side, whose channels are joined. */
class Inception extends Module {
  readonly branch1: BasicConv2d;
  readonly branch2: Sequential;
  readonly branch3: Sequential;
  readonly branch4: Sequential;

  /**
   * @param single Channels of the convolution of single pixels.
   * @param second, third Channels of the branches with a 3x3 window. The paper's third has 5x5, but
   *   torchvision's weights are for 3x3.
   * @param pooled Channels of the branch that pools.
   */
  constructor(inChannels: number, single: number, second: Branch, third: Branch, pooled: number) {
    super();
    const narrowed = ([narrow, out]: Branch) =>
      new Sequential(
        new BasicConv2d(inChannels, narrow, 1),
        new BasicConv2d(narrow, out, 3, { padding: 1 }),
      );
    this.branch1 = new BasicConv2d(inChannels, single, 1);
    this.branch2 = narrowed(second);
    this.branch3 = narrowed(third);
    this.branch4 = new Sequential(
      new MaxPool2d(3, { stride: 1, padding: 1, ceilMode: true }),
      new BasicConv2d(inChannels, pooled, 1),
    );
  }

  // x: [N, inChannels, H, W]; returns [N, sum of the branches' channels, H, W]
  override forward(x: Tensor): Tensor {
    const branches = [this.branch1, this.branch2, this.branch3, this.branch4];
    return functional.cat(
      branches.map((branch) => branch.forward(x)),
      1,
    );
  }
}

/** A classifier in the midst of the network, whose gradient reaches the layers before it sooner. */
class InceptionAux extends Module {
  readonly conv: BasicConv2d;
  readonly fc1: Linear;
  readonly fc2: Linear;
  readonly dropout: Dropout;

  constructor(inChannels: number, numClasses: number, dropout: number) {
    super();
    this.conv = new BasicConv2d(inChannels, 128, 1);
    this.fc1 = new Linear(128 * 4 * 4, 1024);
    this.fc2 = new Linear(1024, numClasses);
    this.dropout = new Dropout(dropout);
  }

  // x: [N, inChannels, H, W]; returns logits [N, numClasses]
  override forward(x: Tensor): Tensor {
    const cells = this.conv.forward(functional.adaptiveAvgPool2d(x, 4));
    const hidden = this.fc1.forward(cells.flatten(1)).relu();
    return this.fc2.forward(this.dropout.forward(hidden));
  }
}

const optionNames = ['auxLogits', 'dropoutAux', 'transformInput'];

/** Mean and deviation of ImageNet's red, green and blue. */
const imageNetColours = [
  [0.485, 0.229],
  [0.456, 0.224],
  [0.406, 0.225],
] as const;

/** An image normalised by ImageNet's colours, normalised by mean 0.5 and deviation 0.5 instead. */
function transformed(image: Tensor): Tensor {
  const colours = imageNetColours.map(([mean, deviation], c) =>
    image
      .narrow(1, c, 1)
      .mul(deviation / 0.5)
      .add((mean - 0.5) / 0.5),
  );
  return functional.cat(colours, 1);
}

function ceilPool(kernelSize: 2 | 3): MaxPool2d {
  return new MaxPool2d(kernelSize, { stride: 2, ceilMode: true });
}

/**
 * GoogLeNet for images [N, 3, 224, 224], or others of at least 15 x 15; 13,004,888 parameters, of which
 * 6,379,984 are the auxiliary heads'.
 *
 * In training `forward` returns three logits [N, numClasses], in torchvision's order: the network's, the
 * second auxiliary head's, the first's. {@link GoogLeNetLoss} puts them together. In evaluation, and
 * without `auxLogits`, it returns the network's logits alone.
 *
 * @throws ArgumentError for options out of range, or `transformInput` with other than 3 channels.
 */
export class GoogLeNet extends Module<Outputs> {
  readonly transformInput: boolean;
  readonly conv1: BasicConv2d;
  readonly maxpool1 = ceilPool(3);
  readonly conv2: BasicConv2d;
  readonly conv3: BasicConv2d;
  readonly maxpool2 = ceilPool(3);
  readonly inception3a: Inception;
  readonly inception3b: Inception;
  readonly maxpool3 = ceilPool(3);
  readonly inception4a: Inception;
  readonly inception4b: Inception;
  readonly inception4c: Inception;
  readonly inception4d: Inception;
  readonly inception4e: Inception;
  readonly maxpool4 = ceilPool(2);
  readonly inception5a: Inception;
  readonly inception5b: Inception;
  /** null without `auxLogits` */
  readonly aux1: InceptionAux | null;
  /** null without `auxLogits` */
  readonly aux2: InceptionAux | null;
  readonly avgpool = new AdaptiveAvgPool2d(1);
  readonly dropout: Dropout;
  readonly fc: Linear;

  constructor(options: GoogLeNetOptions = {}) {
    super();
    const who = 'GoogLeNet';
    const defaults = { ...imageNet, dropout: 0.2 };
    const checked = dropoutOptions(who, options, defaults, optionNames);
    const { numClasses, inChannels, dropout } = checked;
    const auxLogits = checkBoolean(who, 'auxLogits', options.auxLogits ?? true);
    const range = { min: 0, max: 1 };
    const dropoutAux = checkNumber(who, 'dropoutAux', options.dropoutAux ?? 0.7, range);
    this.transformInput = checkBoolean(who, 'transformInput', options.transformInput ?? false);
    if (this.transformInput && inChannels !== imageNetColours.length) {
      throw new ArgumentError(
        `${who} expects inChannels to be 3 with transformInput, got ${inChannels}`,
      );
    }
    this.conv1 = new BasicConv2d(inChannels, 64, 7, { stride: 2, padding: 3 });
    this.conv2 = new BasicConv2d(64, 64, 1);
    this.conv3 = new BasicConv2d(64, 192, 3, { padding: 1 });
    this.inception3a = new Inception(192, 64, [96, 128], [16, 32], 32);
    this.inception3b = new Inception(256, 128, [128, 192], [32, 96], 64);
    this.inception4a = new Inception(480, 192, [96, 208], [16, 48], 64);
    this.inception4b = new Inception(512, 160, [112, 224], [24, 64], 64);
    this.inception4c = new Inception(512, 128, [128, 256], [24, 64], 64);
    this.inception4d = new Inception(512, 112, [144, 288], [32, 64], 64);
    this.inception4e = new Inception(528, 256, [160, 320], [32, 128], 128);
    this.inception5a = new Inception(832, 256, [160, 320], [32, 128], 128);
    this.inception5b = new Inception(832, 384, [192, 384], [48, 128], 128);
    this.aux1 = auxLogits ? new InceptionAux(512, numClasses, dropoutAux) : null;
    this.aux2 = auxLogits ? new InceptionAux(528, numClasses, dropoutAux) : null;
    this.dropout = new Dropout(dropout);
    this.fc = new Linear(1024, numClasses);
    for (const module of this.modules()) {
      if (module instanceof Conv2d || module instanceof Linear) {
        truncNormal_(module.weight, 0, 0.01, -2, 2);
      }
    }
  }

  // image: [N, inChannels, H, W]; returns logits [N, numClasses], in training with the heads'
  override forward(image: Tensor): Outputs {
    const first = this.conv1.forward(this.transformInput ? transformed(image) : image);
    const second = this.conv3.forward(this.conv2.forward(this.maxpool1.forward(first)));
    const x3 = this.inception3b.forward(this.inception3a.forward(this.maxpool2.forward(second)));
    const x4a = this.inception4a.forward(this.maxpool3.forward(x3));
    const x4c = this.inception4c.forward(this.inception4b.forward(x4a));
    const x4d = this.inception4d.forward(x4c);
    const x4 = this.inception4e.forward(x4d);
    const x5 = this.inception5b.forward(this.inception5a.forward(this.maxpool4.forward(x4)));
    const means = this.dropout.forward(this.avgpool.forward(x5).flatten(1));
    const logits = this.fc.forward(means);
    if (!this.training || this.aux1 === null || this.aux2 === null) return logits;
    return [logits, this.aux2.forward(x4d), this.aux1.forward(x4a)];
  }
}

/**
 * The paper's loss of {@link GoogLeNet}: cross entropy of its logits [N, C] and labels i32 [N], and in
 * training 0.3 times that of each auxiliary head. Accuracy is that of the network's logits.
 * @throws ArgumentError for a network without outputs.
 */
export class GoogLeNetLoss extends Loss {
  override readonly leavesPaddingOut = true;

  override forward(...tensors: Tensor[]): Tensor {
    const who = 'GoogLeNetLoss';
    const labels = tensors.at(-1);
    const [logits, ...heads] = tensors.slice(0, -1);
    if (labels === undefined || logits === undefined) {
      throw new ArgumentError(`${who} expects logits and labels, got ${tensors.length} tensors`);
    }
    // The first call counts the right rows.
    const loss = functional.crossEntropy(logits, labels, {}, who);
    return heads.reduce(
      (sum, head) => sum.add(functional.crossEntropy(head, labels, {}, who).mul(0.3)),
      loss,
    );
  }
}

/** A new {@link GoogLeNet} with weights drawn from the default generator. */
export function googlenet(options: GoogLeNetOptions = {}): GoogLeNet {
  return new GoogLeNet(options);
}
