/**
 * Owns what a batch must look like, and the checks that every batch passes before any work.
 *
 * Policy: a batch is described by its signature (shape of one image, element type, mean and std).
 * A program is compiled for one signature and for a largest number of examples; the checks here say
 * what differs before native code is called. They read each member of a batch once and return what
 * they read: a getter may give another value the next time.
 */
import { types } from 'node:util';
import { readMember, show } from '../arguments.js';
import { ArgumentError, DTypeError, ShapeError } from '../errors.js';
import type { LossTargets } from '../graph/loss.js';
import { elementCount, largestSize } from '../graph/shapes.js';
import { asPixels, describePixels, isIdentity, type Pixels, pixelType } from '../pixels.js';
import { mostChannels } from './graphs.js';

/** Images as a network takes them. A batch of a `DataLoader` is one. */
export interface ImageBatch {
  /** Pixels, [n, C, H, W] in row-major order: bytes 0..255, or floats that are used as they are. */
  readonly image: Pixels | Uint8ClampedArray;
  /** Shape of `image`: [n, C, H, W]. */
  readonly imageShape: readonly number[];
  /**
   * Mean per channel on the 0..1 scale; 0 unless given. For bytes: floats are used as they are, and
   * beside them anything but 0 is refused.
   */
  readonly mean?: readonly number[];
  /**
   * Standard deviation per channel on the 0..1 scale; 1 unless given. For bytes: floats are used as
   * they are, and beside them anything but 1 is refused.
   */
  readonly std?: readonly number[];
}

/** Images with their classes. A batch of a `DataLoader` is one. */
export interface LabelledBatch extends ImageBatch {
  /**
   * Targets of the loss, in row-major order: class indices [n], or what else the loss takes, such as
   * f32 values of the shape of the network's output. A loss that takes none reads none.
   */
  readonly label: Targets;
}

/** Targets of a loss: class indices or values. */
export type Targets = Int32Array | Float32Array;

/** What a program is compiled for, apart from the number of examples. */
export interface InputSignature {
  /** Shape of one image, [C, H, W]. */
  readonly imageShape: readonly [number, number, number];
  readonly dtype: 'u8' | 'f32';
  /** Per channel; empty for floats. */
  readonly mean: readonly number[];
  /** Per channel; empty for floats. */
  readonly std: readonly number[];
}

/** Whether two signatures can be served by one program. */
export function sameSignature(a: InputSignature, b: InputSignature): boolean {
  return (
    a.dtype === b.dtype &&
    sameNumbers(a.imageShape, b.imageShape) &&
    sameNumbers(a.mean, b.mean) &&
    sameNumbers(a.std, b.std)
  );
}

function sameNumbers(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((value, index) => value === b[index]);
}

/** `u8 [1, 28, 28], mean [0.286], std [0.353]` */
export function describeSignature(signature: InputSignature): string {
  const { dtype, imageShape, mean, std } = signature;
  const shape = `${dtype} [${imageShape.join(', ')}]`;
  return dtype === 'u8' ? `${shape}, mean [${mean.join(', ')}], std [${std.join(', ')}]` : shape;
}

/**
 * Builds a signature from its parts.
 *
 * @param caller Name of the public call, for messages.
 * @throws ShapeError where imageShape is not [C, H, W] of positive integers.
 * @throws ArgumentError where mean or std are not one number for each channel (finite; std above 0), or would change
 *   floats.
 */
export function makeSignature(
  caller: string,
  imageShape: readonly number[],
  dtype: 'u8' | 'f32',
  mean?: readonly number[],
  std?: readonly number[],
): InputSignature {
  const sizes = copyList(imageShape, 3);
  if (sizes?.every((size) => Number.isSafeInteger(size) && size > 0) !== true) {
    throw new ShapeError(
      `${caller} expects the shape of one image, [channels, height, width] of positive integers, ` +
        `got ${show(imageShape)}`,
    );
  }
  const [channels = 0, height = 0, width = 0] = sizes;
  if (channels > mostChannels || height > largestSize || width > largestSize) {
    throw new ShapeError(
      `${caller} expects images of at most ${mostChannels} channels and sides of at most ` +
        `${largestSize}, got ${show(imageShape)}`,
    );
  }
  const shape = [channels, height, width] as const;
  const given = {
    mean: perChannel(caller, 'mean', mean ?? Array<number>(channels).fill(0), channels),
    std: perChannel(caller, 'std', std ?? Array<number>(channels).fill(1), channels),
  };
  if (dtype === 'u8') return { imageShape: shape, dtype, ...given };
  if (isIdentity(given.mean, given.std)) return { imageShape: shape, dtype, mean: [], std: [] };
  throw new ArgumentError(
    `${caller} expects no mean and std for images that are a Float32Array, which are used as they ` +
      `are, got mean [${given.mean.join(', ')}], std [${given.std.join(', ')}]. Compute ` +
      '(x - mean) / std before and leave both out, or give bytes.',
  );
}

