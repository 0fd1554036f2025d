/** Owns Fashion-MNIST. */
import type { CatalogEntry } from './catalog.js';
import { loadMnistFiles, type MnistOptions } from './mnist-files.js';
import { TensorDataset, type TensorDatasetOptions } from './tensor-dataset.js';

export const fashionMnist: CatalogEntry = {
  title: 'Fashion-MNIST',
  folder: 'fashion-mnist',
  torchvisionFolder: 'FashionMNIST',
  systemFolders: ['/usr/share/datasets/fashion-mnist'],
  hint: "install Debian's package dataset-fashion-mnist",
  mirrors: ['http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/'],
  classes: [
    'T-shirt/top',
    'Trouser',
    'Pullover',
    'Dress',
    'Coat',
    'Sandal',
    'Shirt',
    'Sneaker',
    'Bag',
    'Ankle boot',
  ],
  train: {
    images: {
      name: 'train-images-idx3-ubyte',
      md5: 'f4a8712d7a061bf5bd6d2ca38dc4d50a',
    },
    labels: {
      name: 'train-labels-idx1-ubyte',
      md5: '9018921c3c673c538a1fc5bad174d6f9',
    },
  },
  test: {
    images: {
      name: 't10k-images-idx3-ubyte',
      md5: '8181f5470baa50b63fa0f6fddb340f0a',
    },
    labels: {
      name: 't10k-labels-idx1-ubyte',
      md5: '15d484375f8d13e6eb1aabb0c3f46965',
    },
  },
};

/**
 * Fashion-MNIST: 28x28 grey images of ten kinds of clothing (Xiao, Rasul, Vollgraf 2017).
 *
 * @example
 * const dataset = await FashionMNIST.load({ train: true, transform: new Resize(224) });
 */
export class FashionMNIST extends TensorDataset {
  /** Names of the classes, by label. */
  static readonly classes: readonly string[] = fashionMnist.classes;
  /** Whether this is the training part. */
  readonly train: boolean;

  private constructor(data: TensorDatasetOptions, train: boolean) {
    super(data);
    this.train = train;
  }

  /**
   * Reads the data set from disk, and verifies its checksums; see {@link FileOptions} for where it
   * looks.
   *
   * @throws {DataError} ERR_NN_DATA_MISSING where the files are nowhere (the message says where to
   *   put them), ERR_NN_DATA_DOWNLOAD where no mirror served them, ERR_NN_DATA_CORRUPT where one is
   *   damaged.
   * @throws {ArgumentError} where an option is unknown or not what it should be.
   */
  static async load(options: MnistOptions): Promise<FashionMNIST> {
    return new FashionMNIST(await loadMnistFiles(fashionMnist, options), options.train);
  }
}
