/** Owns MNIST. */
import { type CatalogEntry, digits } from './catalog.js';
import { loadMnistFiles, type MnistOptions } from './mnist-files.js';
import { TensorDataset, type TensorDatasetOptions } from './tensor-dataset.js';

export const mnist: CatalogEntry = {
  title: 'MNIST',
  folder: 'mnist',
  torchvisionFolder: 'MNIST',
  systemFolders: [],
  hint: 'copy them from another machine',
  mirrors: ['https://ossci-datasets.s3.amazonaws.com/mnist/'],
  classes: digits,
  train: {
    images: {
      name: 'train-images-idx3-ubyte',
      md5: '6bbc9ace898e44ae57da46a324031adb',
    },
    labels: {
      name: 'train-labels-idx1-ubyte',
      md5: 'a25bea736e30d166cdddb491f175f624',
    },
  },
  test: {
    images: {
      name: 't10k-images-idx3-ubyte',
      md5: '2646ac647ad5339dbf082846283269ea',
    },
    labels: {
      name: 't10k-labels-idx1-ubyte',
      md5: '27ae3e4e09519cfbb04c329615203637',
    },
  },
};

/** MNIST: 28x28 grey images of handwritten digits (LeCun, Cortes, Burges). */
export class MNIST extends TensorDataset {
  /** Names of the classes, by label. */
  static readonly classes: readonly string[] = mnist.classes;
  /** Whether this is the training part. */
  readonly train: boolean;

  private constructor(data: TensorDatasetOptions, train: boolean) {
    super(data);
    this.train = train;
  }

  /** Reads the data set from disk; as {@link FashionMNIST.load}. */
  static async load(options: MnistOptions): Promise<MNIST> {
    return new MNIST(await loadMnistFiles(mnist, options), options.train);
  }
}
