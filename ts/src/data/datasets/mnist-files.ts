/**
 * Owns finding, fetching and reading the two files of a part of a data set in MNIST's format.
 *
 * Policy: the first folder that has both files is used, and a damaged file there is an error, not a
 * reason to look further. Nothing is fetched unless asked for.
 */
import { access } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { checkBoolean, checkInteger, checkOptions, checkSignal, show } from '../../arguments.js';
import { ArgumentError, DataError } from '../../errors.js';
import { type DownloadProgress, downloadFile } from '../files/download.js';
import { progressBar } from '../files/download-progress.js';
import { type IdxArray, readIdx } from '../files/idx.js';
import { Compose, type TransformStep } from '../transforms/compose.js';
import type { CatalogEntry, CatalogFile } from './catalog.js';
import type { TensorDatasetOptions } from './tensor-dataset.js';

/** Options of `FashionMNIST.load` and `MNIST.load`. */
export interface MnistOptions {
  /** The 60,000 training samples, or the 10,000 test samples. */
  train: boolean;
  /**
   * The only folder to look in (also in its subfolders `fashion-mnist` or `mnist`, and
   * `FashionMNIST/raw` or `MNIST/raw`, as torchvision leaves them), and to download into. Without
   * it, the same subfolders of the environment variable NEURONODE_DATA_DIR are looked in, then those
   * of the user's cache directory ($XDG_CACHE_HOME/neuronode or ~/.cache/neuronode), then the
   * folder of the system's package.
   */
  root?: string;
  /** Applied to every image that is read; ToTensor unless given. */
  transform?: TransformStep;
  /** Whether to fetch files that are missing; false unless given. */
  download?: boolean;
  /**
   * Addresses to fetch from instead of the public mirrors: folders that hold the .gz files, in any
   * compression, since the contents are what is verified.
   */
  mirrors?: readonly string[];
  /**
   * Milliseconds without a byte from a mirror after which the next one goes on; 30,000 unless given.
   */
  stallTimeout?: number;
  /** Called while a file is fetched; without it, a terminal shows a progress bar. */
  onProgress?: (progress: DownloadProgress) => void;
  /** Cancels fetching and reading. */
  signal?: AbortSignal;
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
  checkMnistOptions(entry, options);
  const { images, labels } = options.train ? entry.train : entry.test;
  const wanted = [images, labels];
  const paths =
    (await find(entry, options.root, wanted)) ??
    (options.download ? await fetchFiles(entry, options, wanted) : undefined);
  if (paths === undefined) throw missing(entry, options.root, wanted);
  const [imagePath, labelPath] = paths as [string, string];
  const signal = options.signal === undefined ? {} : { signal: options.signal };
  const imageArray = await readIdx(imagePath, { md5: images.md5, ...signal });
  const labelArray = await readIdx(labelPath, { md5: labels.md5, ...signal });
  checkArrays(imagePath, imageArray, labelPath, labelArray, entry.classes.length);
  const [, height, width] = imageArray.shape as [number, number, number];
  return {
    images: imageArray.data as Uint8Array,
    imageShape: [1, height, width],
    labels: labelArray.data,
    numClasses: entry.classes.length,
    ...(options.transform === undefined ? {} : { transform: options.transform }),
  };
}

const names = [
  'train',
  'root',
  'transform',
  'download',
  'mirrors',
  'stallTimeout',
  'onProgress',
  'signal',
] as const satisfies readonly (keyof MnistOptions)[];

