/**
 * Owns what the host's memory can hold, before any of it is taken.
 *
 * Policy: where more is taken than there is, the system ends the process instead of the call. So large
 * arrays are asked for here: what exceeds the memory that the machine and its container have left, or
 * what an array can hold, is an OutOfMemoryError that names what it was for.
 */
import { freemem } from 'node:os';
import { NativeError, OutOfMemoryError } from '../errors.js';
import { addon } from './addon.js';

/** Arrays below this are not worth asking the system for. */
const worthAsking = 16 * 2 ** 20;

/**
 * Bytes that this process may still take: of the machine's memory, or of its container's where that
 * is less. Where the addon cannot be loaded containers are not seen.
 */
export function availableMemory(): number {
  try {
    return addon().availableMemory();
  } catch (error) {
    if (error instanceof NativeError) return freemem();
    throw error;
  }
}

/**
 * Checks that so much memory is there.
 *
 * @param what What it is for and what it depends on, as the beginning of a sentence.
 * @throws OutOfMemoryError
 */
export function checkMemory(what: string, bytes: number): void {
  if (bytes < worthAsking) return;
  const available = availableMemory();
  if (bytes <= available) return;
  throw new OutOfMemoryError(
    `${what} needs ${mebibytes(bytes)} of memory, but ${mebibytes(available)} are available`,
  );
}

/**
 * An array of zeros.
 *
 * @throws OutOfMemoryError where it does not fit into memory, or no array can be so long.
 */
export function allocateFloats(what: string, length: number): Float32Array {
  checkMemory(what, length * Float32Array.BYTES_PER_ELEMENT);
  try {
    return new Float32Array(length);
  } catch (cause) {
    throw new OutOfMemoryError(`${what} needs an array of ${length} numbers, which is too long`, {
      cause,
    });
  }
}

function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MiB`;
}
