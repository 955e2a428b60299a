import type { Key } from '../../keys/key.ts';
import { MoveReason, RETURNS } from './move-reasons.ts';
import { CHANGED, LEARNED, TOUCHED } from './row-changes.ts';
import {
  BINDING,
  BINDING_HASH,
  bodyOf,
  CLAIMED,
  CREATED,
  decodeIssued,
  ENDED,
  encodeIssued,
  ISSUED,
  JOINED,
  JOINED_A,
  JOINED_B,
  JOINED_C,
  JOINED_D,
  KEY_B,
  KEY_C,
  KEY_D,
  LAST_SEEN,
  LIVE,
  MOVE_NOTICE,
  MOVE_TOLD,
  MOVED,
  PENDING,
  PROVISIONAL,
  REQUESTS,
  ROTATED,
  ROTATED_AT,
  STATE,
  SUCCESSOR_A,
  SUCCESSOR_B,
  SUCCESSOR_C,
  SUCCESSOR_D,
  tagOf,
  USER_HASH,
} from './row-layout.ts';
import type { RowRecord } from './row-record.ts';
import { type SessionTableMemory, tableOffsets } from './table-memory.ts';

/** The part of MOVED that has bits of a generation. */
const GENERATION = 7 << 21;
/** Moves with a reason up to this one are made by a request, which tells of them itself. */
const LAST_BY_TRAFFIC = MoveReason.removed;

/**
 * Changes the rows of a session table, and with them the counters of live sessions. The lock of the row's bucket must
 * be held.
 *
 * A thread may be terminated in the midst of it. V8 looks for that when a function is entered, when a loop turns, and
 * in the Atomics built-ins, and so every method, once it has changed anything, is a run of plain reads and writes
 * without call and loop: it happens whole or not at all, and the counters stay true to the rows (for other threads the
 * lock orders it all). Besides, the state of a row is zero while the rest of it is written anew: half-written, it would
 * be free.
 */
