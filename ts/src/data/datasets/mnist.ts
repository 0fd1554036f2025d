/** Owns the named data sets: FashionMNIST, MNIST, and their loaders in one call. */
import { checkOptions } from '../../arguments.js';
import { DataLoader } from '../loader/data-loader.js';
import { checkLoaderOptions } from '../loader/options.js';
import { Compose, type TransformStep } from '../transforms/compose.js';
import { Resize } from '../transforms/resize.js';
import { ToTensor } from '../transforms/tensor.js';
import { type CatalogEntry, fashionMnist, mnist } from './catalog.js';
import { loadMnistFiles, type MnistOptions } from './mnist-files.js';
import { TensorDataset, type TensorDatasetOptions } from './tensor-dataset.js';

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
   * Reads the data set from disk, and verifies its checksums; see {@link MnistOptions} for where it
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

/** Options of {@link loadFashionMnist} and {@link loadMnist}. */
export interface LoadOptions extends Omit<MnistOptions, 'train' | 'transform'> {
  /** Samples per batch; 128 unless given. */
  batchSize?: number;
  /** Pixels of the image's edge, or [height, width]; the images keep their 28x28 unless given. */
  resize?: number | readonly [height: number, width: number];
  /** Applied to training images, before they are resized; nothing unless given. */
  augment?: TransformStep;
  /** Worker threads of each loader; 0 unless given. */
  numWorkers?: number;
  /** Batches that are filled ahead per worker; 2 unless given. */
  prefetchFactor?: number;
  /** Seed of the training order; that of `manualSeed` unless given. */
  seed?: number;
}

/** The two loaders of a data set. */
export interface Loaders {
  /** Training samples, in a new random order each epoch. */
  readonly train: DataLoader;
  /** Test samples, in the files' order. */
  readonly test: DataLoader;
}

/**
 * Loads Fashion-MNIST and makes its loaders: bytes become floats from 0 to 1 (ToTensor).
 *
 * @example
 * const { train, test } = await loadFashionMnist({ batchSize: 128, resize: 224, numWorkers: 4 });
 * @throws {DataError} as {@link FashionMNIST.load}.
 * @throws {ArgumentError} where an option is unknown or not what it should be.
 */
export async function loadFashionMnist(options: LoadOptions = {}): Promise<Loaders> {
  return loadBoth('loadFashionMnist', fashionMnist, options);
}

/** Loads MNIST and makes its loaders; as {@link loadFashionMnist}. */
export async function loadMnist(options: LoadOptions = {}): Promise<Loaders> {
  return loadBoth('loadMnist', mnist, options);
}

const names = [
  'root',
  'download',
  'mirrors',
  'stallTimeout',
  'onProgress',
  'signal',
  'batchSize',
  'resize',
  'augment',
  'numWorkers',
  'prefetchFactor',
  'seed',
] as const satisfies readonly (keyof LoadOptions)[];

async function loadBoth(who: string, entry: CatalogEntry, options: LoadOptions): Promise<Loaders> {
  checkOptions(who, options, names);
  const { batchSize = 128, resize, augment, numWorkers, prefetchFactor, seed, ...files } = options;
  const given = { numWorkers, prefetchFactor, seed, signal: files.signal };
  const loaderOptions = { ...definedOnly(given), batchSize };
  checkLoaderOptions(loaderOptions); // before seconds are spent on reading
  const chain = (first: readonly TransformStep[]) =>
    new Compose([...first, ...(resize === undefined ? [] : [new Resize(resize)]), new ToTensor()]);
  const plain = chain([]);
  const varied = augment === undefined ? plain : chain([augment]);
  const loader = async (train: boolean) => {
    const transform = train ? varied : plain;
    const tensors = await loadMnistFiles(entry, { ...files, train, transform });
    return new DataLoader(new TensorDataset(tensors), { ...loaderOptions, shuffle: train });
  };
  return { train: await loader(true), test: await loader(false) };
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** The object without its undefined members. */
function definedOnly<T extends object>(object: T): Defined<T> {
  return Object.fromEntries(
    Object.entries(object).filter(([, value]) => value !== undefined),
  ) as Defined<T>;
}
