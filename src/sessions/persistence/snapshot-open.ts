import type { FileHandle } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { BUCKET_ROWS } from '../table/row-layout.ts';
import type { SessionTable } from '../table/table.ts';
import { parseDescription, type WrittenDescription } from './snapshot-description.ts';
import { END, MAGIC, START_BYTES, TRAILER_BYTES, VERSION } from './snapshot-layout.ts';
import { type LoadCounts, loadRecords } from './snapshot-load.ts';
import type { SessionNames } from './snapshot-names.ts';
import { RECORD_BYTES, RecordDecoder } from './snapshot-record.ts';

/** Why a file is set aside. */
export interface Unusable {
  /** foreign: whole, but not for this limpet. */
  readonly kind: 'damaged' | 'foreign';
  readonly reason: string;
}

/** Rows at a time when loading: a millisecond or two. */
const ROWS = 2_048;
/**
 * A table that is filled more than this by what is loaded is crowded: without a limit of its own it is at 0.8 when it
 * is full.
 */
const CROWDED = 0.6;

/** A snapshot that was found whole: nothing of one that is not ever gets into the table. To be loaded or closed. */
export class OpenSnapshot {
  readonly description: WrittenDescription;
  /** Rows in the file. */
  readonly rows: number;
  readonly #handle: FileHandle;
  readonly #now: () => number;

  private constructor(handle: FileHandle, description: WrittenDescription, rows: number, now: () => number) {
    this.#handle = handle;
    this.description = description;
    this.rows = rows;
    this.#now = now;
  }

  /**
   * Reads the whole file once. The handle is closed unless a snapshot is answered. Rejects with errors of the file
   * system.
   */
  static async check(
    handle: FileHandle,
    fingerprints: readonly string[],
    now: () => number,
  ): Promise<OpenSnapshot | Unusable> {
    let good = false;
    try {
      const found = await inspect(handle);
      if ('kind' in found) return found;
      if (!fingerprints.includes(found.description.keyFingerprint)) {
        const reason = 'its keys were hashed with a secret that is not in sessions.secretFile any more';
        return { kind: 'foreign', reason };
      }
      good = true;
      return new OpenSnapshot(handle, found.description, found.rows, now);
    } finally {
      if (!good) await handle.close();
    }
  }

  /** Merges its rows into the table, and closes it. Others get their turn in between. */
  async load(names: SessionNames, table: SessionTable): Promise<LoadCounts> {
    const counts: LoadCounts = { rows: 0, added: 0, leftOut: 0 };
    const decoder = new RecordDecoder(this.description, names);
    const buffer = new Uint8Array(ROWS * RECORD_BYTES);
    try {
      // Rows of one bucket stand side by side in the file. Coming so, they fill a crowded table unevenly, and some find
      // no place: by turns, hardly any.
      const passes = this.rows > CROWDED * table.buckets * BUCKET_ROWS ? BUCKET_ROWS : 1;
      for (let pass = 0; pass < passes; pass++) {
        for (let row = 0; row < this.rows; row += ROWS) {
          const bytes = buffer.subarray(0, Math.min(ROWS, this.rows - row) * RECORD_BYTES);
          await readAll(this.#handle, bytes, START_BYTES + row * RECORD_BYTES);
          loadRecords(bytes, decoder, table, this.#now(), counts, pass, passes);
          await setImmediate();
        }
      }
    } finally {
      await this.close();
    }
    return counts;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

async function inspect(
  handle: FileHandle,
): Promise<Unusable | { readonly description: WrittenDescription; readonly rows: number }> {
  const { size } = await handle.stat();
  const start = Buffer.alloc(START_BYTES);
  await readAll(handle, start, 0);
  if (start.toString('latin1', 0, MAGIC.length) !== MAGIC) return damaged('it is no snapshot of limpet');
  const version = start.readUInt32LE(MAGIC.length);
  if (version > VERSION) {
    return {
      kind: 'foreign',
      reason: `a newer limpet has written it (its format is ${version}, this limpet knows ${VERSION})`,
    };
  }
  if (size < START_BYTES + TRAILER_BYTES) return damaged('it is cut short');
  const trailer = Buffer.alloc(TRAILER_BYTES);
  await readAll(handle, trailer, size - TRAILER_BYTES);
  if (trailer.toString('latin1', 12) !== END) return damaged('it is cut short');
  const rows = trailer.readUInt32LE(0);
  const textBytes = trailer.readUInt32LE(4);
  if (START_BYTES + rows * RECORD_BYTES + textBytes + TRAILER_BYTES !== size)
    return damaged('its length is not what it says');
  if ((await checksum(handle, size - TRAILER_BYTES + 8)) !== trailer.readUInt32LE(8))
    return damaged('its checksum is not that of its content');
  const text = Buffer.alloc(textBytes);
  await readAll(handle, text, size - TRAILER_BYTES - textBytes);
  const description = parseDescription(text.toString());
  const sound = version === VERSION && start.readUInt32LE(MAGIC.length + 4) === RECORD_BYTES && description !== null;
  return sound ? { description, rows } : damaged('its description cannot be understood');
}

async function checksum(handle: FileHandle, end: number): Promise<number> {
  const buffer = new Uint8Array(256 * 1024);
  let crc = 0;
  for (let at = 0; at < end; at += buffer.byteLength) {
    const bytes = buffer.subarray(0, Math.min(buffer.byteLength, end - at));
    await readAll(handle, bytes, at);
    crc = crc32(bytes, crc);
  }
  return crc;
}

/** Fills what it can; the rest stays zero. */
async function readAll(handle: FileHandle, into: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < into.byteLength; ) {
    const { bytesRead } = await handle.read(into, done, into.byteLength - done, position + done);
    if (bytesRead === 0) return;
    done += bytesRead;
  }
}

function damaged(reason: string): Unusable {
  return { kind: 'damaged', reason };
}
