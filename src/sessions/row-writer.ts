import type { Key } from './key.ts';
import {
  BINDING,
  BINDING_HASH,
  bodyOf,
  CREATED,
  decodeIssued,
  ENDED,
  encodeIssued,
  ISSUED,
  KEY_B,
  KEY_C,
  KEY_D,
  LAST_SEEN,
  LIVE,
  MOVED,
  PENDING,
  PROVISIONAL,
  REQUESTS,
  STATE,
  tagOf,
  USER_HASH,
} from './row-layout.ts';
import { CHANGED, LEARNED, TOUCHED } from './row-marks.ts';
import type { RowRecord } from './row-record.ts';
import { type SessionTableMemory, tableOffsets } from './table-memory.ts';

/**
 * Changes the rows of a session table, and with them the counters of live sessions. The lock of the row's bucket must be held.
 *
 * A thread may be terminated in the midst of it. V8 looks for that when a function is entered, when a loop turns, and in the Atomics built-ins, and so every
 * method, once it has changed anything, is a run of plain reads and writes without call and loop: it happens whole or not at all, and the counters stay true to
 * the rows (for other threads the lock orders it all). Besides, the state of a row is zero while the rest of it is written anew: half-written, it would be free.
 */
export class RowWriter {
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;
  readonly #rows: number;
  /** See row-marks. */
  readonly #marks: Uint8Array | null;
  /** This thread's counters. */
  readonly #size: number;
  readonly #evictions: number;
  readonly #bySlot: number;
  readonly #byPool: number;

  /** @param owner id of this thread, from 1 to `memory.threads` */
  constructor(memory: SessionTableMemory, words: Int32Array, doubles: Float64Array, owner: number) {
    const at = tableOffsets(memory);
    this.#words = words;
    this.#doubles = doubles;
    this.#rows = at.rows;
    this.#marks = memory.marks === null ? null : new Uint8Array(memory.marks);
    this.#size = at.size + owner - 1;
    this.#evictions = at.evictions + owner - 1;
    this.#bySlot = at.counts + (owner - 1) * at.countsStride;
    this.#byPool = this.#bySlot + memory.slots;
  }

