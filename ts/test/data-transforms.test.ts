/** Resize against Pillow's results, and what a chain of transforms becomes. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { data } from 'neuronode';
import { beforeAll, describe, expect, it } from 'vitest';

const { Compose, Normalize, Resize, TensorDataset, ToTensor } = data;

interface ResizeCase {
  name: string;
  source: 'real' | [number, number, number];
  steps: (number | [number, number])[];
  shape: [number, number, number, number];
  sha256: string;
  firstImage?: string;
}
const fixture = new URL('./fixtures/data/resize.json', import.meta.url);
const { cases } = JSON.parse(readFileSync(fixture, 'utf8')) as { cases: ResizeCase[] };

/** The formula of scripts/fixtures/data.py. */
function patternImage([channels, height, width]: data.ImageShape): Uint8Array {
  const image = new Uint8Array(channels * height * width);
  let i = 0;
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) image[i++] = (x * x * 7 + y * 13 + x * y * 3 + c * 91) % 256;
    }
  }
  return image;
}

describe('Resize', () => {
  let realImages: Uint8Array[];
  beforeAll(async () => {
    const test = await data.FashionMNIST.load({ train: false });
    realImages = Array.from({ length: 64 }, (_, i) => Uint8Array.from(test.get(i).image));
  });

  it('has reference cases for the sizes of the models and for every pass order', () => {
    expect(cases.length).toBeGreaterThanOrEqual(20);
  });

  it.each(cases)('equals Pillow byte for byte: $name', (c) => {
    let shape: data.ImageShape = c.source === 'real' ? [1, 28, 28] : c.source;
    let images = c.source === 'real' ? realImages : [patternImage(shape)];
    for (const size of c.steps) {
      const resize = new Resize(size);
      const results = images.map((image) => resize.apply(image, shape));
      images = results.map(({ image }) => image);
      shape = results[0]!.shape;
    }
    expect([images.length, ...shape]).toEqual(c.shape);
    if (c.firstImage !== undefined) {
      expect(Buffer.from(images[0]!).toString('base64')).toBe(c.firstImage);
    }
    const hash = createHash('sha256');
    for (const image of images) hash.update(image);
    expect(hash.digest('hex')).toBe(c.sha256);
  });

  it('resizes [H, W] as [1, H, W]', () => {
    const image = patternImage([1, 6, 9]);
    const flat = new Resize([3, 4]).apply(image, [6, 9]);
    expect(flat.shape).toEqual([3, 4]);
    expect(flat.image).toEqual(new Resize([3, 4]).apply(image, [1, 6, 9]).image);
  });

  it('keeps no state between shapes', () => {
    const resize = new Resize(5);
    const first = resize.apply(patternImage([1, 6, 9]), [6, 9]).image;
    resize.apply(patternImage([1, 9, 6]), [9, 6]);
    expect(resize.apply(patternImage([1, 6, 9]), [6, 9]).image).toEqual(first);
  });

  it('makes the smaller edge of an image the given size, as torchvision does', () => {
    expect(new Resize(224).outputSize(28, 28)).toEqual({ height: 224, width: 224 });
    expect(new Resize(10).outputSize(20, 33)).toEqual({ height: 10, width: 16 });
    expect(new Resize(10).outputSize(33, 20)).toEqual({ height: 16, width: 10 });
    expect(new Resize([3, 7]).outputSize(33, 20)).toEqual({ height: 3, width: 7 });
  });

  it.each([[0], [-1], [1.5], [NaN], ['224'], [[1]], [[1, 2, 3]], [[1, 0]], [null], [65536]])(
    'refuses the size %j',
    (size) => {
      expect(() => new Resize(size as number)).toThrowError(
        expect.objectContaining({ code: 'ERR_NN_ARGUMENT' }),
      );
    },
  );

  it('refuses an image that is not of its shape', () => {
    expect(() => new Resize(2).apply(new Uint8Array(15), [4, 4])).toThrowError(
      expect.objectContaining({
        code: 'ERR_NN_SHAPE',
        message: expect.stringContaining('expected 16 pixels for shape [4, 4], got 15'),
      }),
    );
  });
});

