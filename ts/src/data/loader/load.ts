/** Owns the loaders of named data sets, both in one call. */
import { checkOptions } from '../../arguments.js';
import { CIFAR10 } from '../datasets/cifar10.js';
import { CIFAR100 } from '../datasets/cifar100.js';
import { FashionMNIST } from '../datasets/fashion-mnist.js';
import { KMNIST } from '../datasets/kmnist.js';
import { MNIST } from '../datasets/mnist.js';
import type { MnistOptions } from '../datasets/mnist-files.js';
import { fileOptionNames } from '../files/find.js';
import { Compose, type TransformStep } from '../transforms/compose.js';
import { Resize } from '../transforms/resize.js';
import { ToTensor } from '../transforms/tensor.js';
import type { Dataset } from '../types.js';
import { DataLoader } from './data-loader.js';
import { checkLoaderOptions } from './options.js';

/** Options of {@link loadFashionMnist} and its like. */
export interface LoadOptions extends Omit<MnistOptions, 'train' | 'transform'> {
  /** Samples per batch; 128 unless given. */
  batchSize?: number;
  /** Pixels of the image's edge, or [height, width]; the images keep their size unless given. */
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
  return loadBoth('loadFashionMnist', FashionMNIST.load, options);
}

/** Loads MNIST and makes its loaders; as {@link loadFashionMnist}. */
export async function loadMnist(options: LoadOptions = {}): Promise<Loaders> {
  return loadBoth('loadMnist', MNIST.load, options);
}

/** Loads KMNIST and makes its loaders; as {@link loadFashionMnist}. */
export async function loadKmnist(options: LoadOptions = {}): Promise<Loaders> {
  return loadBoth('loadKmnist', KMNIST.load, options);
}

/** Loads CIFAR-10 and makes its loaders; as {@link loadFashionMnist}. */
export async function loadCifar10(options: LoadOptions = {}): Promise<Loaders> {
  return loadBoth('loadCifar10', CIFAR10.load, options);
}

/** Loads CIFAR-100 with its fine labels and makes its loaders; as {@link loadFashionMnist}. */
export async function loadCifar100(options: LoadOptions = {}): Promise<Loaders> {
  return loadBoth('loadCifar100', CIFAR100.load, options);
}

const names = [
  ...fileOptionNames,
  'batchSize',
  'resize',
  'augment',
  'numWorkers',
  'prefetchFactor',
  'seed',
] as const satisfies readonly (keyof LoadOptions)[];

async function loadBoth(
  who: string,
  load: (options: MnistOptions) => Promise<Dataset>,
  options: LoadOptions,
): Promise<Loaders> {
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
    const dataset = await load({ ...files, train, transform });
    return new DataLoader(dataset, { ...loaderOptions, shuffle: train });
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