  /** Writes a new row, seen once, in place of what is there. `flags` as in row-layout; `lost` (0 or 1) is added to the evictions. */
  bind(
    row: number,
    key: Key,
    pool: number,
    slot: number,
    generation: number,
    by: number,
    flags: number,
    created: number,
    lastSeen: number,
    lost: number,
  ): void {
    const words = this.#words;
    const doubles = this.#doubles;
    const tag = tagOf(this.#rows, row);
    const body = bodyOf(this.#rows, row);
    const old = words[tag + STATE]!;
    if ((old & LIVE) !== 0) {
      words[this.#size]!--;
      words[this.#bySlot + (words[body + BINDING]! & 0xffff)]!--;
      words[this.#byPool + (old >>> 16)]!--;
    }
    words[tag + STATE] = 0;
    words[tag] = key.a;
    words[body + KEY_B] = key.b;
    words[body + KEY_C] = key.c;
    words[body + KEY_D] = key.d;
    words[body + BINDING] = slot | (generation << 16);
    words[body + REQUESTS] = 1;
    words[body + ISSUED] = 0;
    doubles[(body + CREATED) >> 1] = created;
    doubles[(body + LAST_SEEN) >> 1] = lastSeen;
    words[body + MOVED] = 0;
    words[body + BINDING_HASH] = 0;
    words[body + USER_HASH] = 0;
    words[body + USER_HASH + 1] = 0;
    words[tag + STATE] = flags | (by << 8) | (pool << 16);
    if ((flags & LIVE) !== 0) {
      words[this.#size]!++;
      words[this.#bySlot + slot]!++;
      words[this.#byPool + pool]!++;
    }
    words[this.#evictions]! += lost;
    if (this.#marks !== null) this.#marks[row] = CHANGED;
  }

  /** Writes all that another process has of a session in place of what is there; `lost` (0 or 1) is added to the evictions. */
  put(row: number, record: RowRecord, lost: number): void {
    const words = this.#words;
    const doubles = this.#doubles;
    const tag = tagOf(this.#rows, row);
    const body = bodyOf(this.#rows, row);
    const { key, pool, backend, created } = record;
    const issued = record.issued === 0 ? 0 : encodeIssued(record.issued - created);
    const flags = record.ended ? ENDED : LIVE | (record.provisional ? PROVISIONAL : 0) | (record.pending ? PENDING : 0);
    const old = words[tag + STATE]!;
    if ((old & LIVE) !== 0) {
      words[this.#size]!--;
      words[this.#bySlot + (words[body + BINDING]! & 0xffff)]!--;
      words[this.#byPool + (old >>> 16)]!--;
    }
    words[tag + STATE] = 0;
    words[tag] = key.a;
    words[body + KEY_B] = key.b;
    words[body + KEY_C] = key.c;
    words[body + KEY_D] = key.d;
    words[body + BINDING] = backend | (record.generation << 16);
    words[body + REQUESTS] = record.requests;
    words[body + ISSUED] = issued;
    doubles[(body + CREATED) >> 1] = created;
    doubles[(body + LAST_SEEN) >> 1] = record.lastSeen;
    words[body + MOVED] = (record.movedFrom + 1) | (record.movedReason << 16) | (record.moves << 24);
    words[body + BINDING_HASH] = record.bindingHash;
    words[body + USER_HASH] = record.userA;
    words[body + USER_HASH + 1] = record.userB;
    words[tag + STATE] = flags | (record.by << 8) | (pool << 16);
    if ((flags & LIVE) !== 0) {
      words[this.#size]!++;
      words[this.#bySlot + backend]!++;
      words[this.#byPool + pool]!++;
    }
    words[this.#evictions]! += lost;
    if (this.#marks !== null) this.#marks[row]! |= LEARNED;
  }

  /** Frees the row. */
  free(row: number): void {
    const words = this.#words;
    const tag = tagOf(this.#rows, row);
    const slot = words[bodyOf(this.#rows, row) + BINDING]! & 0xffff;
    const old = words[tag + STATE]!;
    words[tag + STATE] = 0;
    if ((old & LIVE) !== 0) {
      words[this.#size]!--;
      words[this.#bySlot + slot]!--;
      words[this.#byPool + (old >>> 16)]!--;
    }
  }

  /** Makes a row that is not free a tombstone that stands until then; a tombstone that stands longer already stays as it is. */
  entomb(row: number, until: number): void {
    const words = this.#words;
    const doubles = this.#doubles;
    const tag = tagOf(this.#rows, row);
    const body = bodyOf(this.#rows, row);
    const lastSeen = (body + LAST_SEEN) >> 1;
    const old = words[tag + STATE]!;
    if ((old & LIVE) !== 0) {
      words[tag + STATE] = (old & ~(LIVE | PROVISIONAL | PENDING)) | ENDED;
      doubles[lastSeen] = until;
      words[this.#size]!--;
      words[this.#bySlot + (words[body + BINDING]! & 0xffff)]!--;
      words[this.#byPool + (old >>> 16)]!--;
    } else if (doubles[lastSeen]! < until) {
      doubles[lastSeen] = until;
    }
    if (this.#marks !== null) this.#marks[row] = CHANGED;
  }

  /**
   * Binds a live row to another backend. While no backend has answered it, the session has no state anywhere: such a move is not counted, and there is nothing
   * to tell the application.
   */
  move(row: number, slot: number, generation: number, reason: number): void {
    const words = this.#words;
    const body = bodyOf(this.#rows, row);
    const from = words[body + BINDING]! & 0xffff;
    const moved = words[body + MOVED]!;
    const moves = moved >>> 24;
    // Moved again before the first move was told: the state is where it was before both. Back there, there is nothing left to tell.
    const origin = (moved & 0xffff) === 0 ? from + 1 : moved & 0xffff;
    const notice = origin === slot + 1 && from !== slot ? 0 : origin | (reason << 16);
    if ((words[tagOf(this.#rows, row) + STATE]! & PROVISIONAL) === 0) {
      words[body + MOVED] = notice | ((moves < 255 ? moves + 1 : 255) << 24);
    }
    words[body + BINDING] = slot | (generation << 16);
    words[this.#bySlot + from]!--;
    words[this.#bySlot + slot]!++;
    if (this.#marks !== null) this.#marks[row] = CHANGED;
  }

  /** What the shared store says of a live row, which is pending no more then. What the application has yet to be told of a move stays. */
  agree(row: number, slot: number, generation: number, created: number, moves: number, confirmed: boolean): void {
    const words = this.#words;
    const tag = tagOf(this.#rows, row);
    const body = bodyOf(this.#rows, row);
    const from = words[body + BINDING]! & 0xffff;
    // When the cookie was sent is kept as a time after the beginning, which this changes.
    const elapsed = decodeIssued(words[body + ISSUED]!);
    const issued = elapsed < 0 ? 0 : encodeIssued(this.#doubles[(body + CREATED) >> 1]! + elapsed - created);
    words[body + ISSUED] = issued;
    words[body + BINDING] = slot | (generation << 16);
    this.#doubles[(body + CREATED) >> 1] = created;
    words[body + MOVED] = (words[body + MOVED]! & 0x00ffffff) | (moves << 24);
    words[tag + STATE] = words[tag + STATE]! & (confirmed ? ~(PENDING | PROVISIONAL) : ~PENDING);
    words[this.#bySlot + from]!--;
    words[this.#bySlot + slot]!++;
    if (this.#marks !== null) this.#marks[row]! |= LEARNED;
  }

  /** The shared store cannot be asked whose a live row is: it is ours until it can. */
  stand(row: number): void {
    const tag = tagOf(this.#rows, row);
    this.#words[tag + STATE] = this.#words[tag + STATE]! & ~PENDING;
    if (this.#marks !== null) this.#marks[row] = CHANGED;
  }

  /** A backend has answered: the row is there to stay, and its move has been told. */
  confirm(row: number, now: number): void {
    const words = this.#words;
    const tag = tagOf(this.#rows, row);
    const body = bodyOf(this.#rows, row);
    const lastSeen = (body + LAST_SEEN) >> 1;
    words[body + MOVED]! &= 0xff000000;
    if (this.#doubles[lastSeen]! < now) this.#doubles[lastSeen] = now;
    words[tag + STATE] = words[tag + STATE]! & ~PROVISIONAL;
    if (this.#marks !== null) this.#marks[row] = CHANGED;
  }

  /** Counts a request of a live row. */
  touch(row: number, now: number): void {
    const words = this.#words;
    const body = bodyOf(this.#rows, row);
    // Full, 2^32 - 1, is -1 as a signed word.
    if (words[body + REQUESTS] !== -1) words[body + REQUESTS]!++;
    this.#doubles[(body + LAST_SEEN) >> 1] = now;
    if (this.#doubles[(body + CREATED) >> 1]! > now) this.#doubles[(body + CREATED) >> 1] = now;
    if (this.#marks !== null) this.#marks[row]! |= TOUCHED;
  }

  /** Times of a live row that lie ahead were written by a clock that has been set back since: they count from now on. */
  settle(row: number, now: number): void {
    const body = bodyOf(this.#rows, row);
    if (this.#doubles[(body + LAST_SEEN) >> 1]! > now) this.#doubles[(body + LAST_SEEN) >> 1] = now;
    if (this.#doubles[(body + CREATED) >> 1]! > now) this.#doubles[(body + CREATED) >> 1] = now;
  }

  /** Notes that its cookie was sent. */
  setIssued(row: number, now: number): void {
    const body = bodyOf(this.#rows, row);
    const word = encodeIssued(now - this.#doubles[(body + CREATED) >> 1]!);
    this.#words[body + ISSUED] = word;
    if (this.#marks !== null) this.#marks[row] = CHANGED;
  }
}
