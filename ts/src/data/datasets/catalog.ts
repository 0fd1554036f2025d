/**
 * Owns what is known about the data sets that can be loaded by name: files, checksums, folders,
 * mirrors, classes.
 */

/** One file of a data set. */
export interface CatalogFile {
  /** Name of the decompressed file; `.gz` is added for the compressed one. */
  readonly name: string;
  /** MD5 of the decompressed file. Compressed files differ by who compressed them. */
  readonly md5: string;
}

/** One part (training or test) of a data set. */
export interface CatalogPart {
  readonly images: CatalogFile;
  readonly labels: CatalogFile;
}

/** A data set in MNIST's format. */
export interface CatalogEntry {
  /** For messages. */
  readonly title: string;
  /** Folder name below a data directory. */
  readonly folder: string;
  /** Folder name that torchvision uses below its root. */
  readonly torchvisionFolder: string;
  /** Folders where a system package puts the files. */
  readonly systemFolders: readonly string[];
  /** What else to do where the files are missing. */
  readonly hint: string;
  readonly mirrors: readonly string[];
  /** Names of the classes, by label. */
  readonly classes: readonly string[];
  readonly train: CatalogPart;
  readonly test: CatalogPart;
}

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

export const mnist: CatalogEntry = {
  title: 'MNIST',
  folder: 'mnist',
  torchvisionFolder: 'MNIST',
  systemFolders: [],
  hint: 'copy them from another machine',
  mirrors: ['https://ossci-datasets.s3.amazonaws.com/mnist/'],
  classes: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'],
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
