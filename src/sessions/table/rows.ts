import type { Key } from '../../keys/key.ts';
import { isBoundElsewhere } from './binding.ts';
import { Lookup } from './lookup.ts';
import { RETURNS } from './move-reasons.ts';
import type { Row } from './row.ts';
import {
  BINDING,
  BINDING_HASH,
  BUCKET_ROWS,
  bodyOf,
  CLAIMED,
  CREATED,
  decodeIssued,
  ENDED,
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

/** Makes a hash word a number from 0 to below 1. */
const SCALE = 2 ** -32;

/**
 * Reads the rows of a session table. A row is named by its number: bucket x 8 + place. Locks are the caller's matter:
 * everything that takes a row number wants the lock of its bucket held, except `isFree`.
 */
export class Rows {
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;
  /** Word at which the first bucket begins. */
  readonly #base: number;
  /** Double at which the limits of the pools begin. */
  readonly #limits: number;
  readonly #buckets: number;
  readonly #firstScale: number;
  readonly #secondScale: number;

  constructor(memory: SessionTableMemory, words: Int32Array, doubles: Float64Array) {
    const offsets = tableOffsets(memory);
    this.#words = words;
    this.#doubles = doubles;
    this.#base = offsets.rows;
    this.#limits = offsets.limits >> 1;
    this.#buckets = memory.buckets;
    this.#firstScale = memory.buckets * SCALE;
    this.#secondScale = (memory.buckets - 1) * SCALE;
  }

  /**
   * First of the two buckets that may hold a key. For any number of buckets: the product, however it is rounded, stays
   * below that number.
   */
  firstBucket(key: Key): number {
    return ((key.c >>> 0) * this.#firstScale) | 0;
  }

  /** The second one: any bucket but the first, chosen by another part of the key. */
  secondBucket(key: Key, first: number): number {
    const second = first + 1 + (((key.d >>> 0) * this.#secondScale) | 0);
    return second < this.#buckets ? second : second - this.#buckets;
  }

  /**
   * The row of this bucket that has the key, or -1. Without the lock it is a hint: verify with `holds` under the lock.
   */
  find(bucket: number, key: Key): number {
    const words = this.#words;
    const first = bucket * BUCKET_ROWS;
    const tag = tagOf(this.#base, first);
    const a = key.a;
    for (let place = 0; place < BUCKET_ROWS; place++) {
      if (words[tag + place] === a && this.holds(first + place, key)) return first + place;
    }
    return -1;
  }

  /** Whether the row has this key. */
  holds(row: number, key: Key): boolean {
    const words = this.#words;
    const tag = tagOf(this.#base, row);
    const body = bodyOf(this.#base, row);
    return (
      words[tag + STATE] !== 0 &&
      words[tag] === key.a &&
      words[body + KEY_B] === key.b &&
      words[body + KEY_C] === key.c &&
      words[body + KEY_D] === key.d
    );
  }

  /** Without the lock it is a hint. */
  isFree(row: number): boolean {
    return this.#words[tagOf(this.#base, row) + STATE] === 0;
  }

  /** Whether it is a session, expired or not. */
  isLive(row: number): boolean {
    return (this.#words[tagOf(this.#base, row) + STATE]! & LIVE) !== 0;
  }

  isProvisional(row: number): boolean {
    return (this.#words[tagOf(this.#base, row) + STATE]! & PROVISIONAL) !== 0;
  }

  /** Whether it was claimed in this process and no backend has answered it yet. */
  isOwnClaim(row: number): boolean {
    const both = PROVISIONAL | CLAIMED;
    return (this.#words[tagOf(this.#base, row) + STATE]! & both) === both;
  }

  poolOf(row: number): number {
    return this.#words[tagOf(this.#base, row) + STATE]! >>> 16;
  }

  /** Index into KEY_SOURCES. */
  sourceOf(row: number): number {
    return (this.#words[tagOf(this.#base, row) + STATE]! >>> 8) & 0xff;
  }

  /** How many requests a live row has had, up to 2^32 - 1. */
  requestsOf(row: number): number {
    return this.#words[bodyOf(this.#base, row) + REQUESTS]! >>> 0;
  }

  /** When a tombstone was left by a rotation, ms since epoch; 0: it was not. */
  rotatedAt(row: number): number {
    if ((this.#words[tagOf(this.#base, row) + STATE]! & ROTATED) === 0) return 0;
    return this.#doubles[(bodyOf(this.#base, row) + ROTATED_AT) >> 1]!;
  }

  /** Slot of the backend. */
  slotOf(row: number): number {
    return this.#words[bodyOf(this.#base, row) + BINDING]! & 0xffff;
  }

  generationOf(row: number): number {
    return this.#words[bodyOf(this.#base, row) + BINDING]! >>> 16;
  }

  /** When it was last seen; of a tombstone, until when it stands. */
  lastSeenOf(row: number): number {
    return this.#doubles[(bodyOf(this.#base, row) + LAST_SEEN) >> 1]!;
  }

  /** What the row is at `now` under the limits set for its pool. */
  judge(row: number, now: number): Lookup {
    const limits = this.#limits + this.poolOf(row) * 2;
    return this.judgeBy(row, now, this.#doubles[limits]!, this.#doubles[limits + 1]!);
  }

  /**
   * What the row is at `now` under these limits, ms; a limit of 0 or Infinity is none. Over both: the one that it
   * passed first. By a clock that was set back no time has passed.
   */
  judgeBy(row: number, now: number, idle: number, lifetime: number): Lookup {
    const state = this.#words[tagOf(this.#base, row) + STATE]!;
    if (state === 0) return Lookup.NONE;
    const body = bodyOf(this.#base, row);
    const lastSeen = this.#doubles[(body + LAST_SEEN) >> 1]!;
    if ((state & ENDED) !== 0) return lastSeen > now ? Lookup.ENDED : Lookup.NONE;
    const created = this.#doubles[(body + CREATED) >> 1]!;
    const idleOver = idle > 0 && now - lastSeen >= idle;
    const lifetimeOver = lifetime > 0 && now - created >= lifetime;
    if (idleOver && !(lifetimeOver && created + lifetime <= lastSeen + idle)) return Lookup.IDLE_EXPIRED;
    if (lifetimeOver) return Lookup.LIFETIME_EXPIRED;
    return (state & JOINED) === 0 ? Lookup.LIVE : Lookup.JOINED;
  }

  /** Copies every field of the row, save `state`. */
  read(row: number, into: Row): void {
    const words = this.#words;
    const state = words[tagOf(this.#base, row) + STATE]!;
    const body = bodyOf(this.#base, row);
    const binding = words[body + BINDING]!;
    const moved = words[body + MOVED]!;
    const created = this.#doubles[(body + CREATED) >> 1]!;
    const issued = decodeIssued(words[body + ISSUED]!);
    into.at = row;
    into.pool = state >>> 16;
    into.backend = binding & 0xffff;
    into.generation = binding >>> 16;
    into.created = created;
    into.lastSeen = this.#doubles[(body + LAST_SEEN) >> 1]!;
    into.issued = issued < 0 ? 0 : created + issued;
    into.requests = words[body + REQUESTS]! >>> 0;
    into.moves = moved >>> 24;
    into.by = (state >>> 8) & 0xff;
    into.provisional = (state & PROVISIONAL) !== 0;
    into.pending = (state & PENDING) !== 0;
    into.movedFrom = (moved & MOVE_TOLD) === 0 ? (moved & 0xffff) - 1 : -1;
    into.movedReason = (moved >>> 16) & 15;
    into.failbackTo = RETURNS[(moved >>> 16) & 15] === 1 ? (moved & 0xffff) - 1 : -1;
    into.failbackGeneration = (moved >>> 21) & 7;
    into.binding = words[body + BINDING_HASH]! >>> 0;
    into.userA = words[body + USER_HASH]!;
    into.userB = words[body + USER_HASH + 1]!;
    into.joined = false;
  }

  /** Copies the key of the session that a JOINED row is another name of. */
  readLink(row: number, into: Key): void {
    const words = this.#words;
    const body = bodyOf(this.#base, row);
    into.set(words[body + JOINED_A]!, words[body + JOINED_B]!, words[body + JOINED_C]!, words[body + JOINED_D]!);
  }

  /** Whether it is another name of a session. */
  isJoined(row: number): boolean {
    return (this.#words[tagOf(this.#base, row) + STATE]! & JOINED) !== 0;
  }

  /** When it began, ms since epoch. */
  createdOf(row: number): number {
    return this.#doubles[(bodyOf(this.#base, row) + CREATED) >> 1]!;
  }

  /** Hash of what a session is bound to, u32; 0: nothing. */
  bindingOf(row: number): number {
    return this.#words[bodyOf(this.#base, row) + BINDING_HASH]! >>> 0;
  }

  /** Whether a session is bound to something else than this. */
  isForeign(row: number, binding: number): boolean {
    return isBoundElsewhere(this.bindingOf(row), binding);
  }

  /**
   * Copies the key under which a rotated session goes on.
   * @returns when it was rotated, ms since epoch; 0: this is no tombstone of such a session
   */
  successor(row: number, into: Key): number {
    const words = this.#words;
    if ((words[tagOf(this.#base, row) + STATE]! & ROTATED) === 0) return 0;
    const body = bodyOf(this.#base, row);
    into.set(
      words[body + SUCCESSOR_A]!,
      words[body + SUCCESSOR_B]!,
      words[body + SUCCESSOR_C]!,
      words[body + SUCCESSOR_D]!,
    );
    return this.#doubles[(body + ROTATED_AT) >> 1]!;
  }

  /** Whether a session or tombstone of another process would be over at `now` under the limits set for its pool. */
  isOver(record: RowRecord, now: number): boolean {
    if (record.ended) return record.lastSeen <= now;
    const limits = this.#limits + record.pool * 2;
    const idle = this.#doubles[limits]!;
    const lifetime = this.#doubles[limits + 1]!;
    return (idle > 0 && now - record.lastSeen >= idle) || (lifetime > 0 && now - record.created >= lifetime);
  }

  /** Copies all of a row that is not free. */
  readRecord(row: number, into: RowRecord): void {
    const words = this.#words;
    const state = words[tagOf(this.#base, row) + STATE]!;
    const body = bodyOf(this.#base, row);
    const binding = words[body + BINDING]!;
    const moved = words[body + MOVED]!;
    const created = this.#doubles[(body + CREATED) >> 1]!;
    const issued = decodeIssued(words[body + ISSUED]!);
    this.readKey(row, into.key);
    into.ended = (state & ENDED) !== 0;
    into.provisional = (state & PROVISIONAL) !== 0;
    into.pending = (state & PENDING) !== 0;
    into.pool = state >>> 16;
    into.backend = binding & 0xffff;
    into.generation = binding >>> 16;
    into.by = (state >>> 8) & 0xff;
    into.requests = words[body + REQUESTS]! >>> 0;
    into.issued = issued < 0 ? 0 : created + issued;
    into.created = created;
    into.lastSeen = this.#doubles[(body + LAST_SEEN) >> 1]!;
    into.moves = moved >>> 24;
    into.movedFrom = (moved & MOVE_TOLD) === 0 ? (moved & 0xffff) - 1 : -1;
    into.movedReason = (moved >>> 16) & 15;
    into.failbackTo = RETURNS[(moved >>> 16) & 15] === 1 ? (moved & 0xffff) - 1 : -1;
    into.failbackGeneration = (moved >>> 21) & 7;
    into.bindingHash = words[body + BINDING_HASH]!;
    into.userA = words[body + USER_HASH]!;
    into.userB = words[body + USER_HASH + 1]!;
    into.joined = (state & JOINED) !== 0;
    if (into.joined) {
      this.readLink(row, into.session);
      into.requests = 1;
      into.issued = 0;
      into.userA = 0;
      into.userB = 0;
    } else into.session.set(0, 0, 0, 0);
    if ((state & ROTATED) === 0) return;
    // These words hold the successor's key.
    into.requests = 1;
    into.issued = 0;
    into.moves = 0;
    into.movedFrom = -1;
    into.movedReason = 0;
    into.failbackTo = -1;
    into.failbackGeneration = 0;
    into.bindingHash = 0;
    into.userA = 0;
    into.userB = 0;
  }

  /**
   * Copies a live row for one more request of its session, which `RowWriter.touch` then counts: `requests` with it,
   * `lastSeen` without.
   */
  readForRequest(row: number, into: Row): void {
    this.read(row, into);
    into.state = Lookup.LIVE;
    if (into.requests < 0xffffffff) into.requests++;
  }

  /** Copies the key. */
  readKey(row: number, into: Key): void {
    const words = this.#words;
    const body = bodyOf(this.#base, row);
    into.set(words[tagOf(this.#base, row)]!, words[body + KEY_B]!, words[body + KEY_C]!, words[body + KEY_D]!);
  }
}
