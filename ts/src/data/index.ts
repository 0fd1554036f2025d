/** Owns the public names of `neuronode`'s `data` namespace. */
export type { Pixels } from '../pixels.js';
export type { DownloadProgress } from './download.js';
export { decodeIdx, type IdxArray, type IdxDType, type ReadIdxOptions, readIdx } from './idx.js';
export { DataLoader } from './loader.js';
export type { DataLoaderOptions } from './loader-options.js';
export {
  FashionMNIST,
  type Loaders,
  type LoadOptions,
  loadFashionMnist,
  loadMnist,
  MNIST,
} from './mnist.js';
export type { MnistOptions } from './mnist-files.js';
export { TensorDataset, type TensorDatasetOptions } from './tensor-dataset.js';
export { Compose, Normalize, Resize, ToTensor, type Transform } from './transforms.js';
export type { Batch, Dataset, ImageShape, Sample } from './types.js';
