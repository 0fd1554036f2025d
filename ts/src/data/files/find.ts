/**
 * Owns where the files of a data set are: which folders are looked in, what is fetched and where to,
 * and what is said where nothing is found.
 *
 * Policy: the first folder that has all files is used, and a damaged file there is an error, not a
 * reason to look further. Nothing is fetched unless asked for.
 */
import { access } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, isAbsolute, join } from 'node:path';
import { checkBoolean, checkInteger, checkSignal, show } from '../../arguments.js';
import { ArgumentError, DataError } from '../../errors.js';
import { fileMd5 } from './checksum.js';
import { type DownloadProgress, downloadFile } from './download.js';
import { progressBar } from './download-progress.js';

/** Where the files of a data set may come from. */
export interface FileOptions {
  /**
   * The only folder to look in (also in its subfolder of the data set's name, and in that where
   * torchvision leaves such files), and to download into. Without it, the same subfolders of the
   * environment variable NEURONODE_DATA_DIR are looked in, then those of the user's cache directory
   * ($XDG_CACHE_HOME/neuronode or ~/.cache/neuronode), then the folder of the system's package.
   */
  root?: string;
  /** Whether to fetch files that are missing; false unless given. */
  download?: boolean;
  /** Addresses of folders to fetch from instead of the public mirrors. */
  mirrors?: readonly string[];
  /**
   * Milliseconds without a byte from a mirror after which the next one goes on; 30,000 unless given.
   */
  stallTimeout?: number;
  /** Called while a file is fetched; without it, a terminal shows a progress bar. */
  onProgress?: (progress: DownloadProgress) => void;
  /** Cancels fetching and reading. */
  signal?: AbortSignal;
}

/** Names of {@link FileOptions}. */
export const fileOptionNames = [
  'root',
  'download',
  'mirrors',
  'stallTimeout',
  'onProgress',
  'signal',
] as const satisfies readonly (keyof FileOptions)[];

/** What is known of a data set's files, whichever of them are wanted. */
export interface DataSource {
  /** For messages. */
  readonly title: string;
  /** Folder name below a data directory. */
  readonly folder: string;
  /** Folder name that torchvision uses below its root. */
  readonly torchvisionFolder: string;
  /** Folders where a system package puts the files. */
  readonly systemFolders: readonly string[];
  /** What else to do where the files are missing. */
  readonly hint: string;
  readonly mirrors: readonly string[];
}

/** A file that is wanted. */
export interface WantedFile {
  /** Paths in a folder by which it may be there, in order. */
  readonly names: readonly string[];
  /** For messages, where it is not its first name. */
  readonly label?: string;
  /** How it is fetched. */
  readonly fetch?: {
    readonly name: string;
    readonly md5: string;
    /** Whether the MD5 is that of the decompressed contents, or that of the file as it is. */
    readonly md5Of: 'contents' | 'file';
  };
}

/** Files that were found. */
export interface FoundFiles {
  /** Their paths, in the order in which they were wanted. */
  readonly paths: readonly string[];
  /** Which of the lists of wanted files they are. */
  readonly variant: number;
}

/** @throws {ArgumentError} where an option is not what it should be. */
export function checkFileOptions(title: string, options: FileOptions): void {
  const { root, download, mirrors, stallTimeout, onProgress, signal } = options;
  if (root !== undefined && (typeof root !== 'string' || root === '')) {
    throw new ArgumentError(`${title} expects root to be a folder's path, got ${show(root)}`);
  }
  if (download !== undefined) checkBoolean(title, 'download', download);
  const areAddresses =
    mirrors === undefined ||
    (Array.isArray(mirrors) && mirrors.length > 0 && mirrors.every((m) => typeof m === 'string'));
  if (!areAddresses) {
    throw new ArgumentError(
      `${title} expects mirrors to be a list of at least one address, got ${show(mirrors)}`,
    );
  }
  if (stallTimeout !== undefined) {
    checkInteger(title, 'stallTimeout', stallTimeout, 1, 2 ** 31 - 1); // as long as timers go
  }
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw new ArgumentError(
      `${title} expects onProgress to be a function, got ${show(onProgress)}`,
    );
  }
  checkSignal(title, signal);
}

/**
 * The files of a data set, found or fetched.
 *
 * @param variants Lists of wanted files, each of which will do: in each folder the first is looked
 *   for, then the second. The first one is what is fetched.
 * @throws {DataError} ERR_NN_DATA_MISSING where they are nowhere and are not to be fetched,
 *   ERR_NN_DATA_DOWNLOAD where no mirror served them.
 */
