/**
 * Networks of the literature, ready to train. `alexnet` and `lenet` are those of "Dive into Deep
 * Learning", for Fashion-MNIST; the others take colour images of 1000 classes unless told otherwise,
 * and those that torchvision has load its weights.
 */
export { AlexNet, type AlexNetOptions, alexnet } from './alexnet.js';
export { LeNet, type LeNetOptions, lenet } from './lenet.js';
export { NiN, type NiNOptions, nin } from './nin.js';
export type { DropoutModelOptions, ModelOptions } from './options.js';
export { ResNet, type ResNetOptions, resnet18 } from './resnet.js';
export {
  TorchvisionAlexNet,
  type TorchvisionAlexNetOptions,
  torchvisionAlexnet,
} from './torchvision-alexnet.js';
export { VGG, type VGGOptions, vgg11, vgg13, vgg16, vgg19 } from './vgg.js';