describe('a chain of transforms', () => {
  const images = patternImage([2, 3, 4]);
  const dataset = (transform?: data.TransformStep) =>
    new TensorDataset({
      images,
      imageShape: [2, 3, 4],
      labels: [7],
      ...(transform === undefined ? {} : { transform }),
    });

  it('is ToTensor alone unless given: mean 0, std 1', () => {
    for (const plain of [dataset(), dataset(new ToTensor()), dataset(new Compose([]))]) {
      expect(plain).toMatchObject({ imageShape: [2, 3, 4], mean: [0, 0], std: [1, 1] });
      expect(plain.get(0)).toEqual({ image: images, label: 7 });
    }
  });

  it('becomes a resize in bytes, a mean and a std', () => {
    const chain = new Compose([new Resize(6), new ToTensor(), new Normalize(0.5, [0.25])]);
    const resized = dataset(chain);
    expect(resized).toMatchObject({ imageShape: [2, 6, 8], mean: [0.5, 0.5], std: [0.25, 0.25] });
    expect(resized.get(0).image).toEqual(new Resize(6).apply(images, [2, 3, 4]).image);
  });

  it('may resize twice, one after the other', () => {
    const twice = dataset(new Compose([new Resize(6), new Resize([2, 5])]));
    const { image, shape } = new Resize(6).apply(images, [2, 3, 4]);
    expect(twice.imageShape).toEqual([2, 2, 5]);
    expect(twice.get(0).image).toEqual(new Resize([2, 5]).apply(image, shape).image);
  });

  it('has one mean and std per channel', () => {
    const normalize = new Normalize([0.1, 0.2], [0.3, 0.4]);
    expect(dataset(new Compose([new ToTensor(), normalize]))).toMatchObject({
      mean: [0.1, 0.2],
      std: [0.3, 0.4],
    });
    expect(() =>
      dataset(new Compose([new ToTensor(), new Normalize([0, 0, 0], [1, 1, 1])])),
    ).toThrowError(expect.objectContaining({ code: 'ERR_NN_SHAPE' }));
  });

  it('flattens chains inside chains', () => {
    const inner = new Compose([new Resize(6), new ToTensor()]);
    expect(new Compose([inner, new Normalize(0, 1)]).transforms).toHaveLength(3);
  });

  it('prints as torchvision prints it', () => {
    expect(String(new Compose([new Resize(6), new ToTensor(), new Normalize([0.5], [0.5])]))).toBe(
      'Compose(\n    Resize(size=6, interpolation=bilinear, antialias=True)\n    ToTensor()\n' +
        '    Normalize(mean=[0.5], std=[0.5])\n)',
    );
  });

  it.each<[string, () => unknown]>([
    ['Resize after ToTensor', () => new Compose([new ToTensor(), new Resize(4)])],
    ['Normalize before ToTensor', () => new Compose([new Normalize(0, 1), new ToTensor()])],
    ['Normalize alone', () => dataset(new Normalize(0, 1))],
    ['two ToTensors', () => new Compose([new ToTensor(), new ToTensor()])],
    ['something else', () => new Compose([{} as data.ToTensor])],
    ['null in a chain', () => new Compose([null as unknown as data.ToTensor])],
    ['no chain', () => new Compose(undefined as unknown as data.TransformStep[])],
    ['no image', () => new Resize(2).apply(null as unknown as Uint8Array, [1, 1])],
    ['no shape', () => new Resize(2).apply(images, null as unknown as data.ImageShape)],
    ['a shape of one size', () => new Resize(2).apply(images, [24] as unknown as [number, number])],
    ['no mean', () => new Normalize(null as unknown as number, 1)],
    ['no std', () => new Normalize(0, undefined as unknown as number)],
    ['a std of 0', () => new Normalize(0, 0)],
    ['a mean that is not finite', () => new Normalize(NaN, 1)],
    ['more means than stds', () => new Normalize([0, 0], [1])],
    ['no mean at all', () => new Normalize([], [])],
  ])('refuses %s', (_, make) => {
    expect(make).toThrowError(expect.objectContaining({ code: 'ERR_NN_ARGUMENT' }));
  });
});
