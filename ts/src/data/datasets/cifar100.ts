/** Owns CIFAR-100. */
import { checkOneOf, checkOptions } from '../../arguments.js';
import { type CifarEntry, loadCifarFiles } from './cifar-files.js';
import { datasetOptionNames, type MnistOptions } from './mnist-files.js';
import { TensorDataset, type TensorDatasetOptions } from './tensor-dataset.js';

const fineClasses: readonly string[] = words(`
  apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus
  butterfly camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch
  crab crocodile cup dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo
  keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain mouse
  mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy
  porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper
  snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television
  tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm
`);

const coarseClasses: readonly string[] = words(`
  aquatic_mammals fish flowers food_containers fruit_and_vegetables household_electrical_devices
  household_furniture insects large_carnivores large_man-made_outdoor_things
  large_natural_outdoor_scenes large_omnivores_and_herbivores medium_mammals
  non-insect_invertebrates people reptiles small_mammals trees vehicles_1 vehicles_2
`);

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}

/** What is known of CIFAR-100. */
export const cifar100: CifarEntry = {
  title: 'CIFAR-100',
  folder: 'cifar-100',
  torchvisionFolder: 'CIFAR100',
  systemFolders: [],
  hint: 'copy it from another machine',
  mirrors: ['https://www.cs.toronto.edu/~kriz/'],
  archive: { name: 'cifar-100-binary.tar.gz', md5: '03b5dce01913d631647c71ecec9e9cb8' },
  filesFolder: 'cifar-100-binary',
  labels: [
    { what: 'coarse', classes: coarseClasses.length },
    { what: 'fine', classes: fineClasses.length },
  ],
  train: ['train.bin'],
  test: ['test.bin'],
  samples: { train: 50_000, test: 10_000 },
};

/** Options of `CIFAR100.load`. */
export interface Cifar100Options extends MnistOptions {
  /** Which labels the samples have: of 100 classes (unless given) or of 20 groups of them. */
  labels?: 'fine' | 'coarse';
}

/**
 * CIFAR-100: 32x32 colour images of 100 classes in 20 groups (Krizhevsky 2009), 50,000 for training
 * and 10,000 for tests, in its binary version: `cifar-100-binary.tar.gz` as it is published, or its
 * files unpacked.
 */
export class CIFAR100 extends TensorDataset {
  /** Names of the classes, by fine label. */
  static readonly classes: readonly string[] = fineClasses;
  /** Names of the groups, by coarse label. */
  static readonly coarseClasses: readonly string[] = coarseClasses;
  /** Whether this is the training part. */
  readonly train: boolean;
  /** Labels of the classes, [N]. */
  readonly fineLabels: Uint8Array;
  /** Labels of the groups, [N]. */
  readonly coarseLabels: Uint8Array;

  private constructor(
    data: TensorDatasetOptions,
    train: boolean,
    labels: { fine: Uint8Array; coarse: Uint8Array },
  ) {
    super(data);
    this.train = train;
    this.fineLabels = labels.fine;
    this.coarseLabels = labels.coarse;
  }

  /** Reads the data set from disk; as {@link CIFAR10.load}. */
  static async load(options: Cifar100Options): Promise<CIFAR100> {
    const { title } = cifar100;
    const given = checkOptions(title, options, ['train', 'labels', ...datasetOptionNames]);
    const { labels = 'fine', ...files } = given;
    const which = checkOneOf(title, 'labels', labels, ['fine', 'coarse'] as const);
    const { images, labels: read } = await loadCifarFiles(cifar100, files);
    const both = { coarse: read[0]!, fine: read[1]! };
    const { train, transform } = files;
    const data = {
      images,
      imageShape: [3, 32, 32] as const,
      labels: both[which],
      numClasses: which === 'fine' ? fineClasses.length : coarseClasses.length,
      ...(transform === undefined ? {} : { transform }),
    };
    return new CIFAR100(data, train, both);
  }
}
