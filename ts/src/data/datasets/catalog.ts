/** Owns the shape of what is known about data sets in MNIST's format. */
import type { DataSource } from '../files/find.js';

/** One file of a data set. */
export interface CatalogFile {
  /** Name of the decompressed file; `.gz` is added for the compressed one. */
  readonly name: string;
  readonly md5: string;
  /**
   * Whether the MD5 is that of the decompressed file (unless given: compressed files differ by who
   * compressed them), or that of the published compressed one, where no other is known.
   */
  readonly md5Of?: 'contents' | 'file';
}

/** One part (training or test) of a data set. */
export interface CatalogPart {
  readonly images: CatalogFile;
  readonly labels: CatalogFile;
}

/** A data set in MNIST's format. */
export interface CatalogEntry extends DataSource {
  /** Names of the classes, by label. */
  readonly classes: readonly string[];
  readonly train: CatalogPart;
  readonly test: CatalogPart;
}

/** Names of the digits, by label. */
export const digits: readonly string[] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'];
