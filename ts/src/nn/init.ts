/**
 * Initial values of parameters, as torch.nn.init gives them: after `manualSeed(s)` the same calls in the
 * same order draw what PyTorch draws on the CPU after `torch.manual_seed(s)`; uniform numbers bit for
 * bit, normal ones to about 1e-6 of their standard deviation.
 *
 * Each changes a parameter, or a buffer of floats, and returns it. Values of 65,536 elements and more
 * are drawn in the background, see {@link Parameter.data}. Like `loadStateDict`, it may be done at any
 * time.
 */
import { checkNumber, checkOneOf, checkOptions, show } from '../arguments.js';
import { ArgumentError, ShapeError } from '../errors.js';
import { formatShape } from '../graph/shapes.js';
import { hostValuesOf } from '../program/module-tensor.js';
import { redraw, withoutDraws } from '../random/init.js';
import { Buffer } from './buffer.js';
import { Parameter } from './parameter.js';

/** What can be given initial values. */
export type Initializable = Parameter | Buffer<Float32Array>;

/** Activation that follows a layer. */
export type Nonlinearity = 'linear' | 'conv2d' | 'sigmoid' | 'tanh' | 'relu' | 'leakyRelu' | 'selu';

const nonlinearities = [
  'linear',
  'conv2d',
  'sigmoid',
  'tanh',
  'relu',
  'leakyRelu',
  'selu',
] as const satisfies readonly Nonlinearity[];

/** Options of {@link kaimingUniform_} and {@link kaimingNormal_}. */
export interface KaimingOptions {
  /** Slope of the leaky ReLU that follows, for `nonlinearity` 'leakyRelu'; 0 by default. */
  a?: number;
  /**
   * Whether the variance is kept on the way forward ('fanIn', the default) or on the gradient's way
   * back ('fanOut').
   */
  mode?: 'fanIn' | 'fanOut';
  /** What follows the layer; 'leakyRelu' by default. */
  nonlinearity?: Nonlinearity;
}

function checked<T extends Initializable>(who: string, tensor: T): T {
  const fits = tensor instanceof Parameter || (tensor instanceof Buffer && tensor.dtype === 'f32');
  if (fits) return tensor;
  throw new ArgumentError(`${who} expects a parameter or a buffer of floats, got ${show(tensor)}`);
}

/** Inputs of one output, and outputs that one input has a part in, of a weight [out, in, ...window]. */
function fans(who: string, { shape }: Initializable): { fanIn: number; fanOut: number } {
  const [outputs, inputs, ...window] = shape;
  if (outputs === undefined || inputs === undefined) {
    throw new ShapeError(
      `${who} expects a weight of 2 or more axes, [out, in, ...window], got ${formatShape(shape)}`,
    );
  }
  const cells = window.reduce((product, size) => product * size, 1);
  return { fanIn: inputs * cells, fanOut: outputs * cells };
}

/**
 * By how much an activation shrinks its input's deviation, as torch.nn.init.calculate_gain: 1 for
 * 'linear', 'conv2d' and 'sigmoid', 5/3 for 'tanh', sqrt(2) for 'relu', sqrt(2 / (1 + a^2)) for
 * 'leakyRelu' of slope a (0.01 by default), 3/4 for 'selu'.
 * @throws ArgumentError for another nonlinearity, or a slope that is no number.
 */
export function calculateGain(nonlinearity: Nonlinearity, slope = 0.01): number {
  checkOneOf('calculateGain', 'nonlinearity', nonlinearity, nonlinearities);
  checkNumber('calculateGain', 'slope', slope);
  switch (nonlinearity) {
    case 'tanh':
      return 5 / 3;
    case 'relu':
      return Math.sqrt(2);
    case 'leakyRelu':
      return Math.sqrt(2 / (1 + slope ** 2));
    case 'selu':
      return 3 / 4;
    default:
      return 1;
  }
}

/**
 * What `make` gives, with parameters that are zero where they would be drawn, as
 * torch.nn.utils.skip_init: for networks that get their values by `loadStateDict` anyhow. It draws
 * nothing, from which later layers would get other values, and takes no memory yet.
 *
 * @example `const net = nn.skipInit(() => models.vgg16())`
 */
export function skipInit<T>(make: () => T): T {
  return withoutDraws(make);
}

/**
 * Uniform on [a, b): [0, 1) by default.
 * @throws ArgumentError for what is no parameter, or an a that is above b.
 */
export function uniform_<T extends Initializable>(tensor: T, a = 0, b = 1): T {
  checked('uniform_', tensor);
  checkNumber('uniform_', 'a', a);
  checkNumber('uniform_', 'b', b, { min: a });
  redraw(tensor, { kind: 'uniform', from: a, to: b });
  return tensor;
}

/**
 * Normal, of mean 0 and standard deviation 1 by default.
 * @throws ArgumentError for what is no parameter, or a deviation below 0.
 */
export function normal_<T extends Initializable>(tensor: T, mean = 0, std = 1): T {
  checked('normal_', tensor);
  checkNumber('normal_', 'mean', mean);
  checkNumber('normal_', 'std', std, { min: 0 });
  redraw(tensor, { kind: 'normal', mean, std });
  return tensor;
}

/**
 * Normal, of mean 0 and standard deviation 1 by default, where values outside [a, b], -2 to 2 by
 * default, are drawn again.
 * @throws ArgumentError for what is no parameter, a deviation that is not above 0, an a that is not
 *   below b, or an interval in which hardly a value would fall.
 */
