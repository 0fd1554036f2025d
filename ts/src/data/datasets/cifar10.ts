/** Owns CIFAR-10. */
import { type CifarEntry, loadCifarFiles } from './cifar-files.js';
import type { MnistOptions } from './mnist-files.js';
import { TensorDataset, type TensorDatasetOptions } from './tensor-dataset.js';

const classes = [
  'airplane',
  'automobile',
  'bird',
  'cat',
  'deer',
  'dog',
  'frog',
  'horse',
  'ship',
  'truck',
] as const;

/** What is known of CIFAR-10. */
export const cifar10: CifarEntry = {
  title: 'CIFAR-10',
  folder: 'cifar-10',
  torchvisionFolder: 'CIFAR10',
  systemFolders: [],
  hint: 'copy it from another machine',
  mirrors: ['https://www.cs.toronto.edu/~kriz/'],
  archive: { name: 'cifar-10-binary.tar.gz', md5: 'c32a1d4ab5d03f1284b67883e8d87530' },
  filesFolder: 'cifar-10-batches-bin',
  labels: [{ what: 'class', classes: classes.length }],
  train: [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`),
  test: ['test_batch.bin'],
  samples: { train: 10_000, test: 10_000 },
};

/**
 * CIFAR-10: 32x32 colour images of ten classes (Krizhevsky 2009), 50,000 for training and 10,000 for
 * tests, in its binary version: `cifar-10-binary.tar.gz` as it is published, or its files unpacked.
 *
 * @example
 * const dataset = await CIFAR10.load({ train: true, transform: new RandomHorizontalFlip() });
 */
export class CIFAR10 extends TensorDataset {
  /** Names of the classes, by label. */
  static readonly classes: readonly string[] = classes;
  /** Whether this is the training part. */
  readonly train: boolean;

  private constructor(data: TensorDatasetOptions, train: boolean) {
    super(data);
    this.train = train;
  }

  /**
   * Reads the data set from disk, and verifies the archive's checksum; see {@link FileOptions} for
   * where it looks.
   *
   * @throws {DataError} ERR_NN_DATA_MISSING where the files are nowhere (the message says where to
   *   put them), ERR_NN_DATA_DOWNLOAD where no mirror served them, ERR_NN_DATA_CORRUPT where one is
   *   damaged.
   * @throws {ArgumentError} where an option is unknown or not what it should be.
   */
  static async load(options: MnistOptions): Promise<CIFAR10> {
    const { images, labels } = await loadCifarFiles(cifar10, options);
    const { transform } = options;
    const data = {
      images,
      imageShape: [3, 32, 32] as const,
      labels: labels[0]!,
      numClasses: classes.length,
      ...(transform === undefined ? {} : { transform }),
    };
    return new CIFAR10(data, options.train);
  }
}
