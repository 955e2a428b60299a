import { readFileSync, statfsSync } from 'node:fs';
import { RECORD_BYTES } from '../../src/sessions/persistence/snapshot-record.ts';
import { SessionTable } from '../../src/sessions/table/table.ts';
import { BenchError } from '../bench-error.ts';

/** A row in the table that a snapshot is made from, which has room to spare. */
const ROW_BYTES = 110;
/** All processes besides the large table. */
const PROCESSES_BYTES = 1.5 * 2 ** 30;
/** The first one, the one that was last written, and the one that is being written. */
const SNAPSHOTS = 3;
const TMPFS = 0x01021994;

/**
 * Throws a BenchError when so many sessions do not fit into one table, into the memory that is free, or their snapshots
 * into the folder.
 */
export function assertRoom(sessions: number, directory: string): void {
  try {
    SessionTable.allocate(Math.ceil(sessions * 1.2), 1, 4, 1, true);
  } catch (cause) {
    throw new BenchError(`--sessions ${sessions}: ${(cause as Error).message}`, { cause });
  }
  const files = SNAPSHOTS * sessions * RECORD_BYTES + 2 ** 26;
  const { type, bavail, bsize } = statfsSync(directory);
  const disk = bavail * bsize;
  if (disk < files) {
    throw new BenchError(
      `--sessions ${sessions} needs ${size(files)} on the disk of ${directory}, where ${size(disk)} are free: set TMPDIR to a folder on another one, or take fewer`,
    );
  }
  const needed = sessions * ROW_BYTES + PROCESSES_BYTES + (type === TMPFS ? files : 0);
  const available = Number(/^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]) * 1024;
  if (available < needed) {
    const why = type === TMPFS ? ` (its snapshots included: ${directory} is in memory, set TMPDIR to a disk)` : '';
    throw new BenchError(
      `--sessions ${sessions} needs ${size(needed)} of memory${why}, of which ${size(available)} are available: take fewer`,
    );
  }
}

function size(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}
