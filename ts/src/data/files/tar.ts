/**
 * Owns reading wanted files out of a tar archive that comes piece by piece.
 *
 * Policy: strict. Each header's checksum is verified, and a wanted file must be there whole; what
 * follows it need not be read. Extended headers are passed over: the names that are wanted are short.
 */
const BLOCK = 512;

/** Why bytes are no whole tar archive. */
export class TarDamage extends Error {
  override name = 'TarDamage';
}

/**
 * Reads files of an archive.
 *
 * @param sizes Bytes that each wanted file must have, by its name in the archive.
 * @param put Takes the bytes of a wanted file from `offset` on, piece by piece, in order.
 * @throws {TarDamage} where the archive is cut or damaged, or a wanted file is missing or of another
 *   size.
 */
export async function readTar(
  chunks: AsyncIterable<Uint8Array>,
  sizes: ReadonlyMap<string, number>,
  put: (name: string, bytes: Uint8Array, offset: number) => void,
): Promise<void> {
  const missing = new Set(sizes.keys());
  let header = Buffer.alloc(0);
  let current: { name: string; size: number; done: number; padding: number } | null = null;
  let isOver = false;
  for await (const chunk of chunks) {
    let rest = chunk;
    // After the end only zeros may follow, and whoever made the archive may add any number of them.
    while (rest.length > 0 && !isOver) {
      if (current !== null) {
        const bytes = rest.subarray(0, current.size - current.done);
        if (missing.has(current.name)) put(current.name, bytes, current.done);
        current.done += bytes.length;
        rest = rest.subarray(bytes.length);
        if (current.done === current.size) {
          const padding = rest.subarray(0, current.padding);
          current.padding -= padding.length;
          rest = rest.subarray(padding.length);
          if (current.padding === 0) {
            missing.delete(current.name);
            current = null;
          }
        }
        continue;
      }
      const part = rest.subarray(0, BLOCK - header.length);
      header = Buffer.concat([header, part]);
      rest = rest.subarray(part.length);
      if (header.length < BLOCK) continue;
      const entry = parseHeader(header);
      header = Buffer.alloc(0);
      if (entry === null) {
        isOver = true;
        continue;
      }
      const { name, size } = entry;
      const wanted = sizes.get(name);
      if (wanted !== undefined && wanted !== size) {
        throw new TarDamage(`expected ${name} of ${wanted} bytes, got one of ${size}`);
      }
      current = { name, size, done: 0, padding: (BLOCK - (size % BLOCK)) % BLOCK };
      if (size === 0) current = null;
    }
  }
  if (current !== null || header.length > 0) throw new TarDamage('it ends in the middle of a file');
  if (missing.size > 0) throw new TarDamage(`expected ${[...missing].join(', ')} in it, got none`);
}

/** Name and size of an entry; null at the archive's end. */
function parseHeader(header: Buffer): { name: string; size: number } | null {
  if (header.every((byte) => byte === 0)) return null;
  const text = (from: number, to: number) =>
    header.toString('latin1', from, to).replace(/\0.*$/s, '');
  const octal = (from: number, to: number) => {
    const digits = text(from, to).trim();
    return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN;
  };
  // The checksum counts its own field as blanks.
  let sum = 0;
  for (const [i, byte] of header.entries()) sum += i >= 148 && i < 156 ? 32 : byte;
  const size = octal(124, 136);
  if (octal(148, 156) !== sum || !Number.isSafeInteger(size)) {
    throw new TarDamage('expected the header of a file, got other bytes');
  }
  const isFile = header[156] === 0 || header[156] === 0x30;
  const prefix = header.toString('latin1', 257, 262) === 'ustar' ? text(345, 500) : '';
  const path = prefix === '' ? text(0, 100) : `${prefix}/${text(0, 100)}`;
  // What is no file has no name that is wanted.
  return { name: isFile ? path.replace(/^\.\//, '') : '', size };
}
