/** Owns reading what a file holds, be it gzipped or plain: the first bytes tell. */
import type { FileHandle } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { openRegular } from '../../files.js';
import { CHUNK_BYTES, gunzipped, isGzip } from './gzip.js';

/** What is known of a file before its contents are read. */
export interface FileFacts {
  /** Bytes on disk. */
  readonly size: number;
  readonly isCompressed: boolean;
}

/** Takes a file's decompressed contents, piece by piece. */
export type Consume = (chunks: AsyncIterable<Uint8Array>, facts: FileFacts) => Promise<void>;

/**
 * Reads a file and hands its decompressed contents to `consume`, so that the event loop stays free.
 * Rejects with what the file system, zlib or `consume` reports, or with an AbortError.
 */
export async function readContents(
  path: string,
  signal: AbortSignal | undefined,
  consume: Consume,
): Promise<void> {
  let file: FileHandle | undefined;
  try {
    file = await openRegular(path);
    const start = Buffer.alloc(2);
    await file.read(start, 0, 2, 0);
    const { size } = await file.stat();
    const facts = { size, isCompressed: isGzip(start) };
    const sink = (chunks: AsyncIterable<Uint8Array>) => consume(chunks, facts);
    const stream = file.createReadStream({
      start: 0,
      highWaterMark: CHUNK_BYTES,
      autoClose: false,
    });
    const options = signal === undefined ? {} : { signal };
    if (facts.isCompressed) {
      await pipeline(stream, gunzipped, sink, options);
    } else {
      await pipeline(stream, sink, options);
    }
  } finally {
    await file?.close();
  }
}
