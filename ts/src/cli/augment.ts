/** Owns what `--augment` does to training images. */
import { Compose, RandomCrop, RandomHorizontalFlip } from '../data/index.js';

/**
 * What varies images of 28x28 pixels of things that may be mirrored, such as Fashion-MNIST's: a crop
 * of the image with a margin of 4 black pixels, and a mirror image half of the time.
 */
export function augmentation(): Compose {
  return new Compose([new RandomCrop(28, { padding: 4 }), new RandomHorizontalFlip()]);
}
