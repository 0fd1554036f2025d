/**
 * Owns finding and reading CIFAR's binary files, in their archive or unpacked.
 *
 * Policy: the archive is read as it is, once its checksum was verified, and nothing is unpacked to the
 * disk. Of unpacked files no checksum is published: their sizes and labels are checked.
 */
import type { FileHandle } from 'node:fs/promises';
import { checkBoolean, checkOptions } from '../../arguments.js';
import { DataError, NeuronodeError, OutOfMemoryError } from '../../errors.js';
import { openRegular } from '../../files.js';
import { checkMemory } from '../../program/memory.js';
import { readContents } from '../files/contents.js';
import { type DataSource, findOrFetch, verifyFile, type WantedFile } from '../files/find.js';
import { readTar } from '../files/tar.js';
import { checkDatasetOptions, datasetOptionNames, type MnistOptions } from './mnist-files.js';

/** Pixels of an image: [3, 32, 32]. */
const IMAGE_BYTES = 3 * 32 * 32;

/** What is known of one of the two data sets. */
export interface CifarEntry extends DataSource {
  readonly archive: { readonly name: string; readonly md5: string };
  /** Folder of the files, in the archive and unpacked. */
  readonly filesFolder: string;
  /** Classes of each label byte of a record, in order. */
  readonly labels: readonly { readonly what: string; readonly classes: number }[];
  /** Files of the parts, in order. */
  readonly train: readonly string[];
  readonly test: readonly string[];
  /** Samples in each file. */
  readonly samples: { readonly train: number; readonly test: number };
}

/** Images and labels of a part. */
export interface CifarPart {
  /** [N, 3, 32, 32], in shared memory. */
  readonly images: Uint8Array;
  /** [N] for each label byte. */
  readonly labels: readonly Uint8Array[];
}

/**
 * Finds (or fetches) and reads one part.
 *
 * @throws {DataError} ERR_NN_DATA_MISSING, ERR_NN_DATA_DOWNLOAD or ERR_NN_DATA_CORRUPT.
 */
export async function loadCifarFiles(entry: CifarEntry, options: MnistOptions): Promise<CifarPart> {
  const { title, archive, filesFolder } = entry;
  checkOptions(title, options, ['train', ...datasetOptionNames]);
  const isTrain = checkBoolean(title, 'train', options.train);
  checkDatasetOptions(title, options);
  const { signal } = options;
  const names = isTrain ? entry.train : entry.test;
  const packed: WantedFile = {
    names: [archive.name],
    fetch: { name: archive.name, md5: archive.md5, md5Of: 'file' },
  };
  const unpacked = names.map((name) => ({ names: [`${filesFolder}/${name}`, name] }));
  const { paths, variant } = await findOrFetch(entry, options, [[packed], unpacked]);
  const part = new Part(entry, names, isTrain ? entry.samples.train : entry.samples.test);
  if (variant === 0) {
    await verifyFile(paths[0]!, packed, signal);
    await readArchive(paths[0]!, part, filesFolder, names, signal);
  } else {
    for (const [i, path] of paths.entries()) await readFile(path, part, names[i]!, signal);
  }
  part.checkLabels(paths);
  return part;
}

/** A part that is being filled, file by file. */
class Part implements CifarPart {
  readonly images: Uint8Array;
  readonly labels: readonly Uint8Array[];
  /** Bytes of a file. */
  readonly fileBytes: number;
  readonly #entry: CifarEntry;
  readonly #names: readonly string[];
  readonly #samples: number;

  constructor(entry: CifarEntry, names: readonly string[], samples: number) {
    const count = names.length * samples;
    this.#entry = entry;
    this.#names = names;
    this.#samples = samples;
    this.fileBytes = samples * (entry.labels.length + IMAGE_BYTES);
    checkMemory(`${entry.title}: its images`, count * IMAGE_BYTES);
    try {
      this.images = new Uint8Array(new SharedArrayBuffer(count * IMAGE_BYTES));
    } catch (cause) {
      throw new OutOfMemoryError(`${entry.title}: there is no memory for its images`, { cause });
    }
    this.labels = entry.labels.map(() => new Uint8Array(count));
  }

  /** Takes bytes of a file from `offset` on: records of label bytes and an image. */
  put(name: string, bytes: Uint8Array, offset: number): void {
    const first = this.#names.indexOf(name) * this.#samples;
    const head = this.labels.length;
    const record = head + IMAGE_BYTES;
    for (let i = 0; i < bytes.length; ) {
      const sample = first + Math.floor((offset + i) / record);
      const at = (offset + i) % record;
      if (at < head) {
        this.labels[at]![sample] = bytes[i++]!;
      } else {
        const part = bytes.subarray(i, i + record - at);
        this.images.set(part, sample * IMAGE_BYTES + at - head);
        i += part.length;
      }
    }
  }

  /** @throws {DataError} ERR_NN_DATA_CORRUPT that names the first label that is none. */
  checkLabels(paths: readonly string[]): void {
    for (const [i, { what, classes }] of this.#entry.labels.entries()) {
      const wrong = this.labels[i]!.findIndex((label) => label >= classes);
      if (wrong === -1) continue;
      const path = paths.length === 1 ? paths[0] : paths[Math.floor(wrong / this.#samples)];
      throw new DataError(
        'ERR_NN_DATA_CORRUPT',
        `${path}: expected ${what} labels from 0 to ${classes - 1}, got ` +
          `${this.labels[i]![wrong]} for sample ${wrong}`,
      );
    }
  }
}

async function readArchive(
  path: string,
  part: Part,
  folder: string,
  names: readonly string[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const sizes = new Map(names.map((name) => [`${folder}/${name}`, part.fileBytes]));
  let damage: unknown;
  try {
    await readContents(path, signal, async (chunks) => {
      try {
        await readTar(chunks, sizes, (name, bytes, offset) =>
          part.put(name.slice(folder.length + 1), bytes, offset),
        );
      } catch (error) {
        damage = error;
        throw error;
      }
    });
  } catch (error) {
    signal?.throwIfAborted();
    throw damaged(path, damage ?? error, 'fetch it again');
  }
}

async function readFile(
  path: string,
  part: Part,
  name: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  let file: FileHandle | undefined;
  try {
    file = await openRegular(path);
    const { size } = await file.stat();
    if (size !== part.fileBytes) {
      throw new DataError(
        'ERR_NN_DATA_CORRUPT',
        `${path}: expected ${part.fileBytes} bytes, got ${size}. The file is cut or damaged: fetch it again.`,
      );
    }
    let offset = 0;
    for await (const chunk of file.createReadStream({ autoClose: false })) {
      signal?.throwIfAborted();
      part.put(name, chunk as Uint8Array, offset);
      offset += (chunk as Uint8Array).length;
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw damaged(path, error, 'fetch it again');
  } finally {
    await file?.close();
  }
}

function damaged(path: string, error: unknown, remedy: string): NeuronodeError {
  if (error instanceof NeuronodeError) return error;
  const { code = '', message, name } = error as NodeJS.ErrnoException;
  const isDamage = name === 'TarDamage' || code.startsWith('Z_');
  return isDamage
    ? new DataError(
        'ERR_NN_DATA_CORRUPT',
        `${path}: expected a whole archive, got a damaged one (${message}). Delete it and ${remedy}.`,
        { cause: error },
      )
    : new DataError('ERR_NN_DATA_MISSING', `${path}: it could not be read (${message})`, {
        cause: error,
      });
}
