/** Random transforms: what they draw, that they do what they drew, and what they refuse. */
import { data } from 'neuronode';
import { describe, expect, it } from 'vitest';
import { collect, syntheticDataset } from './data-support.js';

const {
  CenterCrop,
  ColorJitter,
  Compose,
  DataLoader,
  functional,
  Grayscale,
  Pad,
  RandomCrop,
  RandomErasing,
  RandomHorizontalFlip,
  RandomResizedCrop,
  RandomRotation,
  RandomVerticalFlip,
  Resize,
  SampleRandom,
  ToTensor,
} = data;

const shape = [3, 12, 10] as const;
const image = Uint8Array.from({ length: 360 }, (_, i) => (i * i * 7 + i * 13) % 256);

/** The random numbers of sample `index`. */
const randomOf = (index: number) => new SampleRandom({ seed: 0, epoch: 0 }, index);

/** What `count` samples draw. */
function draws<T>(count: number, draw: (random: data.SampleRandom) => T): T[] {
  return Array.from({ length: count }, (_, i) => draw(randomOf(i)));
}

/** How often each value comes. */
function counts(values: readonly unknown[]): Map<string, number> {
  const all = new Map<string, number>();
  for (const value of values) {
    const key = JSON.stringify(value);
    all.set(key, (all.get(key) ?? 0) + 1);
  }
  return all;
}

/** Whether `count` of `n` fits a probability: within five standard deviations. */
function expectProbability(count: number, n: number, p: number): void {
  expect(Math.abs(count - n * p)).toBeLessThan(5 * Math.sqrt(n * p * (1 - p)));
}

const random: [string, data.Transform][] = [
  ['RandomHorizontalFlip', new RandomHorizontalFlip()],
  ['RandomVerticalFlip', new RandomVerticalFlip(0.7)],
  ['RandomCrop', new RandomCrop(8, { padding: [1, 2], paddingMode: 'reflect' })],
  ['RandomCrop of a larger size', new RandomCrop([16, 9], { padIfNeeded: true, fill: [1, 2, 3] })],
  ['RandomResizedCrop', new RandomResizedCrop([7, 9], { scale: [0.2, 0.9] })],
  [
    'ColorJitter',
    new ColorJitter({ brightness: 0.4, contrast: [0.5, 2], saturation: 0.9, hue: 0.5 }),
  ],
  [
    'RandomRotation',
    new RandomRotation(90, { interpolation: 'bilinear', center: [1, 2], fill: [9, 8, 7] }),
  ],
  ['RandomErasing', new RandomErasing({ p: 0.9, value: 'random' })],
];

const fixed: [string, data.Transform][] = [
  ['Pad', new Pad([1, 2, 3, 4], { fill: [1, 2, 3] })],
  ['CenterCrop', new CenterCrop([20, 4])],
  ['Grayscale', new Grayscale(3)],
  ['Resize', new Resize([5, 5])],
];

describe.each([...random, ...fixed])('%s', (_, transform) => {
  const epochs = async (numWorkers: number, batchSize = 4) => {
    const dataset = syntheticDataset(24, { imageShape: shape, transform });
    await using loader = new DataLoader(dataset, { seed: 2, batchSize, numWorkers });
    const copy = async () => (await collect(loader)).flatMap((batch) => batch.image);
    return [await copy(), await copy()];
  };

  it('gives the same on any number of workers, and in batches of any size', async () => {
    const alone = await epochs(0);
    expect(await epochs(2)).toEqual(alone);
    expect(await epochs(1, 7)).toEqual(alone);
    const isRandom = random.some(([, each]) => each === transform);
    if (isRandom) expect(alone[1]).not.toEqual(alone[0]);
    else expect(alone[1]).toEqual(alone[0]);
  });

  it('gives the shape that it announces, and leaves what it is given', () => {
    const given = image.slice();
    const planned = transform.outputShape?.(shape) ?? shape;
    for (let i = 0; i < 20; i++) {
      const result = transform.apply(given, shape, randomOf(i));
      expect(result.shape).toEqual(planned);
      expect(result.image).toHaveLength(planned.reduce<number>((a, b) => a * (b ?? 0), 1));
    }
    expect(given).toEqual(image);
  });
});