function checkMnistOptions({ title }: CatalogEntry, options: MnistOptions): void {
  checkOptions(title, options, names);
  const { train, root, transform, download, mirrors, stallTimeout, onProgress, signal } = options;
  checkBoolean(title, 'train', train);
  if (root !== undefined && (typeof root !== 'string' || root === '')) {
    throw new ArgumentError(`${title} expects root to be a folder's path, got ${show(root)}`);
  }
  if (download !== undefined) checkBoolean(title, 'download', download);
  const areAddresses =
    mirrors === undefined ||
    (Array.isArray(mirrors) && mirrors.length > 0 && mirrors.every((m) => typeof m === 'string'));
  if (!areAddresses) {
    throw new ArgumentError(
      `${title} expects mirrors to be a list of at least one address, got ${show(mirrors)}`,
    );
  }
  if (stallTimeout !== undefined) {
    checkInteger(title, 'stallTimeout', stallTimeout, 1, 2 ** 31 - 1); // as long as timers go
  }
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw new ArgumentError(
      `${title} expects onProgress to be a function, got ${show(onProgress)}`,
    );
  }
  checkSignal(title, signal);
  if (transform !== undefined) new Compose([transform]); // throws where it is none
}

/** Folders that may hold the files, in order. */
function folders(entry: CatalogEntry, root: string | undefined): string[] {
  const below = (base: string) => [
    join(base, entry.folder),
    join(base, entry.torchvisionFolder, 'raw'),
  ];
  if (root !== undefined) return [root, ...below(root)];
  const fromEnvironment = process.env.NEURONODE_DATA_DIR;
  return [
    ...(fromEnvironment ? below(fromEnvironment) : []),
    ...below(cacheFolder()),
    ...entry.systemFolders,
  ];
}

function cacheFolder(): string {
  const xdg = process.env.XDG_CACHE_HOME;
  // A relative path in this variable is to be ignored, says the XDG specification.
  const base = xdg !== undefined && isAbsolute(xdg) ? xdg : join(homedir(), '.cache');
  return join(base, 'neuronode');
}

/** The paths of the files, from the first folder that has all of them. */
async function find(
  entry: CatalogEntry,
  root: string | undefined,
  wanted: readonly CatalogFile[],
): Promise<string[] | undefined> {
  for (const folder of folders(entry, root)) {
    const paths = await Promise.all(wanted.map((file) => findFile(folder, file)));
    const found = paths.filter((path) => path !== undefined);
    if (found.length === wanted.length) return found;
  }
  return undefined;
}

async function findFile(folder: string, { name }: CatalogFile): Promise<string | undefined> {
  for (const path of [join(folder, name), join(folder, `${name}.gz`)]) {
    if (await exists(path)) return path;
  }
  return undefined;
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return false;
    // A file that is there and may not be read is reported by whoever opens it.
    return true;
  }
}

async function fetchFiles(
  entry: CatalogEntry,
  options: MnistOptions,
  wanted: readonly CatalogFile[],
): Promise<string[]> {
  const fromEnvironment = process.env.NEURONODE_DATA_DIR;
  const directory = options.root ?? join(fromEnvironment || cacheFolder(), entry.folder);
  const onProgress = options.onProgress ?? progressBar();
  const paths: string[] = [];
  for (const file of wanted) {
    const existing = await findFile(directory, file);
    paths.push(
      existing ??
        (await downloadFile({
          file: `${file.name}.gz`,
          directory,
          mirrors: options.mirrors ?? entry.mirrors,
          md5: file.md5,
          stallTimeout: options.stallTimeout ?? 30_000,
          signal: options.signal,
          onProgress,
        })),
    );
  }
  return paths;
}

function missing(
  entry: CatalogEntry,
  root: string | undefined,
  wanted: readonly CatalogFile[],
): DataError {
  const names = wanted.map((file) => `${file.name}(.gz)`).join(' and ');
  const looked = folders(entry, root).map((folder) => `\n  ${folder}`);
  const setting = root === undefined ? 'set NEURONODE_DATA_DIR or root' : 'change root';
  return new DataError(
    'ERR_NN_DATA_MISSING',
    `${entry.title}: expected ${names} in one of these folders, and found both in none:` +
      `${looked.join('')}\nPut the files into one of them, ${setting}, ${entry.hint}, or pass ` +
      'download: true.',
  );
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
