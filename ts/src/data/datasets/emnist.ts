/** Owns EMNIST. */
import { dirname, join } from 'node:path';
import { checkBoolean, checkOneOf, checkOptions } from '../../arguments.js';
import { DataError } from '../../errors.js';
import { type DataSource, findOrFetch, verifyFile, type WantedFile } from '../files/find.js';
import { type IdxArray, readIdx } from '../files/idx.js';
import { extractFromZip } from '../files/zip.js';
import { digits } from './catalog.js';
import {
  checkDatasetOptions,
  type DatasetOptions,
  datasetOptionNames,
  imagesAndLabels,
  type MnistOptions,
} from './mnist-files.js';
import { TensorDataset, type TensorDatasetOptions } from './tensor-dataset.js';

/** What is known of EMNIST's archive. */
export interface EmnistSource extends DataSource {
  readonly archive: { readonly name: string; readonly md5: string };
}

const emnist: EmnistSource = {
  title: 'EMNIST',
  folder: 'emnist',
  torchvisionFolder: 'EMNIST',
  systemFolders: [],
  hint: 'copy them from another machine',
  mirrors: ['https://biometrics.nist.gov/cs_links/EMNIST/'],
  archive: { name: 'gzip.zip', md5: '58c8d27c78d21e728a6bc7b3cc06412e' },
};

const capitals = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'];
const smalls = [...'abcdefghijklmnopqrstuvwxyz'];
/** Small letters that look unlike their capitals. */
const unlike = [...'abdefghnqrt'];

const classesOf = {
  byclass: [...digits, ...capitals, ...smalls],
  bymerge: [...digits, ...capitals, ...unlike],
  balanced: [...digits, ...capitals, ...unlike],
  letters: ['N/A', ...smalls],
  digits,
  mnist: digits,
} as const;

/**
 * `byclass`: digits, capitals and small letters; `bymerge`: small letters that look like their capitals
 * count as these; `balanced`: the same with as many samples of each; `letters`: letters of either size,
 * from label 1 on; `digits`: digits, as many of each; `mnist`: as MNIST's.
 */
export type EmnistSplit = keyof typeof classesOf;

const splits = Object.keys(classesOf) as EmnistSplit[];

/** Options of `EMNIST.load`. */
export interface EmnistOptions extends MnistOptions {
  split: EmnistSplit;
}

/**
 * EMNIST: 28x28 grey images of handwritten digits and letters (Cohen and others 2017).
 *
 * The images are as their files have them, and as torchvision leaves them: transposed, rows and columns
 * exchanged. The published checksum is that of the archive with all splits (535 MB); files that lie
 * beside it are checked by their headers and labels alone. Where only the archive is there, a split's
 * files are extracted beside it.
 */
export class EMNIST extends TensorDataset {
  /** Names of the classes of each split, by label. */
  static readonly classes: Readonly<Record<EmnistSplit, readonly string[]>> = classesOf;
  /** Which split this is. */
  readonly split: EmnistSplit;
  /** Whether this is the training part. */
  readonly train: boolean;

  private constructor(data: TensorDatasetOptions, split: EmnistSplit, train: boolean) {
    super(data);
    this.split = split;
    this.train = train;
  }

  /** Reads a part of a split from disk; as {@link FashionMNIST.load}. */
  static async load(options: EmnistOptions): Promise<EMNIST> {
    const { split, train } = options;
    return new EMNIST(await loadEmnistFiles(emnist, options), split, train);
  }
}

/**
 * Finds (or fetches, or extracts) and reads one part.
 *
 * @throws {DataError} ERR_NN_DATA_MISSING, ERR_NN_DATA_DOWNLOAD or ERR_NN_DATA_CORRUPT.
 */
export async function loadEmnistFiles(
  source: EmnistSource,
  options: EmnistOptions,
): Promise<TensorDatasetOptions> {
  const { title, archive } = source;
  checkOptions(title, options, ['split', 'train', ...datasetOptionNames]);
  const split = checkOneOf(title, 'split', options.split, splits);
  const part = checkBoolean(title, 'train', options.train) ? 'train' : 'test';
  checkDatasetOptions(title, options);
  const { signal } = options;
  const start = `emnist-${split}-${part}`;
  const names = [`${start}-images-idx3-ubyte`, `${start}-labels-idx1-ubyte`];
  const files: WantedFile[] = names.map((name) => ({
    names: [name, `${name}.gz`, `gzip/${name}.gz`],
    label: `${name}(.gz)`,
  }));
  const packed: WantedFile = {
    names: [archive.name],
    fetch: { name: archive.name, md5: archive.md5, md5Of: 'file' },
  };
  const found = await findOrFetch(source, options, [files, [packed]]);
  let { paths } = found;
  if (found.variant === 1) {
    await verifyFile(paths[0]!, packed, signal);
    paths = await extract(paths[0]!, names, options);
  }
  const read = async (path: string): Promise<{ path: string; array: IdxArray }> => ({
    path,
    array: await readIdx(path, signal === undefined ? {} : { signal }),
  });
  const images = await read(paths[0]!);
  return imagesAndLabels(images, await read(paths[1]!), classesOf[split].length, options);
}

/** Extracts gzipped files of the archive beside it, and returns their paths. */
async function extract(
  archive: string,
  names: readonly string[],
  { signal }: DatasetOptions,
): Promise<string[]> {
  const paths: string[] = [];
  for (const name of names) {
    const target = join(dirname(archive), `${name}.gz`);
    try {
      await extractFromZip(archive, `gzip/${name}.gz`, target, signal);
    } catch (error) {
      signal?.throwIfAborted();
      const { message, code = '', name: kind } = error as NodeJS.ErrnoException;
      const isDamage = kind === 'ZipDamage' || code.startsWith('Z_');
      throw new DataError(
        isDamage ? 'ERR_NN_DATA_CORRUPT' : 'ERR_NN_DATA_MISSING',
        isDamage
          ? `${archive}: expected a whole archive, got a damaged one (${message}). Delete it and fetch it again.`
          : `${archive}: ${name} could not be extracted beside it (${message})`,
        { cause: error },
      );
    }
    paths.push(target);
  }
  return paths;
}