describe('a class that extends one of the package', () => {
  it('runs on this thread, and on workers by a recipe of its own only', async () => {
    class Twice extends Resize {
      override apply<S extends readonly [number, number] | data.ImageShape>(
        bytes: Uint8Array,
        from: S,
      ) {
        const { image: resized, shape: to } = super.apply(bytes, from);
        return { image: resized.map((byte) => byte >> 1), shape: to };
      }
    }
    const transform = new Compose([new Twice([2, 2])]);
    const dataset = syntheticDataset(2, { imageShape: shape, transform });
    const plain = syntheticDataset(2, { imageShape: shape, transform: new Resize([2, 2]) });
    expect(dataset.get(1).image).toEqual((plain.get(1).image as Uint8Array).map((b) => b >> 1));
    expect(() => new DataLoader(dataset, { numWorkers: 1 })).toThrowError(
      expect.objectContaining({
        code: 'ERR_NN_ARGUMENT',
        message: expect.stringContaining('expected Twice to say how a worker thread makes it'),
      }),
    );
  });
});

describe('what is drawn', () => {
  it('flips with the probability', () => {
    for (const p of [0, 0.3, 1]) {
      const flip = new RandomHorizontalFlip(p);
      const flipped = functional.hflip(image, shape).image;
      const results = draws(2000, (r) => flip.apply(image, shape, r).image);
      const count = results.filter((each) => Buffer.compare(each, flipped) === 0).length;
      if (p === 0 || p === 1) expect(count).toBe(2000 * p);
      else expectProbability(count, 2000, p);
    }
    const upright = new RandomVerticalFlip(1).apply(image, shape, randomOf(0));
    expect(upright).toEqual(functional.vflip(image, shape));
  });

  it('crops at every place alike', () => {
    const crop = new RandomCrop([11, 7]);
    const n = 8000;
    const places = counts(draws(n, (r) => crop.draw(shape, r)));
    expect(places.size).toBe(2 * 4);
    for (const count of places.values()) expectProbability(count, n, 1 / 8);
    const { top, left } = crop.draw(shape, randomOf(3));
    expect(crop.apply(image, shape, randomOf(3))).toEqual(
      functional.crop(image, shape, top, left, 11, 7),
    );
  });

  it('crops of what was padded, on both sides where it is needed', () => {
    const options = { padding: 1, padIfNeeded: true, paddingMode: 'edge' } as const;
    const crop = new RandomCrop([16, 9], options);
    const once = functional.pad(image, shape, [1, 1, 1, 1], 'edge');
    const twice = functional.pad(once.image, once.shape, [0, 2, 0, 2], 'edge');
    expect(twice.shape).toEqual([3, 18, 12]);
    const { top, left } = crop.draw(twice.shape, randomOf(5));
    expect(crop.apply(image, shape, randomOf(5))).toEqual(
      functional.crop(twice.image, twice.shape, top, left, 16, 9),
    );
  });

  it('crops parts of the area and ratio that it says, and resizes them', () => {
    const crop = new RandomResizedCrop(6, { scale: [0.2, 0.5], ratio: [0.5, 2] });
    const large = [3, 240, 240] as const; // where every part fits
    const parts = draws(3000, (r) => crop.draw(large, r));
    const areas = parts.map(({ height, width }) => (height * width) / 57_600);
    const ratios = parts.map(({ height, width }) => Math.log(width / height));
    expect(Math.min(...areas)).toBeGreaterThan(0.19);
    expect(Math.max(...areas)).toBeLessThan(0.51);
    expect(mean(areas)).toBeCloseTo(0.35, 1);
    expect(Math.max(...ratios)).toBeLessThan(Math.log(2.05));
    expect(mean(ratios)).toBeCloseTo(0, 1);
    for (const { top, left, height, width } of parts) {
      expect(top + height).toBeLessThanOrEqual(240);
      expect(left + width).toBeLessThanOrEqual(240);
    }
    const { top, left, height, width } = crop.draw(shape, randomOf(1));
    expect(crop.apply(image, shape, randomOf(1))).toEqual(
      functional.resizedCrop(image, shape, top, left, height, width, [6, 6]),
    );
  });

  it.each([
    [[3, 10, 300], { top: 0, left: 143, height: 10, width: 13 }],
    [[3, 300, 10], { top: 143, left: 0, height: 13, width: 10 }],
    [[3, 10, 11], { top: 0, left: 0, height: 10, width: 11 }],
  ] as const)('crops the middle of %j where no part fits', (from, wanted) => {
    const crop = new RandomResizedCrop(6, { scale: [9, 9] });
    expect(crop.draw(from, randomOf(0))).toEqual(wanted);
  });

  it('changes colours in every order alike, by factors of the intervals', () => {
    const jitter = new ColorJitter({
      brightness: 0.4,
      contrast: [0.5, 3],
      saturation: 2,
      hue: 0.1,
    });
    expect(jitter).toMatchObject({ brightness: [0.6, 1.4], saturation: [0, 3], hue: [-0.1, 0.1] });
    const n = 6000;
    const drawn = draws(n, (r) => jitter.draw(r));
    const orders = counts(drawn.map((steps) => steps.map(({ what }) => what)));
    expect(orders.size).toBe(24);
    for (const count of orders.values()) expectProbability(count, n, 1 / 24);
    for (const [what, [from, to]] of Object.entries({
      brightness: [0.6, 1.4],
      contrast: [0.5, 3],
      saturation: [0, 3],
      hue: [-0.1, 0.1],
    }) as [string, [number, number]][]) {
      const factors = drawn.map((steps) => steps.find((step) => step.what === what)!.factor);
      expect(Math.min(...factors)).toBeGreaterThanOrEqual(from);
      expect(Math.max(...factors)).toBeLessThan(to);
      expect(Math.abs(mean(factors) - (from + to) / 2)).toBeLessThan((to - from) / 20);
    }
    const [first, ...rest] = jitter.draw(randomOf(4));
    const adjusted = [first!, ...rest].reduce<data.TransformedImage & { image: Uint8Array }>(
      (all, { what, factor }) => {
        const name = `adjust${what[0]!.toUpperCase()}${what.slice(1)}` as 'adjustHue';
        return functional[name](all.image, all.shape, factor);
      },
      { image, shape },
    );
    expect(jitter.apply(image, shape, randomOf(4))).toEqual(adjusted);
  });

  it('leaves the colours that are not named', () => {
    const jitter = new ColorJitter({ hue: 0, contrast: 0.5 });
    expect(
      new Set(
        draws(50, (r) =>
          jitter
            .draw(r)
            .map(({ what }) => what)
            .join(),
        ),
      ),
    ).toEqual(new Set(['contrast']));
    expect(new ColorJitter().apply(image, shape, randomOf(0)).image).toEqual(image);
    const grey = [1, 12, 30] as const;
    expect(new ColorJitter({ hue: 0.5 }).apply(image, grey, randomOf(0)).image).toEqual(image);
  });

  it('rotates by angles of the interval', () => {
    const rotation = new RandomRotation([-20, 80], { expand: true, fill: 7 });
    const angles = draws(4000, (r) => rotation.draw(r));
    expect(Math.min(...angles)).toBeGreaterThanOrEqual(-20);
    expect(Math.max(...angles)).toBeLessThan(80);
    expect(Math.abs(mean(angles) - 30)).toBeLessThan(3);
    expect(rotation.apply(image, shape, randomOf(2))).toEqual(
      functional.rotate(image, shape, rotation.draw(randomOf(2)), { expand: true, fill: 7 }),
    );
    expect(new RandomRotation(30).degrees).toEqual([-30, 30]);
  });

  it('erases parts of the area and ratio that it says, with the probability', () => {
    const large = [3, 100, 120] as const;
    const erasing = new RandomErasing({ scale: [0.1, 0.2], ratio: [0.5, 2], p: 0.25 });
    const parts = draws(2000, (r) => erasing.draw(large, r)!);
    const areas = parts.map(({ height, width }) => (height * width) / 12_000);
    expect(Math.min(...areas)).toBeGreaterThan(0.09);
    expect(Math.max(...areas)).toBeLessThan(0.21);
    expect(mean(areas)).toBeCloseTo(0.15, 1);
    for (const { top, left, height, width } of parts) {
      expect(top + height).toBeLessThanOrEqual(100);
      expect(left + width).toBeLessThanOrEqual(120);
    }
    const white = new Uint8Array(360).fill(255);
    const erased = draws(2000, (r) => erasing.apply(white, shape, r).image.includes(0));
    expectProbability(erased.filter(Boolean).length, 2000, 0.25);
    expect(new RandomErasing({ scale: [1, 1] }).draw(shape, randomOf(0))).toBeNull();
  });

  it('erases by the value of each channel', () => {
    const erasing = new RandomErasing({ p: 1, value: [1, 2, 3] });
    const white = new Uint8Array(360).fill(255);
    const { image: result } = erasing.apply(white, shape, randomOf(0));
    const planes = [0, 1, 2].map((c) => new Set(result.subarray(c * 120, c * 120 + 120)));
    expect(planes).toEqual([1, 2, 3].map((value) => new Set([255, value])));
  });
});

