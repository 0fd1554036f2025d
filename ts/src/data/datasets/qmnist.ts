/** Owns QMNIST. */
import { checkOneOf, checkOptions } from '../../arguments.js';
import { DataError } from '../../errors.js';
import { type CatalogEntry, digits } from './catalog.js';
import {
  checkDatasetOptions,
  type DatasetOptions,
  datasetOptionNames,
  imagesAndLabels,
  type ReadFile,
  readPair,
} from './mnist-files.js';
import { TensorDataset, type TensorDatasetOptions } from './tensor-dataset.js';

const qmnist: CatalogEntry = {
  title: 'QMNIST',
  folder: 'qmnist',
  torchvisionFolder: 'QMNIST',
  systemFolders: [],
  hint: 'copy them from another machine',
  mirrors: ['https://raw.githubusercontent.com/facebookresearch/qmnist/master/'],
  classes: digits,
  train: {
    images: {
      name: 'qmnist-train-images-idx3-ubyte',
      md5: 'ed72d4157d28c017586c42bc6afe6370',
      md5Of: 'file',
    },
    labels: {
      name: 'qmnist-train-labels-idx2-int',
      md5: '0058f8dd561b90ffdd0f734c6a30e5e4',
      md5Of: 'file',
    },
  },
  test: {
    images: {
      name: 'qmnist-test-images-idx3-ubyte',
      md5: '1394631089c404de565df7b7aeaf9412',
      md5Of: 'file',
    },
    labels: {
      name: 'qmnist-test-labels-idx2-int',
      md5: '5b5b05890a5e13444e108efe57b788aa',
      md5Of: 'file',
    },
  },
};

/** Parts of QMNIST. */
const parts = ['train', 'test', 'test10k', 'test50k'] as const;
/**
 * `train`: the 60,000 training samples; `test`: the 60,000 test samples; `test10k`: the first 10,000 of
 * them, which are MNIST's; `test50k`: the others.
 */
export type QmnistPart = (typeof parts)[number];

/** Options of `QMNIST.load`. */
export interface QmnistOptions extends DatasetOptions {
  what: QmnistPart;
}

/** Test samples that are MNIST's. */
const IN_MNIST = 10_000;

/**
 * QMNIST: MNIST made again, with all of its test samples and what is known of each (Yadav, Bottou
 * 2019). Its files of all NIST digits are xz archives, which are not read.
 *
 * The published checksums are those of the .gz files; decompressed ones are checked by their headers
 * and labels alone.
 */
export class QMNIST extends TensorDataset {
  /** Names of the classes, by label. */
  static readonly classes: readonly string[] = qmnist.classes;
  /** Which part this is. */
  readonly what: QmnistPart;
  /**
   * What QMNIST tells of each sample, [N, 8]: character class, NIST's series, writer, index of the
   * writer's sample, NIST's class code, index in NIST's files, duplicate (0), and 0.
   */
  readonly facts: Int32Array;

  private constructor(data: TensorDatasetOptions, what: QmnistPart, facts: Int32Array) {
    super(data);
    this.what = what;
    this.facts = facts;
  }

  /** Reads a part from disk; as {@link FashionMNIST.load}. */
  static async load(options: QmnistOptions): Promise<QMNIST> {
    const { title } = qmnist;
    checkOptions(title, options, ['what', ...datasetOptionNames]);
    const what = checkOneOf(title, 'what', options.what, parts);
    checkDatasetOptions(title, options);
    const part = what === 'train' ? qmnist.train : qmnist.test;
    const [images, labels] = await readPair(qmnist, options, part.images, part.labels);
    const facts = factsOf(labels);
    const first = what === 'test50k' ? IN_MNIST : 0;
    const count = facts.length / 8;
    const end = what === 'test10k' ? Math.min(IN_MNIST, count) : count;
    const classes = Uint8Array.from({ length: count }, (_, i) => classOf(facts[8 * i]!));
    const shape = [count];
    const array = { dtype: 'u8', shape, data: classes } as const;
    const all = imagesAndLabels(images, { path: labels.path, array }, digits.length, options);
    const size = all.imageShape[1] * all.imageShape[2];
    return new QMNIST(
      {
        ...all,
        images: all.images.subarray(first * size, end * size),
        labels: classes.subarray(first, end),
      },
      what,
      facts.slice(8 * first, 8 * end),
    );
  }
}

function factsOf({ path, array }: ReadFile): Int32Array {
  const { data, dtype, shape } = array;
  if (data instanceof Int32Array && shape.length === 2 && shape[1] === 8) return data;
  throw new DataError(
    'ERR_NN_DATA_CORRUPT',
    `${path}: expected i32 labels [N, 8], got ${dtype} [${shape.join(', ')}]`,
  );
}

/** A class as a byte; what is none becomes 255, which is refused with its place. */
function classOf(label: number): number {
  return label >= 0 && label < 255 ? label : 255;
}
