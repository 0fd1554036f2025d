/** Owns the checksum of a file's bytes, read piece by piece so that the event loop stays free. */
import { createHash } from 'node:crypto';
import { openRegular } from '../../files.js';
import { CHUNK_BYTES } from './gzip.js';

/** The MD5 of a file as it is. */
export async function fileMd5(path: string, signal: AbortSignal | undefined): Promise<string> {
  const hash = createHash('md5');
  const file = await openRegular(path);
  try {
    const stream = file.createReadStream({ highWaterMark: CHUNK_BYTES, autoClose: false });
    for await (const chunk of stream) {
      signal?.throwIfAborted();
      hash.update(chunk as Uint8Array);
    }
  } finally {
    await file.close();
  }
  return hash.digest('hex');
}
