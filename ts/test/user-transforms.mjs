/** Transforms as users write them, in a module that worker threads import. */

/** Adds a random byte to every pixel. */
export class Shift {
  worker = { module: import.meta.url, export: 'Shift' };

  apply(image, shape, random) {
    const by = random.integer(256);
    return { image: image.map((byte) => byte + by), shape };
  }
}

/** Keeps the first row, and says so. */
export class FirstRow {
  worker = { module: import.meta.url, export: 'FirstRow' };

  outputShape([channels, , width]) {
    return [channels, 1, width];
  }

  apply(image, [channels, height, width]) {
    const rows = Array.from({ length: channels }, (_, c) => [
      ...image.subarray(c * height * width, c * height * width + width),
    ]);
    return { image: Uint8Array.from(rows.flat()), shape: [channels, 1, width] };
  }
}

/** Overwrites the image that it is given. */
export class Overwrite {
  worker = { module: import.meta.url, export: 'Overwrite' };

  apply(image, shape) {
    return { image: image.fill(9), shape };
  }
}

/** Fails for images that begin with a certain byte. */
export class FailFor {
  constructor(byte, how) {
    this.byte = byte;
    this.how = how;
    this.worker = { module: import.meta.url, export: 'FailFor', args: [byte, how] };
  }

  apply(image, shape) {
    if (image[0] !== this.byte) return { image, shape };
    if (this.how === 'throw') throw new RangeError('no such pixel');
    if (this.how === 'throw a function') throw () => 1;
    if (this.how === 'promise') return Promise.resolve({ image, shape });
    if (this.how === 'shape') return { image, shape: [1, 1, 16] };
    if (this.how === 'pixels') return { image: image.subarray(1), shape };
    return { image: [...image], shape };
  }
}

/** Can be made here, and not on a worker. */
export class OnlyHere {
  constructor(isWorker) {
    if (isWorker) throw new Error('not on a worker');
    this.worker = { module: import.meta.url, export: 'OnlyHere', args: [true] };
  }

  apply(image, shape) {
    return { image, shape };
  }
}
