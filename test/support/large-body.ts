import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';

const pattern = randomBytes(4 << 20);
const CHUNK = 256 << 10;

/** A body of `length` bytes that are made as they are read, and their checksum. */
export class LargeBody extends Readable {
  /** Where a reader stops for a while, in bytes, and for how long, in ms. */
  static readonly SLEEP_AT = 64 << 20;
  static readonly SLEEP_MS = 1_000;

  readonly length: number;
  /** CRC-32 of what has been read. */
  crc = 0;
  #made = 0;
  #at = 0;

  constructor(length: number) {
    super({ highWaterMark: 2 * CHUNK });
    this.length = length;
  }

  override _read(): void {
    const size = Math.min(CHUNK, this.length - this.#made);
    if (size === 0) {
      this.push(null);
      return;
    }
    // Never the same bytes at the same place of two chunks: one that is lost, doubled or out of turn shows.
    this.#at = (this.#at + 104_729) % (pattern.length - CHUNK);
    const chunk = pattern.subarray(this.#at, this.#at + size);
    this.crc = crc32(chunk, this.crc);
    this.#made += size;
    this.push(chunk);
  }
}