describe('a chain', () => {
  it('of chains runs in order, and prints as torchvision prints it', async () => {
    const chain = new Compose([
      new Compose([new RandomCrop(28, { padding: 2 }), new Compose([new RandomHorizontalFlip()])]),
      new Compose([new Pad(1), new CenterCrop(20), new Grayscale(), new RandomVerticalFlip(0.25)]),
      new ColorJitter({ brightness: 0.5 }),
      new RandomResizedCrop(16),
      new RandomRotation(10),
      new RandomErasing(),
      new ToTensor(),
    ]);
    expect(String(chain)).toBe(`Compose(
    RandomCrop(size=(28, 28), padding=(2, 2, 2, 2))
    RandomHorizontalFlip(p=0.5)
    Pad(padding=(1, 1, 1, 1), fill=0, padding_mode=constant)
    CenterCrop(size=(20, 20))
    Grayscale(num_output_channels=1)
    RandomVerticalFlip(p=0.25)
    ColorJitter(brightness=(0.5, 1.5), contrast=None, saturation=None, hue=None)
    RandomResizedCrop(size=(16, 16), scale=(0.08, 1), ratio=(0.75, 1.3333), interpolation=bilinear, antialias=True)
    RandomRotation(degrees=[-10, 10], interpolation=nearest, expand=False, fill=0)
    RandomErasing(p=0.5, scale=(0.02, 0.33), ratio=(0.3, 3.3), value=0)
    ToTensor()
)`);
    const dataset = syntheticDataset(3, { imageShape: [3, 26, 30], transform: chain });
    expect(dataset.imageShape).toEqual([1, 16, 16]);
    await using loader = new DataLoader(dataset, { numWorkers: 1 });
    expect(await collect(loader)).toHaveLength(3);
  });

  it('is normalised by the channels that it leaves', () => {
    const end = [new ToTensor(), new data.Normalize(0.5, 0.25)];
    const gray = new Compose([new Grayscale(), ...end]);
    expect(syntheticDataset(1, { imageShape: shape, transform: gray })).toMatchObject({
      imageShape: [1, 12, 10],
      mean: [0.5],
      std: [0.25],
    });
    const color = new Compose([new Grayscale(3), ...end]);
    const dataset = syntheticDataset(1, { imageShape: [1, 12, 10], transform: color });
    expect(dataset.mean).toEqual([0.5, 0.5, 0.5]);
  });

  it('goes on from images that differ in size, where something settles it', () => {
    const rotation = new RandomRotation(40, { expand: true });
    const settled = [
      new Resize([9, 8]),
      new RandomCrop(6),
      new CenterCrop(20),
      new RandomResizedCrop(3),
    ];
    for (const last of settled) {
      const transform = new Compose([rotation, new Pad(1), new Grayscale(), last]);
      const dataset = syntheticDataset(4, { imageShape: shape, transform });
      expect(dataset.get(3).image).toHaveLength(dataset.imageShape.reduce((a, b) => a * b));
    }
    expect(() =>
      syntheticDataset(4, { imageShape: shape, transform: new Compose([rotation, new Resize(9)]) }),
    ).toThrowError(expect.objectContaining({ code: 'ERR_NN_ARGUMENT' }));
  });

  it('whose crop fits no longer names the sample', () => {
    const transform = new Compose([new RandomRotation(0, { expand: true }), new RandomCrop(13)]);
    const dataset = syntheticDataset(4, { imageShape: shape, transform });
    expect(() => dataset.get(2)).toThrowError(
      expect.objectContaining({
        code: 'ERR_NN_TRANSFORM',
        sample: 2,
        transform: 'RandomCrop',
        cause: expect.objectContaining({ code: 'ERR_NN_SHAPE' }),
      }),
    );
  });
});

