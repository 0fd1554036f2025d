/**
 * Owns gzip: telling it by its first bytes, and unpacking it from memory or piece by piece.
 *
 * Policy: a gzip file is one member or several, one behind the other, and zero bytes behind the last
 * one are padding, as tapes, tar and some mirrors leave it. Anything else there is damage. From
 * memory no more is unpacked than the caller has room for.
 */
import { once } from 'node:events';
import { constants, createGunzip, type Gunzip, gunzipSync, type ZlibOptions } from 'node:zlib';

/** Size of the pieces that files are read and unpacked in. */
export const CHUNK_BYTES = 1 << 18;

/** Deflate shrinks nothing by more than this. */
export const MAX_RATIO = 1032;

/** Whether the bytes begin as a gzip file does. */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/** Whether an error says that the bytes are no whole gzip file. */
export function isGzipDamage(error: unknown): error is NodeJS.ErrnoException {
  const { code } = error as NodeJS.ErrnoException;
  return typeof code === 'string' && code.startsWith('Z_') && code !== 'Z_MEM_ERROR';
}

/**
 * The contents' first bytes: `count` at least, or all that can be unpacked, and not many more.
 *
 * @throws What zlib reports of what it read.
 */
export function gunzipStart(bytes: Uint8Array, count: number): Uint8Array {
  // As long as the start is too short, the part has unpacked to less than `count`: a longer one
  // cannot unpack to much more.
  for (let part = 1024; ; part *= 4) {
    const start = gunzipSync(bytes.subarray(0, part), { finishFlush: constants.Z_SYNC_FLUSH });
    if (start.length >= count || part >= bytes.length) return start;
  }
}

/**
 * The contents, or null where they are more than `limit` bytes, which then were not unpacked.
 *
 * @throws What zlib reports, or an error of {@link isGzipDamage} where other bytes follow.
 */
export function gunzipWithin(bytes: Uint8Array, limit: number): Uint8Array | null {
  // One byte more than there may be, so that everything fits one chunk and none is joined.
  const chunkSize = Math.min(Math.max(limit + 1, 64), 1 << 30);
  const options: ZlibOptions = { maxOutputLength: Math.max(limit, 1), chunkSize, info: true };
  try {
    const unpacked: unknown = gunzipSync(bytes, options);
    const { buffer, engine } = unpacked as { buffer: Uint8Array; engine: Gunzip };
    checkPadding(bytes.subarray(engine.bytesWritten));
    return buffer;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') return null;
    throw error;
  }
}

/** Yields the contents of a gzip file that comes in pieces. Throws as {@link gunzipWithin}. */
export async function* gunzipped(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
  const fed = feed(chunks, gunzip);
  fed.catch((error: unknown) => gunzip.destroy(error as Error));
  try {
    yield* gunzip as AsyncIterable<Uint8Array>;
    await fed; // what follows the last member
  } finally {
    gunzip.destroy();
  }
}

/**
 * Writes pieces to zlib. At the first zero byte behind a member it ends, and leaves the rest of the
 * piece, for which a stream pipeline would fail; some versions of Node call back then, some do not.
 */
async function feed(chunks: AsyncIterable<Uint8Array>, gunzip: Gunzip): Promise<void> {
  const ended = once(gunzip, 'end').catch(() => {});
  const closed = new Promise<void>((resolve) => {
    gunzip.once('close', resolve);
  });
  let given = 0;
  let isOver = false;
  for await (const chunk of chunks) {
    let rest = chunk;
    if (!isOver) {
      const written = new Promise<void>((resolve) => {
        gunzip.write(chunk, () => resolve());
      });
      await Promise.race([written, ended, closed]);
      if (gunzip.destroyed && !gunzip.readableEnded) return; // whoever reads is told why
      given += chunk.length;
      isOver = gunzip.bytesWritten < given;
      rest = chunk.subarray(chunk.length - (given - gunzip.bytesWritten));
    }
    if (isOver) checkPadding(rest);
  }
  if (!isOver) gunzip.end();
}

/** @throws An error of {@link isGzipDamage} where a byte is not zero. */
function checkPadding(bytes: Uint8Array): void {
  if (bytes.every((byte) => byte === 0)) return;
  throw Object.assign(new Error('bytes other than zero follow its end'), { code: 'Z_DATA_ERROR' });
}
