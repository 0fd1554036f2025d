/** Maps of images for given parameters, bit for bit torchvision's and Pillow's results. */
import { createHash } from 'node:crypto';
import { data, safetensors } from 'neuronode';
import { describe, expect, it } from 'vitest';

const { functional } = data;

interface Case {
  function: keyof typeof functional;
  source: string;
  args: unknown[];
  shape: data.ImageShape;
  sha256?: string;
}

const path = new URL('./fixtures/data/augment.safetensors', import.meta.url).pathname;
const tensors = await safetensors.load(path);
const cases = JSON.parse((await safetensors.metadata(path)).cases ?? '[]') as Case[];

type Run = (
  image: Uint8Array,
  shape: data.ImageShape,
  ...args: unknown[]
) => { image: Uint8Array; shape: data.ImageShape };

function input(source: string): { image: Uint8Array; shape: data.ImageShape } {
  const { data: bytes, shape } = tensors[`in.${source}`]!;
  return { image: bytes as Uint8Array, shape: shape as unknown as data.ImageShape };
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

describe.each(Object.keys(functional) as (keyof typeof functional)[])('%s', (name) => {
  const own = cases.flatMap((each, index) => (each.function === name ? [{ ...each, index }] : []));

  it(`gives the reference's bytes`, () => {
    expect(own.length).toBeGreaterThan(1);
    for (const { source, args, shape, sha256: wanted, index } of own) {
      const { image, shape: from } = input(source);
      const before = sha256(image);
      const result = (functional[name] as Run)(image, from, ...args);
      const about = `${name} of ${source}, ${JSON.stringify(args)}`;
      expect(result.shape, about).toEqual(shape);
      if (wanted === undefined) {
        expect([...result.image], about).toEqual([
          ...(tensors[`out.${index}`]!.data as Uint8Array),
        ]);
      } else {
        expect(sha256(result.image), about).toBe(wanted);
      }
      expect(sha256(image), about).toBe(before);
      expect(result.image.buffer, about).not.toBe(image.buffer);
    }
  });
});

describe('colours', () => {
  it.each([
    'toGrayscale',
    'adjustBrightness',
    'adjustContrast',
    'adjustSaturation',
    'adjustHue',
  ] as const)('%s refuses two channels', (name) => {
    const run = functional[name] as Run;
    expect(() => run(new Uint8Array(8), [2, 2, 2], name === 'toGrayscale' ? 1 : 0.25)).toThrowError(
      expect.objectContaining({
        code: 'ERR_NN_SHAPE',
        message: expect.stringContaining('expected images of 1 or 3 channels, got 2'),
      }),
    );
  });
});

describe('sizes', () => {
  it('that no image has are refused', () => {
    const tooLong = expect.objectContaining({ code: 'ERR_NN_SHAPE' });
    expect(() => functional.pad(Uint8Array.of(1), [1, 1, 1], [65535, 0, 0, 0])).toThrowError(
      tooLong,
    );
    expect(() =>
      functional.rotate(new Uint8Array(40_000), [1, 1, 40_000], 30, { expand: true }),
    ).toThrowError(tooLong);
  });
});

describe('arguments', () => {
  const image = new Uint8Array(12);
  const shape = [3, 2, 2] as const;
  const names = Object.keys(functional) as (keyof typeof functional)[];
  const more: Partial<Record<keyof typeof functional, unknown[]>> = {
    crop: [0, 0, 1, 1],
    centerCrop: [1, 1],
    pad: [1],
    resizedCrop: [0, 0, 1, 1, [1, 1]],
    erase: [0, 0, 1, 1, 0],
  };

  it.each(names)('of %s: an image that is none is refused', (name) => {
    const run = functional[name] as (...args: unknown[]) => unknown;
    const rest = more[name] ?? (/^(adjust|rotate)/.test(name) ? [0.5] : []);
    expect(() => run(image, shape, ...rest)).not.toThrow();
    for (const [bytes, of, code] of [
      [null, shape, 'ERR_NN_ARGUMENT'],
      [new Float32Array(12), shape, 'ERR_NN_ARGUMENT'],
      [image, [12], 'ERR_NN_ARGUMENT'],
      [image, [3, 0, 4], 'ERR_NN_ARGUMENT'],
      [image, null, 'ERR_NN_ARGUMENT'],
      [image, [3, 2, 3], 'ERR_NN_SHAPE'],
    ]) {
      expect(() => run(bytes, of, ...rest)).toThrowError(
        expect.objectContaining({ code, message: expect.stringMatching(new RegExp(`^${name}`)) }),
      );
    }
  });

  it.each<[keyof typeof functional, unknown[], string]>([
    ['crop', [0.5, 0, 1, 1], 'ERR_NN_ARGUMENT'],
    ['crop', [0, 0, 0, 1], 'ERR_NN_ARGUMENT'],
    ['centerCrop', [1, 65_536], 'ERR_NN_ARGUMENT'],
    ['pad', [-1], 'ERR_NN_ARGUMENT'],
    ['pad', [1, 'wrap'], 'ERR_NN_ARGUMENT'],
    ['pad', [1, 'constant', 256], 'ERR_NN_ARGUMENT'],
    ['pad', [1, 'constant', [1, 2]], 'ERR_NN_SHAPE'],
    ['resizedCrop', [0, 0, 1, 1, [0, 1]], 'ERR_NN_ARGUMENT'],
    ['erase', [-1, 0, 1, 1, 0], 'ERR_NN_ARGUMENT'],
    ['erase', [0, 0, 1, 1, 0.5], 'ERR_NN_ARGUMENT'],
    ['erase', [1, 0, 2, 1, 0], 'ERR_NN_SHAPE'],
    ['erase', [0, 2, 1, 1, 0], 'ERR_NN_SHAPE'],
    ['erase', [0, 0, 1, 1, new Uint8Array(2)], 'ERR_NN_SHAPE'],
    ['erase', [0, 0, 1, 1, [1, 2]], 'ERR_NN_SHAPE'],
    ['toGrayscale', [2], 'ERR_NN_ARGUMENT'],
    ['adjustBrightness', [-0.1], 'ERR_NN_ARGUMENT'],
    ['adjustContrast', [Number.NaN], 'ERR_NN_ARGUMENT'],
    ['adjustSaturation', [Number.POSITIVE_INFINITY], 'ERR_NN_ARGUMENT'],
    ['adjustHue', [0.6], 'ERR_NN_ARGUMENT'],
    ['rotate', [Number.NaN], 'ERR_NN_ARGUMENT'],
    ['rotate', [1, { interpolation: 'cubic' }], 'ERR_NN_ARGUMENT'],
    ['rotate', [1, { expand: 1 }], 'ERR_NN_ARGUMENT'],
    ['rotate', [1, { center: 1 }], 'ERR_NN_ARGUMENT'],
    ['rotate', [1, { angle: 1 }], 'ERR_NN_ARGUMENT'],
    ['rotate', [1, { fill: [1, 2] }], 'ERR_NN_SHAPE'],
  ])('of %s: %j are refused', (name, args, code) => {
    const run = functional[name] as (...args: unknown[]) => unknown;
    expect(() => run(image, shape, ...args)).toThrowError(
      expect.objectContaining({ code, message: expect.stringMatching(new RegExp(`^${name}`)) }),
    );
  });

  it('may be clamped bytes, and bytes of the part to erase', () => {
    const clamped = Uint8ClampedArray.from([1, 2, 3, 4]);
    expect([...functional.hflip(clamped, [1, 2, 2]).image]).toEqual([2, 1, 4, 3]);
    const part = Uint8Array.of(8, 9);
    expect([...functional.erase(clamped, [1, 2, 2], 1, 0, 1, 2, part).image]).toEqual([1, 2, 8, 9]);
  });
});
