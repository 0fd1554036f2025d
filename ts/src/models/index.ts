/**
 * Networks of the literature, ready to train. `alexnet` and `lenet` are those of "Dive into Deep
 * Learning", for Fashion-MNIST; the others take colour images of 1000 classes unless told otherwise,
 * and those that torchvision has load its weights.
 */
export { AlexNet, type AlexNetOptions, alexnet } from './alexnet.js';
export { AlexNet2012, type AlexNet2012Options, alexnet2012 } from './alexnet2012.js';
export { DenseNet, type DenseNetOptions, densenet121 } from './densenet.js';
export { GoogLeNet, GoogLeNetLoss, type GoogLeNetOptions, googlenet } from './googlenet.js';
export { LeNet, type LeNetOptions, lenet } from './lenet.js';
export { MobileNetV2, type MobileNetV2Options, mobilenetV2 } from './mobilenet.js';
export { NiN, type NiNOptions, nin } from './nin.js';
export type { DropoutModelOptions, ModelOptions } from './options.js';
export { ResNet, type ResNetOptions, resnet18, resnet34, resnet50 } from './resnet.js';
export {
  TorchvisionAlexNet,
  type TorchvisionAlexNetOptions,
  torchvisionAlexnet,
} from './torchvision-alexnet.js';
export {
  VGG,
  type VGGOptions,
  vgg11,
  vgg11Bn,
  vgg13,
  vgg13Bn,
  vgg16,
  vgg16Bn,
  vgg19,
  vgg19Bn,
} from './vgg.js';
