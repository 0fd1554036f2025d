/** Owns reading the two files, images and labels, of a part of a data set in MNIST's format. */
import { checkBoolean, checkOptions } from '../../arguments.js';
import { DataError } from '../../errors.js';
import {
  checkFileOptions,
  type FileOptions,
  fileOptionNames,
  findOrFetch,
  verifyFile,
  type WantedFile,
} from '../files/find.js';
import { type IdxArray, readIdx } from '../files/idx.js';
import { Compose, type TransformStep } from '../transforms/compose.js';
import type { CatalogEntry, CatalogFile } from './catalog.js';
import type { TensorDatasetOptions } from './tensor-dataset.js';

/** Options of every data set's `load`. */
export interface DatasetOptions extends FileOptions {
  /** Applied to every image that is read; ToTensor unless given. */
  transform?: TransformStep;
}

/** Names of {@link DatasetOptions}. */
export const datasetOptionNames = [
  'transform',
  ...fileOptionNames,
] as const satisfies readonly (keyof DatasetOptions)[];

/** Options of `FashionMNIST.load`, and of other data sets' that have a part for training and one for tests. */
export interface MnistOptions extends DatasetOptions {
  /** The training samples, or the test samples. */
  train: boolean;
}

/** @throws {ArgumentError} where an option is not what it should be. */
export function checkDatasetOptions(title: string, options: DatasetOptions): void {
  checkFileOptions(title, options);
  if (options.transform !== undefined) new Compose([options.transform]); // throws where it is none
}

/**
 * Finds (or fetches) and reads one part of a data set.
 *
 * @throws {DataError} ERR_NN_DATA_MISSING, ERR_NN_DATA_DOWNLOAD or ERR_NN_DATA_CORRUPT.
 */
export async function loadMnistFiles(
  entry: CatalogEntry,
  options: MnistOptions,
): Promise<TensorDatasetOptions> {
  const { title } = entry;
  checkOptions(title, options, ['train', ...datasetOptionNames]);
  checkBoolean(title, 'train', options.train);
  checkDatasetOptions(title, options);
  const { images, labels } = options.train ? entry.train : entry.test;
  const [imageArray, labelArray] = await readPair(entry, options, images, labels);
  return imagesAndLabels(imageArray, labelArray, entry.classes.length, options);
}

/** A decoded file and where it lies. */
export interface ReadFile {
  readonly path: string;
  readonly array: IdxArray;
}

/** Finds (or fetches) and reads images and labels. */
export async function readPair(
  entry: CatalogEntry,
  options: DatasetOptions,
  images: CatalogFile,
  labels: CatalogFile,
): Promise<[ReadFile, ReadFile]> {
  const { signal } = options;
  const wanted = [images, labels].map(wantedFile);
  const { paths } = await findOrFetch(entry, options, [wanted]);
  for (const [i, path] of paths.entries()) await verifyFile(path, wanted[i]!, signal);
  return [await readOne(paths[0]!, images, signal), await readOne(paths[1]!, labels, signal)];
}

/** A file under its name, or with `.gz` behind it; the latter is what is fetched. */
function wantedFile({ name, md5, md5Of = 'contents' }: CatalogFile): WantedFile {
  return {
    names: [name, `${name}.gz`],
    label: `${name}(.gz)`,
    fetch: { name: `${name}.gz`, md5, md5Of },
  };
}

async function readOne(
  path: string,
  { md5, md5Of = 'contents' }: CatalogFile,
  signal: AbortSignal | undefined,
): Promise<ReadFile> {
  const options = {
    ...(md5Of === 'contents' ? { md5 } : {}),
    ...(signal === undefined ? {} : { signal }),
  };
  return { path, array: await readIdx(path, options) };
}

/** Images and labels that fit each other, for a dataset. */
export function imagesAndLabels(
  images: ReadFile,
  labels: ReadFile,
  numClasses: number,
  { transform }: DatasetOptions,
): TensorDatasetOptions {
  checkArrays(images.path, images.array, labels.path, labels.array, numClasses);
  const [, height, width] = images.array.shape as [number, number, number];
  return {
    images: images.array.data as Uint8Array,
    imageShape: [1, height, width],
    labels: labels.array.data,
    numClasses,
    ...(transform === undefined ? {} : { transform }),
  };
}

function checkArrays(
  imagePath: string,
  images: IdxArray,
  labelPath: string,
  labels: IdxArray,
  numClasses: number,
): void {
  if (images.dtype !== 'u8' || images.shape.length !== 3) {
    throw corrupt(`${imagePath}: expected u8 images [N, H, W], got ${describe(images)}`);
  }
  if (labels.dtype !== 'u8' || labels.shape.length !== 1) {
    throw corrupt(`${labelPath}: expected u8 labels [N], got ${describe(labels)}`);
  }
  if (images.shape[0] !== labels.shape[0]) {
    throw corrupt(
      `${labelPath}: expected as many labels as there are images in ${imagePath}, which are ` +
        `${images.shape[0]}, got ${labels.shape[0]}`,
    );
  }
  const wrong = labels.data.findIndex((label) => label >= numClasses);
  if (wrong !== -1) {
    throw corrupt(
      `${labelPath}: expected labels from 0 to ${numClasses - 1}, got ${labels.data[wrong]} at index ${wrong}`,
    );
  }
}

function describe({ dtype, shape }: IdxArray): string {
  return `${dtype} [${shape.join(', ')}]`;
}

function corrupt(message: string): DataError {
  return new DataError('ERR_NN_DATA_CORRUPT', message);
}
