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
    expect(() => run(new Uint8Array(8), [2, 2, 2], 1)).toThrowError(
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
