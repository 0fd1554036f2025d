/**
 * Owns maps of images as functions of their parameters: what random transforms do once they have
 * drawn. Each takes and returns bytes, [C, H, W], changes nothing that it is given, and gives bit for
 * bit what torchvision's function of that name makes of a PIL image (`erase`: of a uint8 tensor).
 *
 * Policy: everything is checked here, once; the maps themselves trust what they get.
 */
import {
  checkBoolean,
  checkInteger,
  checkNumber,
  checkOneOf,
  checkOptions,
  show,
} from '../../arguments.js';
import { ArgumentError, ShapeError } from '../../errors.js';
import { asBytes, describePixels } from '../../pixels.js';
import { type ImageShape, longestSide } from '../types.js';
import {
  checkCenter,
  checkFill,
  checkFillChannels,
  checkPadding,
  checkSize,
  type PaddingLike,
} from './checks.js';
import * as color from './color.js';
import * as geometry from './geometry.js';
import * as rotation from './rotate.js';

/** Bytes of an image. */
export type Bytes = Uint8Array | Uint8ClampedArray;

/** The image as bytes. */
function checkImage(who: string, image: unknown, shape: unknown): Uint8Array {
  const bytes = asBytes(image);
  if (bytes === undefined) {
    throw new ArgumentError(
      `${who} expects image to be a Uint8Array, got ${describePixels(image)}`,
    );
  }
  const isSize = (size: unknown) =>
    Number.isSafeInteger(size) && (size as number) > 0 && (size as number) <= longestSide;
  if (!Array.isArray(shape) || shape.length !== 3 || !shape.every(isSize)) {
    throw new ArgumentError(
      `${who} expects shape to be [C, H, W] of integers from 1 to ${longestSide}, got ${show(shape)}`,
    );
  }
  const pixels = (shape as number[]).reduce((a, b) => a * b);
  if (bytes.length !== pixels) {
    throw new ShapeError(
      `${who}: expected ${pixels} pixels for shape [${shape.join(', ')}], got ${bytes.length}`,
    );
  }
  return bytes;
}

/** A length along an axis of an image, at least `least`. */
function checkLength(who: string, name: string, value: unknown, least = 1): number {
  return checkInteger(who, name, value, least, longestSide);
}

/** A place along an axis, in an image or outside. */
function checkPlace(who: string, name: string, value: unknown): number {
  return checkInteger(who, name, value, -longestSide, longestSide);
}

/**
 * Mirrors left and right.
 *
 * @throws {ArgumentError} where the image is no bytes, or the shape none of an image.
 * @throws {ShapeError} where the image does not have the shape's number of pixels.
 */
export function hflip(image: Bytes, shape: ImageShape): geometry.Image {
  return geometry.hflip(checkImage('hflip', image, shape), shape);
}

/** Mirrors top and bottom. Throws as {@link hflip}. */
export function vflip(image: Bytes, shape: ImageShape): geometry.Image {
  return geometry.vflip(checkImage('vflip', image, shape), shape);
}

/**
 * The part of `height` x `width` whose upper left corner is at (top, left), which may lie outside:
 * there the result is 0. Throws as {@link hflip}, and ArgumentError for sizes that no image has.
 */
export function crop(
  image: Bytes,
  shape: ImageShape,
  top: number,
  left: number,
  height: number,
  width: number,
): geometry.Image {
  return geometry.crop(
    checkImage('crop', image, shape),
    shape,
    checkPlace('crop', 'top', top),
    checkPlace('crop', 'left', left),
    checkLength('crop', 'height', height),
    checkLength('crop', 'width', width),
  );
}

/**
 * The middle `height` x `width` of an image; where it is smaller, 0 stands around it. Throws as
 * {@link crop}.
 */
export function centerCrop(
  image: Bytes,
  shape: ImageShape,
  height: number,
  width: number,
): geometry.Image {
  return geometry.centerCrop(
    checkImage('centerCrop', image, shape),
    shape,
    checkLength('centerCrop', 'height', height),
    checkLength('centerCrop', 'width', width),
  );
}

/**
 * Adds pixels around an image.
 *
 * @param padding Of each side, [left and right, top and bottom], or [left, top, right, bottom].
 * @param mode What is added: the fill unless given; see {@link geometry.PaddingMode}.
 * @param fill A byte, or one per channel; 0 unless given.
 * @throws {ArgumentError} as {@link hflip}, and where a width is no integer of 0 or more, the mode
 *   unknown or the fill no byte.
 * @throws {ShapeError} as {@link hflip}, and where a side of the result would be longer than 65,535 or
 *   the fill has not one byte per channel.
 */
export function pad(
  image: Bytes,
  shape: ImageShape,
  padding: PaddingLike,
  mode: geometry.PaddingMode = 'constant',
  fill: geometry.Fill = 0,
): geometry.Image {
  const who = 'pad';
  const bytes = checkImage(who, image, shape);
  const sides = checkPadding(who, padding);
  checkOneOf(who, 'mode', mode, geometry.paddingModes);
  checkFillChannels(who, 'fill', checkFill(who, 'fill', fill), shape[0]);
  return geometry.pad(bytes, shape, sides, mode, fill);
}

/**
 * The part of `height` x `width` at (top, left), resized with bilinear interpolation and antialiasing.
 * Throws as {@link crop}.
 *
 * @param size [height, width] of the result.
 */
export function resizedCrop(
  image: Bytes,
  shape: ImageShape,
  top: number,
  left: number,
  height: number,
  width: number,
  size: readonly [height: number, width: number],
): geometry.Image {
  const who = 'resizedCrop';
  return geometry.resizedCrop(
    checkImage(who, image, shape),
    shape,
    checkPlace(who, 'top', top),
    checkPlace(who, 'left', left),
    checkLength(who, 'height', height),
    checkLength(who, 'width', width),
    checkSize(who, size),
  );
}