/** A list of `length` numbers, copied; undefined where the value is none, or cannot be read. */
function copyList(values: unknown, length: number): number[] | undefined {
  try {
    return Array.isArray(values) && values.length === length ? [...values] : undefined;
  } catch {
    // Elements behind getters, or a Proxy, that throw.
    return undefined;
  }
}

function perChannel(
  caller: string,
  name: 'mean' | 'std',
  values: readonly number[],
  channels: number,
): number[] {
  const copy = copyList(values, channels);
  const isGood = (value: number) => Number.isFinite(value) && (name === 'mean' || value > 0);
  if (copy?.every(isGood) !== true) {
    const kind = name === 'mean' ? 'finite' : 'positive finite';
    throw new ArgumentError(
      `${caller} expects ${name} to be ${channels} ${kind} number(s), one per channel, ` +
        `got ${show(values)}`,
    );
  }
  return copy;
}

/** A batch's images, checked. */
export interface CheckedImages {
  /** Over the batch's own memory. */
  readonly image: Pixels;
  readonly signature: InputSignature;
  /** Number of examples. */
  readonly size: number;
}

/**
 * Checks a batch's images and says what they are.
 *
 * @param caller Name of the public call, for messages.
 * @throws ArgumentError where the batch is no batch, or empty.
 * @throws DTypeError where `image` is neither bytes nor floats.
 * @throws ShapeError where `image` does not have the shape's number of elements.
 */
export function checkImages(caller: string, batch: ImageBatch): CheckedImages {
  if (typeof batch !== 'object' || batch === null) {
    throw new ArgumentError(
      `${caller} expects a batch { image, imageShape, ... }, got ${show(batch)}`,
    );
  }
  const given: unknown = readMember(caller, batch, 'image');
  const image = asPixels(given);
  if (image === undefined) {
    throw new DTypeError(
      `${caller} expects image to be a Uint8Array (bytes 0..255) or a Float32Array, ` +
        `got ${describePixels(given)}`,
    );
  }
  const imageShape: unknown = readMember(caller, batch, 'imageShape');
  const sizes = copyList(imageShape, 4);
  if (sizes?.every((size) => Number.isSafeInteger(size) && size >= 0) !== true) {
    throw new ShapeError(
      `${caller} expects imageShape to be [n, channels, height, width], ` +
        `got ${show(imageShape)}`,
    );
  }
  const [size, ...one] = sizes as [number, number, number, number];
  if (size === 0) {
    throw new ArgumentError(`${caller} expects at least one example, got an empty batch`);
  }
  const elements = sizes.reduce((product, length) => product * length, 1);
  if (image.length !== elements) {
    throw new ShapeError(
      `${caller} expects image to have ${elements} elements for imageShape ` +
        `[${sizes.join(', ')}], got ${image.length}`,
    );
  }
  const mean = readMember(caller, batch, 'mean');
  const std = readMember(caller, batch, 'std');
  return { image, signature: makeSignature(caller, one, pixelType(image), mean, std), size };
}

/**
 * Checks a batch's targets.
 *
 * @param size Number of examples.
 * @param targets What the loss takes, for a batch of any size; undefined where it takes none.
 * @returns The targets; undefined where the loss takes none.
 * @throws DTypeError where they are of another type, ShapeError where they are too few or too many,
 *   ArgumentError for a label that is no class.
 */
export function checkTargets(
  caller: string,
  batch: LabelledBatch,
  size: number,
  targets: LossTargets | undefined,
): Targets | undefined {
  if (targets === undefined) return undefined;
  const label: unknown = readMember(caller, batch, 'label');
  const { dtype, shape, classes, ignoreIndex } = targets;
  if (!(dtype === 'i32' ? types.isInt32Array(label) : types.isFloat32Array(label))) {
    const what = dtype === 'i32' ? 'an Int32Array of class indices' : 'a Float32Array of targets';
    throw new DTypeError(`${caller} expects label to be ${what}, got ${show(label)}`);
  }
  const values = label as Targets;
  const [, ...one] = shape;
  const wanted = size * elementCount(one);
  if (values.length !== wanted) {
    const what =
      one.length === 0
        ? `${size} labels, one per image`
        : `label to have ${wanted} elements, [${[size, ...one].join(', ')}]`;
    throw new ShapeError(`${caller} expects ${what}, got ${values.length}`);
  }
  if (classes !== undefined) checkClasses(caller, values, classes, ignoreIndex, elementCount(one));
  return values;
}

/**
 * Native code checks labels too, so that no kernel reads outside its memory, whoever calls it. Here
 * they are checked before the step is counted and for losses of users' own, and the message can say
 * which call and which example it is.
 *
 * @throws ArgumentError for a label that is no class.
 */
function checkClasses(
  caller: string,
  labels: Targets,
  classes: number,
  ignored: number | undefined,
  perExample: number,
): void {
  for (let index = 0; index < labels.length; index++) {
    const value = labels[index]!;
    if ((value < 0 || value >= classes) && value !== ignored) {
      throw new ArgumentError(
        `${caller} expects labels from 0 to ${classes - 1} (the network has ${classes} outputs), ` +
          `got ${value} for example ${Math.floor(index / perExample)} of the batch`,
      );
    }
  }
}