describe('refused', () => {
  const on = (transform: data.Transform, imageShape: data.ImageShape = shape) =>
    syntheticDataset(2, { imageShape, transform });

  it.each<[string, () => unknown, string]>([
    ['a crop that is too large', () => on(new RandomCrop(13)), 'at least 13 x 13 pixels'],
    [
      'a fill of other channels',
      () => on(new RandomCrop(2, { fill: [1, 2] })),
      'channel (3), got 2',
    ],
    ['a padding of other channels', () => on(new Pad(2, { fill: [1] })), 'channel (3), got 1'],
    ['a rotation of other channels', () => on(new RandomRotation(2, { fill: [1] })), 'got 1'],
    ['an erasing of other channels', () => on(new RandomErasing({ value: [1] })), 'got 1'],
    ['colours of two channels', () => on(new ColorJitter(), [2, 3, 3]), '1 or 3 channels, got 2'],
    ['grey of two channels', () => on(new Grayscale(), [2, 3, 3]), '1 or 3 channels, got 2'],
    ['padding beyond all sizes', () => on(new Pad(65_535)), 'at most 65535'],
  ])('for a dataset: %s', (_, make, message) => {
    expect(make).toThrowError(
      expect.objectContaining({
        code: 'ERR_NN_SHAPE',
        message: expect.stringContaining(message),
      }),
    );
  });

  it.each<[string, () => unknown]>([
    ['a probability above 1', () => new RandomHorizontalFlip(1.1)],
    ['no probability', () => new RandomVerticalFlip('often' as unknown as number)],
    ['a size of 0', () => new CenterCrop(0)],
    ['three sizes', () => new CenterCrop([1, 2, 3] as unknown as [number, number])],
    ['a padding below 0', () => new Pad(-1)],
    ['three paddings', () => new Pad([1, 2, 3] as unknown as [number, number])],
    ['a fill that is no byte', () => new Pad(1, { fill: 256 })],
    ['a fill of nothing', () => new Pad(1, { fill: [] })],
    ['another padding mode', () => new Pad(1, { paddingMode: 'wrap' as 'edge' })],
    ['an unknown option', () => new RandomCrop(1, { pad: 1 } as object)],
    ['padIfNeeded that is no boolean', () => new RandomCrop(1, { padIfNeeded: 1 as never })],
    ['a scale in the wrong order', () => new RandomResizedCrop(1, { scale: [1, 0.5] })],
    ['a ratio of 0', () => new RandomResizedCrop(1, { ratio: [0, 1] })],
    ['a scale that is no pair', () => new RandomResizedCrop(1, { scale: 1 as never })],
    ['two channels', () => new Grayscale(2 as 3)],
    ['a brightness below 0', () => new ColorJitter({ brightness: -1 })],
    ['a contrast below 0', () => new ColorJitter({ contrast: [-1, 1] })],
    ['a hue above 0.5', () => new ColorJitter({ hue: 0.6 })],
    ['a hue below -0.5', () => new ColorJitter({ hue: [-0.6, 0] })],
    ['degrees below 0', () => new RandomRotation(-1)],
    ['degrees that are no number', () => new RandomRotation(Number.NaN)],
    ['another interpolation', () => new RandomRotation(1, { interpolation: 'cubic' as never })],
    ['a center of one number', () => new RandomRotation(1, { center: [1] as never })],
    ['a scale above 1', () => new RandomErasing({ scale: [0.5, 1.5] })],
    ['a value that is no byte', () => new RandomErasing({ value: 0.5 })],
  ])('when it is made: %s', (_, make) => {
    expect(make).toThrowError(expect.objectContaining({ code: 'ERR_NN_ARGUMENT' }));
  });

  it('for floats', () => {
    expect(
      () =>
        new data.TensorDataset({
          images: new Float32Array(16),
          imageShape: [1, 4, 4],
          labels: [0],
          transform: new RandomHorizontalFlip(),
        }),
    ).toThrowError(
      expect.objectContaining({
        code: 'ERR_NN_ARGUMENT',
        message: expect.stringContaining('expected no RandomHorizontalFlip for images that are a'),
      }),
    );
  });
});

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b) / values.length;
}
