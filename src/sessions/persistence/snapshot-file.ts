import { constants } from 'node:fs';
import { type FileHandle, open, readdir, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { StartError } from '../../errors-start.ts';
import type { Logger } from '../../logging/logger.ts';
import { ChangeReader } from '../table/row-changes.ts';
import type { SessionTable } from '../table/table.ts';
import { copyTable } from './snapshot-copy.ts';
import { type TableDescription, written } from './snapshot-description.ts';
import { END, MAGIC, START_BYTES, TRAILER_BYTES, VERSION } from './snapshot-layout.ts';
import type { SessionNames } from './snapshot-names.ts';
import { OpenSnapshot, type Unusable } from './snapshot-open.ts';
import { RECORD_BYTES, RecordEncoder } from './snapshot-record.ts';

/** Between two chunks, each of which takes about as long. */
const REST_MS = 1;

/** What a write has put down. */
interface WriteCounts {
  readonly rows: number;
  /** Sessions of backends that are gone. */
  readonly leftOut: number;
  readonly bytes: number;
}

/**
 * The file of `sessions.snapshot`. It is replaced atomically: whoever reads it, also after a power failure, finds an
 * old or a new one, never a part. Nothing here keeps the thread for long, and no two writes may overlap.
 */
export class SnapshotFile {
  readonly path: string;
  readonly #log: Logger;
  readonly #now: () => number;

  /** @param now wall clock, ms since epoch */
  constructor(path: string, log: Logger, now: () => number = Date.now) {
    this.path = path;
    this.#log = log;
    this.#now = now;
  }

  /**
   * Writes the whole table. Rejects with the error of the file system, and the file as it was.
   * @param describe asked when all rows have been written: they are bound to no life that is not known by then
   * @param mayTakeTime asked again and again: true: traffic comes first, and a core is left free about half of the time
   */
  async write(
    describe: () => TableDescription,
    names: SessionNames,
    table: SessionTable,
    mayTakeTime: () => boolean = () => false,
  ): Promise<WriteCounts> {
    const temporary = `${this.path}.${process.pid}.tmp`;
    const handle = await open(temporary, 'w', 0o600);
    let counts: WriteCounts;
    try {
      counts = await this.#fill(handle, describe, names, table, mayTakeTime);
      await handle.sync();
    } catch (error) {
      await handle.close();
      await unlink(temporary).catch(() => {});
      throw error;
    }
    await handle.close();
    await rename(temporary, this.path);
    await syncDirectory(dirname(this.path));
    return counts;
  }

  /**
   * Opens the file if it is whole and its keys are hashed with a secret that is known. If not it is set aside, with a
   * line in the log that says why, and null is answered, as when there is none.
   * @param fingerprints of the secrets that are known
   * @throws StartError when it can neither be read nor set aside
   */
  async open(fingerprints: readonly string[]): Promise<OpenSnapshot | null> {
    await this.#clear();
    let opened: OpenSnapshot | Unusable;
    try {
      const handle = await open(this.path, constants.O_RDONLY);
      opened = await OpenSnapshot.check(handle, fingerprints, this.#now);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw unreadable(this.path, error);
    }
    if (opened instanceof OpenSnapshot) return opened;
    const aside = `${this.path}.${opened.kind}-${new Date(this.#now()).toISOString().replace(/[:.]/g, '-')}`;
    try {
      await rename(this.path, aside);
    } catch (error) {
      throw unreadable(this.path, error);
    }
    this.#log.error(
      { snapshot: this.path, aside, reason: opened.reason },
      `the snapshot of the sessions cannot be used: ${opened.reason}; it is kept as ${aside}, and limpet starts without it`,
    );
    return null;
  }

  async #fill(
    handle: FileHandle,
    describe: () => TableDescription,
    names: SessionNames,
    table: SessionTable,
    mayTakeTime: () => boolean,
  ): Promise<WriteCounts> {
    const start = Buffer.alloc(START_BYTES);
    start.write(MAGIC, 'latin1');
    start.writeUInt32LE(VERSION, MAGIC.length);
    start.writeUInt32LE(RECORD_BYTES, MAGIC.length + 4);
    let crc = crc32(start);
    let bytes = start.byteLength;
    await writeAll(handle, start);
    const writtenAt = this.#now();
    const encoder = new RecordEncoder(names);
    let leftOut = 0;
    let rows = 0;
    const chunks = copyTable(table, encoder, this.#now, ChangeReader.SNAPSHOT, () => leftOut++);
    for await (const chunk of chunks) {
      crc = crc32(chunk, crc);
      bytes += chunk.byteLength;
      rows += chunk.byteLength / RECORD_BYTES;
      await writeAll(handle, chunk);
      if (mayTakeTime()) await setTimeout(REST_MS);
    }
    const text = Buffer.from(JSON.stringify(written(describe(), encoder.list, encoder.lives, writtenAt)));
    const trailer = Buffer.alloc(TRAILER_BYTES);
    trailer.writeUInt32LE(rows, 0);
    trailer.writeUInt32LE(text.byteLength, 4);
    crc = crc32(trailer.subarray(0, 8), crc32(text, crc));
    trailer.writeUInt32LE(crc, 8);
    trailer.write(END, 12, 'latin1');
    await writeAll(handle, text);
    await writeAll(handle, trailer);
    return { rows, leftOut, bytes: bytes + text.byteLength + trailer.byteLength };
  }

  /** Takes away what processes that were killed in the midst of a write have left. */
  async #clear(): Promise<void> {
    const directory = dirname(this.path);
    const name = basename(this.path);
    for (const entry of await readdir(directory).catch(() => [])) {
      const pid = entry.startsWith(`${name}.`) ? /^(\d+)\.tmp$/.exec(entry.slice(name.length + 1))?.[1] : undefined;
      if (pid === undefined || (Number(pid) !== process.pid && isAlive(Number(pid)))) continue;
      await unlink(join(directory, entry)).catch(() => {});
    }
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.byteLength; )
    done += (await handle.write(bytes, done, bytes.byteLength - done)).bytesWritten;
}

/** The new name lasts only when the directory is on disk too. */
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, constants.O_RDONLY);
  try {
    await handle.sync();
  } catch (error) {
    // Some file systems know no such thing as the sync of a directory.
    if (!['EINVAL', 'ENOTSUP', 'EPERM'].includes(String((error as NodeJS.ErrnoException).code))) throw error;
  } finally {
    await handle.close();
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function unreadable(path: string, cause: unknown): StartError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new StartError(`sessions.snapshot: cannot read ${path}: ${reason}; make it readable or move it away`, {
    cause,
  });
}
