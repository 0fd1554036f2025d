/**
 * Owns the list of maps of images as functions of their parameters: what random transforms do once
 * they have drawn. Each takes and returns bytes, [C, H, W], and changes nothing that it is given.
 */
export {
  adjustBrightness,
  adjustContrast,
  adjustHue,
  adjustSaturation,
  toGrayscale,
} from './color.js';
export {
  centerCrop,
  crop,
  erase,
  hflip,
  pad,
  resizedCrop,
  vflip,
} from './geometry.js';
export { rotate } from './rotate.js';