export function truncNormal_<T extends Initializable>(
  tensor: T,
  mean = 0,
  std = 1,
  a = -2,
  b = 2,
): T {
  const who = 'truncNormal_';
  checked(who, tensor);
  checkNumber(who, 'mean', mean);
  checkNumber(who, 'std', std, { min: Number.MIN_VALUE });
  checkNumber(who, 'b', b);
  checkNumber(who, 'a', a, { below: b });
  const byNormals = normalPart(mean, std, a, b) > 0.3;
  if (!byNormals && acceptedPart(mean, std, a, b) < 0.01) {
    throw new ArgumentError(
      `${who} expects an interval of the values that the distribution gives, got ${a} to ${b} for ` +
        `mean ${mean} and std ${std}`,
    );
  }
  redraw(tensor, { kind: 'truncatedNormal', mean, std, from: a, to: b, byNormals });
  return tensor;
}

/**
 * One value for all elements.
 * @throws ArgumentError for what is no parameter, or no finite number.
 */
export function constant_<T extends Initializable>(tensor: T, value: number): T {
  return fill('constant_', tensor, checkNumber('constant_', 'value', value));
}

/**
 * Zeros.
 * @throws ArgumentError for what is no parameter.
 */
export function zeros_<T extends Initializable>(tensor: T): T {
  return fill('zeros_', tensor, 0);
}

/**
 * Ones.
 * @throws ArgumentError for what is no parameter.
 */
export function ones_<T extends Initializable>(tensor: T): T {
  return fill('ones_', tensor, 1);
}

/**
 * Uniform on ±gain sqrt(6 / (fanIn + fanOut)) (Glorot and Bengio, 2010), for a weight
 * [out, in, ...window]; gain is 1 by default.
 * @throws ArgumentError for what is no parameter, ShapeError for one of fewer than 2 axes.
 */
export function xavierUniform_<T extends Initializable>(tensor: T, gain = 1): T {
  const bound = Math.sqrt(3) * xavierStd('xavierUniform_', tensor, gain);
  redraw(tensor, { kind: 'uniform', from: -bound, to: bound });
  return tensor;
}

/**
 * Normal, of mean 0 and standard deviation gain sqrt(2 / (fanIn + fanOut)) (Glorot and Bengio, 2010),
 * for a weight [out, in, ...window]; gain is 1 by default.
 * @throws ArgumentError for what is no parameter, ShapeError for one of fewer than 2 axes.
 */
export function xavierNormal_<T extends Initializable>(tensor: T, gain = 1): T {
  redraw(tensor, { kind: 'normal', mean: 0, std: xavierStd('xavierNormal_', tensor, gain) });
  return tensor;
}

/**
 * Uniform on ±gain sqrt(3 / fan) (He et al., 2015), for a weight [out, in, ...window]: fan and gain by
 * the options.
 * @throws ArgumentError for what is no parameter or an unknown option, ShapeError for a weight of fewer
 *   than 2 axes.
 */
export function kaimingUniform_<T extends Initializable>(
  tensor: T,
  options: KaimingOptions = {},
): T {
  const bound = Math.sqrt(3) * kaimingStd('kaimingUniform_', tensor, options);
  redraw(tensor, { kind: 'uniform', from: -bound, to: bound });
  return tensor;
}

/**
 * Normal, of mean 0 and standard deviation gain / sqrt(fan) (He et al., 2015), for a weight
 * [out, in, ...window]: fan and gain by the options.
 * @throws ArgumentError for what is no parameter or an unknown option, ShapeError for a weight of fewer
 *   than 2 axes.
 */
export function kaimingNormal_<T extends Initializable>(
  tensor: T,
  options: KaimingOptions = {},
): T {
  const std = kaimingStd('kaimingNormal_', tensor, options);
  redraw(tensor, { kind: 'normal', mean: 0, std });
  return tensor;
}

function fill<T extends Initializable>(who: string, tensor: T, value: number): T {
  const host = hostValuesOf(checked(who, tensor) as Parameter);
  const values = new Float32Array(tensor.size).fill(value);
  // An array that a user has shows the new values, as it does for loadStateDict.
  if (host.isShared) host.overwrite(values);
  else host.adopt(values);
  return tensor;
}

function xavierStd(who: string, tensor: Initializable, gain: number): number {
  const { fanIn, fanOut } = fans(who, checked(who, tensor));
  return checkNumber(who, 'gain', gain, { min: 0 }) * Math.sqrt(2 / (fanIn + fanOut));
}

function kaimingStd(who: string, tensor: Initializable, options: KaimingOptions): number {
  const both = fans(who, checked(who, tensor));
  const {
    a = 0,
    mode = 'fanIn',
    nonlinearity = 'leakyRelu',
  } = checkOptions(who, options, ['a', 'mode', 'nonlinearity']);
  checkNumber(who, 'a', a);
  const fan = both[checkOneOf(who, 'mode', mode, ['fanIn', 'fanOut'])];
  checkOneOf(who, 'nonlinearity', nonlinearity, nonlinearities);
  return calculateGain(nonlinearity, a) / Math.sqrt(fan);
}

/** Which part of a normal distribution falls into [a, b], to 1e-7. */
function normalPart(mean: number, std: number, a: number, b: number): number {
  const below = (x: number) => (1 + erf((x - mean) / (std * Math.SQRT2))) / 2;
  return below(b) - below(a);
}

/** Which part of uniform numbers in [a, b] is accepted, about. */
function acceptedPart(mean: number, std: number, a: number, b: number): number {
  const distance = Math.abs(Math.max(a, Math.min(mean, b)) - mean);
  // Beside its peak, which is the interval's end, the density falls like an exponential.
  const width = distance > std ? std ** 2 / distance : std;
  return width / (b - a);
}

/** The error function to 1.5e-7 (Abramowitz and Stegun, 7.1.26). */
function erf(x: number): number {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const tail =
    t *
    (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)))) *
    Math.exp(-x * x);
  return Math.sign(x) * (1 - tail);
}