export async function findOrFetch(
  source: DataSource,
  options: FileOptions,
  variants: readonly (readonly WantedFile[])[],
): Promise<FoundFiles> {
  options.signal?.throwIfAborted();
  for (const folder of folders(source, options.root)) {
    for (const [variant, wanted] of variants.entries()) {
      const paths = await Promise.all(wanted.map((file) => findFile(folder, file)));
      const found = paths.filter((path) => path !== undefined);
      if (found.length === wanted.length) return { paths: found, variant };
    }
  }
  const fetched = variants.findIndex((wanted) => wanted.every((file) => file.fetch !== undefined));
  const wanted = variants[fetched]!;
  if (!options.download) throw missing(source, options.root, variants[0]!);
  return { paths: await fetchFiles(source, options, wanted), variant: fetched };
}

/** Folders that may hold the files, in order. */
function folders(source: DataSource, root: string | undefined): string[] {
  const below = (base: string) => [
    join(base, source.folder),
    join(base, source.torchvisionFolder, 'raw'),
  ];
  if (root !== undefined) return [root, ...below(root)];
  const fromEnvironment = process.env.NEURONODE_DATA_DIR;
  return [
    ...(fromEnvironment ? below(fromEnvironment) : []),
    ...below(cacheFolder()),
    ...source.systemFolders,
  ];
}

function cacheFolder(): string {
  const xdg = process.env.XDG_CACHE_HOME;
  // A relative path in this variable is to be ignored, says the XDG specification.
  const base = xdg !== undefined && isAbsolute(xdg) ? xdg : join(homedir(), '.cache');
  return join(base, 'neuronode');
}

async function findFile(folder: string, { names }: WantedFile): Promise<string | undefined> {
  for (const name of names) {
    const path = join(folder, name);
    if (await exists(path)) return path;
  }
  return undefined;
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return false;
    // A file that is there and may not be read is reported by whoever opens it.
    return true;
  }
}

async function fetchFiles(
  source: DataSource,
  options: FileOptions,
  wanted: readonly WantedFile[],
): Promise<string[]> {
  const fromEnvironment = process.env.NEURONODE_DATA_DIR;
  const directory = options.root ?? join(fromEnvironment || cacheFolder(), source.folder);
  const onProgress = options.onProgress ?? progressBar();
  const paths: string[] = [];
  for (const file of wanted) {
    const { name, md5, md5Of } = file.fetch!;
    const existing = await findFile(directory, file);
    paths.push(
      existing ??
        (await downloadFile({
          file: name,
          directory,
          mirrors: options.mirrors ?? source.mirrors,
          md5,
          md5Of,
          stallTimeout: options.stallTimeout ?? 30_000,
          signal: options.signal,
          onProgress,
        })),
    );
  }
  return paths;
}

function missing(
  source: DataSource,
  root: string | undefined,
  wanted: readonly WantedFile[],
): DataError {
  const names = wanted.map((file) => file.label ?? file.names[0]).join(' and ');
  const looked = folders(source, root).map((folder) => `\n  ${folder}`);
  const setting = root === undefined ? 'set NEURONODE_DATA_DIR or root' : 'change root';
  const [what, put] =
    wanted.length === 1 ? ['it', 'the file'] : [wanted.length === 2 ? 'both' : 'all', 'the files'];
  return new DataError(
    'ERR_NN_DATA_MISSING',
    `${source.title}: expected ${names} in one of these folders, and found ${what} in none:` +
      `${looked.join('')}\nPut ${put} into one of them, ${setting}, ${source.hint}, or pass ` +
      'download: true.',
  );
}

/**
 * Checks a file that was found against the checksum of the one that is fetched, where it is that one.
 *
 * @throws {DataError} ERR_NN_DATA_CORRUPT where it has another checksum, ERR_NN_DATA_MISSING where it
 *   cannot be read.
 */
export async function verifyFile(
  path: string,
  { fetch }: WantedFile,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (fetch?.md5Of !== 'file' || fetch.name !== basename(path)) return;
  let got: string;
  try {
    got = await fileMd5(path, signal);
  } catch (error) {
    signal?.throwIfAborted();
    throw new DataError(
      'ERR_NN_DATA_MISSING',
      `${path}: it could not be read (${(error as Error).message})`,
      { cause: error },
    );
  }
  if (got === fetch.md5) return;
  throw new DataError(
    'ERR_NN_DATA_CORRUPT',
    `${path}: expected MD5 ${fetch.md5} of the file, got ${got}. Delete the file and fetch it again.`,
  );
}