/**
 * Overwrites the part of `height` x `width` at (top, left).
 *
 * @param value A byte, one per channel, or the bytes of the part, [C, height, width].
 * @throws {ArgumentError} as {@link hflip}, and where a place or size is no integer of 0 or more, or the
 *   value no byte.
 * @throws {ShapeError} as {@link hflip}, and where the part reaches beyond the image or the value has
 *   not as many bytes as it needs.
 */
export function erase(
  image: Bytes,
  shape: ImageShape,
  top: number,
  left: number,
  height: number,
  width: number,
  value: geometry.Fill | Uint8Array,
): geometry.Image {
  const who = 'erase';
  const bytes = checkImage(who, image, shape);
  const [channels, imageHeight, imageWidth] = shape;
  const bottom = checkLength(who, 'top', top, 0) + checkLength(who, 'height', height, 0);
  const right = checkLength(who, 'left', left, 0) + checkLength(who, 'width', width, 0);
  if (bottom > imageHeight || right > imageWidth) {
    throw new ShapeError(
      `${who}: expected a part of the image of shape [${shape.join(', ')}], got one that ends at ` +
        `[${bottom}, ${right}]`,
    );
  }
  if (!(value instanceof Uint8Array)) {
    checkFillChannels(who, 'value', checkFill(who, 'value', value), channels);
  } else if (value.length !== channels * height * width) {
    throw new ShapeError(
      `${who}: expected value to have ${channels * height * width} bytes, got ${value.length}`,
    );
  }
  return geometry.erase(bytes, shape, top, left, height, width, value);
}

/**
 * Makes an image grey.
 *
 * @param channels Channels of the result, all alike: 1 (unless given) or 3.
 * @throws {ArgumentError} as {@link hflip}, and where `channels` is another number.
 * @throws {ShapeError} as {@link hflip}, and where the image has neither one channel nor three.
 */
export function toGrayscale(image: Bytes, shape: ImageShape, channels: 1 | 3 = 1): geometry.Image {
  const bytes = checkImage('toGrayscale', image, shape);
  if (channels !== 1 && channels !== 3) {
    throw new ArgumentError(`toGrayscale expects channels to be 1 or 3, got ${show(channels)}`);
  }
  return color.toGrayscale(bytes, shape, channels);
}

/**
 * Changes the brightness.
 *
 * @param factor 0 gives black, 1 the image, 2 one of twice the brightness.
 * @throws {ArgumentError} as {@link hflip}, and where the factor is no number of 0 or more.
 * @throws {ShapeError} as {@link hflip}, and where the image has neither one channel nor three.
 */
export function adjustBrightness(image: Bytes, shape: ImageShape, factor: number): geometry.Image {
  const who = 'adjustBrightness';
  const bytes = checkImage(who, image, shape);
  return color.adjustBrightness(bytes, shape, checkNumber(who, 'factor', factor, { min: 0 }));
}

/**
 * Changes the contrast. Throws as {@link adjustBrightness}.
 *
 * @param factor 0 gives an even grey, 1 the image.
 */
export function adjustContrast(image: Bytes, shape: ImageShape, factor: number): geometry.Image {
  const who = 'adjustContrast';
  const bytes = checkImage(who, image, shape);
  return color.adjustContrast(bytes, shape, checkNumber(who, 'factor', factor, { min: 0 }));
}

/**
 * Changes the saturation. A grey image stays as it is. Throws as {@link adjustBrightness}.
 *
 * @param factor 0 gives a grey image, 1 the image.
 */
export function adjustSaturation(image: Bytes, shape: ImageShape, factor: number): geometry.Image {
  const who = 'adjustSaturation';
  const bytes = checkImage(who, image, shape);
  return color.adjustSaturation(bytes, shape, checkNumber(who, 'factor', factor, { min: 0 }));
}

/**
 * Moves the hue round the circle of colours. A grey image stays as it is. Throws as
 * {@link adjustBrightness}.
 *
 * @param factor Part of the circle, from -0.5 to 0.5.
 */
export function adjustHue(image: Bytes, shape: ImageShape, factor: number): geometry.Image {
  const who = 'adjustHue';
  const bytes = checkImage(who, image, shape);
  const range = { min: -0.5, max: 0.5 };
  return color.adjustHue(bytes, shape, checkNumber(who, 'factor', factor, range));
}

/**
 * Rotates an image counter-clockwise.
 *
 * @throws {ArgumentError} as {@link hflip}, and where the angle is not finite or an option unknown or not
 *   what it should be.
 * @throws {ShapeError} as {@link hflip}, and where a side of the image or of the result is longer than
 *   32,767 pixels, or the fill has not one byte per channel.
 */
export function rotate(
  image: Bytes,
  shape: ImageShape,
  degrees: number,
  options: rotation.RotateOptions = {},
): geometry.Image {
  const who = 'rotate';
  const bytes = checkImage(who, image, shape);
  checkNumber(who, 'degrees', degrees);
  const given = checkOptions(who, options, rotation.rotateOptionNames);
  const { interpolation = 'nearest', expand = false, center, fill = 0 } = given;
  checkOneOf(who, 'interpolation', interpolation, rotation.interpolations);
  checkBoolean(who, 'expand', expand);
  if (center !== undefined) checkCenter(who, center);
  checkFillChannels(who, 'fill', checkFill(who, 'fill', fill), shape[0]);
  return rotation.rotate(bytes, shape, degrees, given);
}
