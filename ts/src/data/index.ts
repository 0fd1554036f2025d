/** Owns the public names of `neuronode`'s `data` namespace. */
export type { Pixels } from '../pixels.js';
export { CIFAR10 } from './datasets/cifar10.js';
export { CIFAR100, type Cifar100Options } from './datasets/cifar100.js';
export { EMNIST, type EmnistOptions, type EmnistSplit } from './datasets/emnist.js';
export { FashionMNIST } from './datasets/fashion-mnist.js';
export { KMNIST } from './datasets/kmnist.js';
export { MNIST } from './datasets/mnist.js';
export type { DatasetOptions, MnistOptions } from './datasets/mnist-files.js';
export { QMNIST, type QmnistOptions, type QmnistPart } from './datasets/qmnist.js';
export { TensorDataset, type TensorDatasetOptions } from './datasets/tensor-dataset.js';
export type { DownloadProgress } from './files/download.js';
export type { FileOptions } from './files/find.js';
export {
  decodeIdx,
  type IdxArray,
  type IdxDType,
  type ReadIdxOptions,
  readIdx,
} from './files/idx.js';
export { DataLoader } from './loader/data-loader.js';
export {
  type Loaders,
  type LoadOptions,
  loadCifar10,
  loadCifar100,
  loadFashionMnist,
  loadKmnist,
  loadMnist,
} from './loader/load.js';
export type { DataLoaderOptions } from './loader/options.js';
export type { Interval, PaddingLike } from './transforms/checks.js';
export { ColorJitter, type ColorJitterOptions, Grayscale } from './transforms/color-transforms.js';
export { Compose, type TransformStep } from './transforms/compose.js';
export {
  CenterCrop,
  Pad,
  type PadOptions,
  RandomCrop,
  type RandomCropOptions,
} from './transforms/crops.js';
export { RandomHorizontalFlip, RandomVerticalFlip } from './transforms/flips.js';
export * as functional from './transforms/functional.js';
export type { Fill, Padding, PaddingMode } from './transforms/geometry.js';
export { type Draw, SampleRandom } from './transforms/random.js';
export { RandomErasing, type RandomErasingOptions } from './transforms/random-erasing.js';
export { RandomRotation } from './transforms/random-rotation.js';
export { Resize } from './transforms/resize.js';
export {
  RandomResizedCrop,
  type RandomResizedCropOptions,
  type Rectangle,
} from './transforms/resized-crop.js';
export type { Interpolation, RotateOptions } from './transforms/rotate.js';
export { Normalize, ToTensor } from './transforms/tensor.js';
export type {
  PlannedShape,
  Transform,
  TransformedImage,
  WorkerRecipe,
} from './transforms/transform.js';
export type { Batch, Dataset, ImageShape, Sample } from './types.js';
