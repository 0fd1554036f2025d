/** Owns KMNIST. */
import type { CatalogEntry } from './catalog.js';
import { loadMnistFiles, type MnistOptions } from './mnist-files.js';
import { TensorDataset, type TensorDatasetOptions } from './tensor-dataset.js';

const kmnist: CatalogEntry = {
  title: 'KMNIST',
  folder: 'kmnist',
  torchvisionFolder: 'KMNIST',
  systemFolders: [],
  hint: 'copy them from another machine',
  mirrors: ['http://codh.rois.ac.jp/kmnist/dataset/kmnist/'],
  classes: ['o', 'ki', 'su', 'tsu', 'na', 'ha', 'ma', 'ya', 're', 'wo'],
  train: {
    images: {
      name: 'train-images-idx3-ubyte',
      md5: 'bdb82020997e1d708af4cf47b453dcf7',
      md5Of: 'file',
    },
    labels: {
      name: 'train-labels-idx1-ubyte',
      md5: 'e144d726b3acfaa3e44228e80efcd344',
      md5Of: 'file',
    },
  },
  test: {
    images: {
      name: 't10k-images-idx3-ubyte',
      md5: '5c965bf0a639b31b8f53240b1b52f4d7',
      md5Of: 'file',
    },
    labels: {
      name: 't10k-labels-idx1-ubyte',
      md5: '7320c461ea6c1c855c0b718fb2a4b134',
      md5Of: 'file',
    },
  },
};

/**
 * KMNIST (Kuzushiji-MNIST): 28x28 grey images of ten hiragana in cursive hand (Clanuwat and others
 * 2018), 60,000 for training and 10,000 for tests.
 *
 * The published checksums are those of the .gz files; decompressed ones are checked by their headers
 * and labels alone.
 */
export class KMNIST extends TensorDataset {
  /** Names of the classes, by label. */
  static readonly classes: readonly string[] = kmnist.classes;
  /** Whether this is the training part. */
  readonly train: boolean;

  private constructor(data: TensorDatasetOptions, train: boolean) {
    super(data);
    this.train = train;
  }

  /** Reads the data set from disk; as {@link FashionMNIST.load}. */
  static async load(options: MnistOptions): Promise<KMNIST> {
    return new KMNIST(await loadMnistFiles(kmnist, options), options.train);
  }
}