export class RowWriter {
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;
  readonly #rows: number;
  /** See row-changes. */
  readonly #changes: Uint8Array | null;
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
    this.#changes = memory.changes === null ? null : new Uint8Array(memory.changes);
    this.#size = at.size + owner - 1;
    this.#evictions = at.evictions + owner - 1;
    this.#bySlot = at.counts + (owner - 1) * at.countsStride;
    this.#byPool = this.#bySlot + memory.slots;
  }

  /**
   * Writes a new row, seen once, in place of what is there. `flags` as in row-layout; `lost` (0 or 1) is added to the
   * evictions.
   */
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
    if (this.#changes !== null) this.#changes[row] = CHANGED;
  }

  /**
   * Writes all that another process has of a session in place of what is there; `lost` (0 or 1) is added to the
   * evictions.
   */
  put(row: number, record: RowRecord, lost: number): void {
    const words = this.#words;
    const doubles = this.#doubles;
    const tag = tagOf(this.#rows, row);
    const body = bodyOf(this.#rows, row);
    const { key, pool, backend, created } = record;
    const issued = record.issued === 0 ? 0 : encodeIssued(record.issued - created);
    const place = record.movedFrom >= 0 ? record.movedFrom : record.failbackTo;
    const told = record.movedFrom < 0 && record.failbackTo >= 0 ? MOVE_TOLD : 0;
    const moved =
      (place + 1) | (record.movedReason << 16) | told | (record.failbackGeneration << 21) | (record.moves << 24);
    const { joined, session } = record;
    const state = joined ? JOINED : LIVE | (record.provisional ? PROVISIONAL : 0) | (record.pending ? PENDING : 0);
    const flags = record.ended ? ENDED : state;
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
    words[body + MOVED] = moved;
    words[body + BINDING_HASH] = record.bindingHash;
    words[body + USER_HASH] = record.userA;
    words[body + USER_HASH + 1] = record.userB;
    if ((flags & JOINED) !== 0) {
      words[body + JOINED_A] = session.a;
      words[body + JOINED_B] = session.b;
      words[body + JOINED_C] = session.c;
      words[body + JOINED_D] = session.d;
    }
    words[tag + STATE] = flags | (record.by << 8) | (pool << 16);
    if ((flags & LIVE) !== 0) {
      words[this.#size]!++;
      words[this.#bySlot + backend]!++;
      words[this.#byPool + pool]!++;
    }
    words[this.#evictions]! += lost;
    if (this.#changes !== null) this.#changes[row]! |= LEARNED;
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

  /**
   * Makes a row that is not free a tombstone that stands until then; a tombstone that stands longer already stays as it
   * is.
   */
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
    } else if ((old & JOINED) !== 0) {
      words[tag + STATE] = (old & ~JOINED) | ENDED;
      doubles[lastSeen] = until;
    } else if (doubles[lastSeen]! < until) {
      doubles[lastSeen] = until;
    }
    if (this.#changes !== null) this.#changes[row] = CHANGED;
  }

  /**
   * Binds a live row to another backend. While no backend has answered it, the session has no state anywhere: such a
   * move is not counted, and there is nothing to tell the application.
   */
  move(row: number, slot: number, generation: number, reason: number): void {
    const words = this.#words;
    const body = bodyOf(this.#rows, row);
    const binding = words[body + BINDING]!;
    const from = binding & 0xffff;
    const moved = words[body + MOVED]!;
    const moves = moved >>> 24;
    const known = moved & 0xffff;
    let notice = (from + 1) | (reason << 16) | (((binding >>> 16) & 7) << 21);
    // Moved again before the first move was told: the state is where it was before both.
    if (known !== 0 && (moved & MOVE_TOLD) === 0) notice = known | (reason << 16) | (moved & GENERATION);
    // By the next failover: it may still go back to the first place, and the request that moves it tells of this one.
    else if (known !== 0 && reason <= LAST_BY_TRAFFIC) notice = moved & MOVE_NOTICE;
    // Back where it was there is nothing left to tell, save of a return that another request may have to tell.
    if ((notice & 0xffff) === slot + 1 && from !== slot) notice = 0;
    if ((words[tagOf(this.#rows, row) + STATE]! & PROVISIONAL) === 0) {
      words[body + MOVED] = notice | ((moves < 255 ? moves + 1 : 255) << 24);
    }
    words[body + BINDING] = slot | (generation << 16);
    words[this.#bySlot + from]!--;
    words[this.#bySlot + slot]!++;
    if (this.#changes !== null) this.#changes[row] = CHANGED;
  }

  /**
   * What the shared store says of a live row, which is pending no more then. What the application has yet to be told of
   * a move stays.
   */
  writeStoreAnswer(
    row: number,
    slot: number,
    generation: number,
    created: number,
    moves: number,
    confirmed: boolean,
  ): void {
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
    if (this.#changes !== null) this.#changes[row]! |= LEARNED;
  }

  /** The shared store cannot be asked whose a live row is: it is ours until it can. */
  clearPending(row: number): void {
    const tag = tagOf(this.#rows, row);
    this.#words[tag + STATE] = this.#words[tag + STATE]! & ~PENDING;
    if (this.#changes !== null) this.#changes[row] = CHANGED;
  }

  /** A backend has answered: the row is there to stay, and its move has been told. */
  confirm(row: number, now: number): void {
    const words = this.#words;
    const tag = tagOf(this.#rows, row);
    const body = bodyOf(this.#rows, row);
    const lastSeen = (body + LAST_SEEN) >> 1;
    const moved = words[body + MOVED]!;
    words[body + MOVED] =
      RETURNS[(moved >>> 16) & 15] === 1 && (moved & 0xffff) !== 0 ? moved | MOVE_TOLD : moved & ~MOVE_NOTICE;
    if (this.#doubles[lastSeen]! < now) this.#doubles[lastSeen] = now;
    words[tag + STATE] = words[tag + STATE]! & ~(PROVISIONAL | CLAIMED);
    if (this.#changes !== null) this.#changes[row] = CHANGED;
  }

  /** A live row is bound to this life of its backend, see BackendLife. `confirm` or another change comes with it. */
  restamp(row: number, stamp: number): void {
    const at = bodyOf(this.#rows, row) + BINDING;
    this.#words[at] = (this.#words[at]! & 0xffff) | (stamp << 16);
  }

  /** Notes what a live row is bound to besides its backend. */
  setBinding(row: number, hash: number): void {
    this.#words[bodyOf(this.#rows, row) + BINDING_HASH] = hash;
    if (this.#changes !== null) this.#changes[row] = CHANGED;
  }

  /** Notes whose session a live row is. */
  setUser(row: number, a: number, b: number): void {
    const body = bodyOf(this.#rows, row);
    this.#words[body + USER_HASH] = a;
    this.#words[body + USER_HASH + 1] = b;
    if (this.#changes !== null) this.#changes[row] = CHANGED;
  }

  /** Makes a live row a tombstone that knows under which key the session goes on. */
  supersede(row: number, successor: Key, until: number, now: number): void {
    const words = this.#words;
    const doubles = this.#doubles;
    const tag = tagOf(this.#rows, row);
    const body = bodyOf(this.#rows, row);
    const old = words[tag + STATE]!;
    const slot = words[body + BINDING]! & 0xffff;
    words[tag + STATE] = (old & ~(LIVE | PROVISIONAL | PENDING)) | ENDED | ROTATED;
    doubles[(body + LAST_SEEN) >> 1] = until;
    words[body + SUCCESSOR_A] = successor.a;
    words[body + SUCCESSOR_B] = successor.b;
    words[body + SUCCESSOR_C] = successor.c;
    words[body + SUCCESSOR_D] = successor.d;
    doubles[(body + ROTATED_AT) >> 1] = now;
    words[this.#size]!--;
    words[this.#bySlot + slot]!--;
    words[this.#byPool + (old >>> 16)]!--;
    if (this.#changes !== null) this.#changes[row] = CHANGED;
  }

  /** It was claimed by another process before, and seen there last. */
  clearClaimed(row: number, seen: number): void {
    const tag = tagOf(this.#rows, row);
    const lastSeen = (bodyOf(this.#rows, row) + LAST_SEEN) >> 1;
    if (this.#doubles[lastSeen]! > seen) this.#doubles[lastSeen] = seen;
    this.#words[tag + STATE] = this.#words[tag + STATE]! & ~CLAIMED;
  }

  /** Counts a request of a live row. */
  touch(row: number, now: number): void {
    const words = this.#words;
    const body = bodyOf(this.#rows, row);
    // Full, 2^32 - 1, is -1 as a signed word.
    if (words[body + REQUESTS] !== -1) words[body + REQUESTS]!++;
    this.#doubles[(body + LAST_SEEN) >> 1] = now;
    if (this.#doubles[(body + CREATED) >> 1]! > now) this.#doubles[(body + CREATED) >> 1] = now;
    if (this.#changes !== null) this.#changes[row]! |= TOUCHED;
  }

  /** Marks a row as changed here. */
  change(row: number): void {
    if (this.#changes !== null) this.#changes[row] = CHANGED;
  }

  /** Notes that a live row was seen, without a request. */
  see(row: number, now: number): void {
    const lastSeen = (bodyOf(this.#rows, row) + LAST_SEEN) >> 1;
    if (this.#doubles[lastSeen]! < now) this.#doubles[lastSeen] = now;
    if (this.#changes !== null) this.#changes[row]! |= TOUCHED;
  }

  /**
   * Times of a live row that lie ahead were written by a clock that has been set back since: they count from now on.
   */
  clampTimes(row: number, now: number): void {
    const body = bodyOf(this.#rows, row);
    if (this.#doubles[(body + LAST_SEEN) >> 1]! > now) this.#doubles[(body + LAST_SEEN) >> 1] = now;
    if (this.#doubles[(body + CREATED) >> 1]! > now) this.#doubles[(body + CREATED) >> 1] = now;
  }

  /** Notes when its cookie was sent; 0: never. */
  setIssued(row: number, now: number): void {
    const body = bodyOf(this.#rows, row);
    const word = now === 0 ? 0 : encodeIssued(now - this.#doubles[(body + CREATED) >> 1]!);
    this.#words[body + ISSUED] = word;
    if (this.#changes !== null) this.#changes[row] = CHANGED;
  }
}
