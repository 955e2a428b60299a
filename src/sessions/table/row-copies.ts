import type { RowAccess } from './row-access.ts';
import { bitsFrom, bitsOf, ChangeReader } from './row-changes.ts';
import { BUCKET_ROWS, MINTED } from './row-layout.ts';
import { RowRecord } from './row-record.ts';
import type { SessionTableMemory } from './table-memory.ts';

const READERS = Object.keys(ChangeReader).length;

/**
 * Scratch of this thread: a bucket is copied under its lock and shown after, so that nobody waits for whoever looks at
 * it.
 */
const copies = Array.from({ length: BUCKET_ROWS }, () => new RowRecord());

/** Copies rows of a session table for other processes: all of them, or those that have changed since. */
export class RowCopies {
  readonly #access: RowAccess;
  readonly #buckets: number;
  readonly #changes: Uint8Array | null;
  /** The same, four rows a word. */
  readonly #words: Int32Array | null;
  /** Where each reader goes on. */
  readonly #next = new Int32Array(READERS);
  /** Up to where each reader has seen the ends of sessions, see Tombstones. */
  readonly #seen = new Float64Array(READERS);
  readonly #ended = new RowRecord();

  constructor(access: RowAccess, memory: SessionTableMemory) {
    this.#access = access;
    this.#buckets = memory.buckets;
    this.#changes = memory.changes === null ? null : new Uint8Array(memory.changes);
    this.#words = memory.changes === null ? null : new Int32Array(memory.changes);
  }

  /** See SessionTable.copy. */
  copy(first: number, count: number, visit: (record: RowRecord) => void, now: number, clears?: ChangeReader): number {
    const { rows } = this.#access;
    const end = Math.min(first + count, this.#buckets);
    const cleared = clears === undefined || this.#changes === null ? 0 : bitsOf(clears);
    if (clears !== undefined && first === 0) this.#seen[clears] = this.#access.tombstones.added;
    for (let bucket = first; bucket < end; bucket++) {
      if (this.#empty(bucket) && (cleared === 0 || !this.#hasChanged(bucket, cleared))) continue;
      if (!this.#lock(bucket)) return bucket - first;
      let found = 0;
      for (let row = bucket * BUCKET_ROWS; row < (bucket + 1) * BUCKET_ROWS; row++) {
        if (cleared !== 0) this.#changes![row]! &= ~cleared;
        if (rows.isFree(row)) continue;
        const copy = copies[found]!;
        rows.readRecord(row, copy);
        if (!rows.isOver(copy, now) && !isKeptAside(copy)) found++;
      }
      this.#access.unlock(bucket);
      for (let n = 0; n < found; n++) visit(copies[n]!);
    }
    return Math.max(0, end - first);
  }

  /** See SessionTable.takeChanged. */
  takeChanged(least: 1 | 2, limit: number, visit: (record: RowRecord) => void, reader: ChangeReader): number {
    const changes = this.#required();
    const { rows } = this.#access;
    const wanted = bitsFrom(reader, least);
    const kept = ~bitsOf(reader);
    let visited = 0;
    for (let n = 0; n < this.#buckets; n++) {
      const bucket = this.#next[reader]!;
      if (this.#hasChanged(bucket, wanted)) {
        if (!this.#lock(bucket)) return visited;
        let found = 0;
        let more = false;
        for (let row = bucket * BUCKET_ROWS; row < (bucket + 1) * BUCKET_ROWS; row++) {
          if ((changes[row]! & wanted) === 0) continue;
          if (!rows.isFree(row) && visited + found === limit) {
            more = true;
            break;
          }
          changes[row]! &= kept;
          if (rows.isFree(row)) continue;
          rows.readRecord(row, copies[found]!);
          if (!isKeptAside(copies[found]!)) found++;
        }
        this.#access.unlock(bucket);
        for (let i = 0; i < found; i++) visit(copies[i]!);
        visited += found;
        if (more) return visited;
      }
      this.#next[reader] = bucket + 1 < this.#buckets ? bucket + 1 : 0;
      if (visited === limit) return visited;
    }
    return visited + this.#takeEnded(limit - visited, visit, reader);
  }

  /** The ends that were added since this reader was here: one that has lost its row meanwhile is told all the same. */
  #takeEnded(limit: number, visit: (record: RowRecord) => void, reader: ChangeReader): number {
    const { tombstones } = this.#access;
    // Who takes over is told all; the store, and the process that was taken over from, told us of the others
    // themselves.
    const own = reader !== ChangeReader.HANDOVER;
    let visited = 0;
    this.#seen[reader] = tombstones.visit(this.#seen[reader]!, limit, 0, own, this.#ended, (record) => {
      visited++;
      visit(record);
    });
    return this.#seen[reader] < tombstones.added ? limit : visited;
  }

  /** See SessionTable.copyEnded. */
  copyEnded(from: number, limit: number, visit: (record: RowRecord) => void, now: number): number {
    const { tombstones } = this.#access;
    const next = tombstones.visit(from, limit, now, false, this.#ended, visit);
    return next < tombstones.added ? next : -1;
  }

  /** See SessionTable.changeAll. */
  changeAll(reader: ChangeReader): void {
    const changes = this.#required();
    this.#seen[reader] = 0;
    const bits = bitsOf(reader);
    for (let bucket = 0; bucket < this.#buckets; bucket++) {
      if (this.#empty(bucket)) continue;
      this.#access.lock(bucket);
      for (let row = bucket * BUCKET_ROWS; row < (bucket + 1) * BUCKET_ROWS; row++)
        if (!this.#access.rows.isFree(row)) changes[row]! |= bits;
      this.#access.unlock(bucket);
    }
  }

  /** See SessionTable.hasMarked. */
  hasMarked(reader: ChangeReader): boolean {
    const words = this.#words;
    if (words === null || this.#seen[reader]! < this.#access.tombstones.added) return true;
    const wanted = fourTimes(bitsOf(reader));
    for (let at = 0; at < words.length; at++) if ((words[at]! & wanted) !== 0) return true;
    return false;
  }

  /** Without the lock, as the next one: a hint. */
  #empty(bucket: number): boolean {
    for (let row = bucket * BUCKET_ROWS; row < (bucket + 1) * BUCKET_ROWS; row++)
      if (!this.#access.rows.isFree(row)) return false;
    return true;
  }

  #hasChanged(bucket: number, wanted: number): boolean {
    const words = this.#words!;
    return ((words[bucket * 2]! | words[bucket * 2 + 1]!) & fourTimes(wanted)) !== 0;
  }

  /**
   * False: a thread that died has it still. It is free again as soon as that has been cleared away, which needs this
   * thread.
   */
  #lock(bucket: number): boolean {
    try {
      this.#access.lock(bucket);
      return true;
    } catch (error) {
      if ((error as { code?: unknown }).code === 'SESSION_TABLE_BUSY') return false;
      throw error;
    }
  }

  #required(): Uint8Array {
    if (this.#changes === null) throw new Error('this session table was allocated without change tracking');
    return this.#changes;
  }
}

/** A tombstone of which Tombstones knows as well. */
function isKeptAside({ ended, by }: RowRecord): boolean {
  return ended && by === MINTED;
}

/** A byte in each of the four bytes of a word. */
function fourTimes(byte: number): number {
  return Math.imul(byte, 0x01010101);
}
