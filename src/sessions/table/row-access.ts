import type { Key } from '../../keys/key.ts';
import { StripedLocks } from './locks.ts';
import { Lookup } from './lookup.ts';
import type { RowObserver } from './row-observer.ts';
import { RowRecord } from './row-record.ts';
import { RowWriter } from './row-writer.ts';
import { Rows } from './rows.ts';
import { type SessionTableMemory, tableOffsets } from './table-memory.ts';
import { Tombstones } from './tombstones.ts';

/**
 * The way to the rows of a session table for one thread: finds the row of a key and holds the lock that guards it.
 * Bucket n is under lock n mod the number of locks. What has been acquired is released in a `finally`: a lock that is
 * forgotten stops every other thread.
 */
export class RowAccess {
  readonly rows: Rows;
  readonly writer: RowWriter;
  readonly tombstones: Tombstones;
  /** Null: nobody wants to know. */
  observer: RowObserver | null = null;
  readonly #seen = new RowRecord();
  readonly #locks: StripedLocks;
  readonly #mask: number;

  /** @param owner id of this thread, see StripedLocks */
  constructor(memory: SessionTableMemory, words: Int32Array, doubles: Float64Array, owner: number) {
    if (!(owner <= memory.threads))
      throw new RangeError(
        `${owner} is no owner of a table for ${memory.threads} threads: give a whole number from 1 to that`,
      );
    this.rows = new Rows(memory, words, doubles);
    this.writer = new RowWriter(memory, words, doubles, owner);
    this.tombstones = new Tombstones(memory.tombstones, owner);
    this.#locks = new StripedLocks(words, tableOffsets(memory).locks, memory.stripes, owner);
    this.#mask = memory.stripes - 1;
  }

  /**
   * The row of a key, with its bucket locked, or -1 with nothing locked. The search itself takes no lock: a miss costs
   * two cache lines. It may miss a row that another thread is making at this moment; making one looks again with both
   * buckets locked.
   */
  acquire(key: Key): number {
    const first = this.rows.firstBucket(key);
    const second = this.rows.secondBucket(key, first);
    for (;;) {
      const row = this.find(first, second, key);
      if (row < 0) return -1;
      this.lock(row >>> 3);
      let held = false;
      try {
        held = this.rows.holds(row, key);
      } finally {
        if (!held) this.release(row);
      }
      if (held) return row;
      // It went in between, perhaps to the other bucket.
    }
  }

  /** What a key without a row is: ENDED or NONE. */
  without(key: Key, now: number): Lookup {
    return this.tombstones.until(key, now) > 0 ? Lookup.ENDED : Lookup.NONE;
  }

  /** As `acquire`, of a key that was in this row a moment ago; `hint` -1: in none that is known. */
  acquireAt(key: Key, hint: number): number {
    if (hint >= 0) {
      this.lock(hint >>> 3);
      if (this.rows.holds(hint, key)) return hint;
      this.release(hint);
    }
    return this.acquire(key);
  }

  /** Lets go of what `acquire` answered. */
  release(row: number): void {
    this.unlock(row >>> 3);
  }

  /** The row of a key in one of its two buckets, or -1. */
  find(first: number, second: number, key: Key): number {
    const row = this.rows.find(first, key);
    return row >= 0 ? row : this.rows.find(second, key);
  }

  lock(bucket: number): void {
    this.#locks.lock(bucket & this.#mask);
  }

  /** Locks a bucket if that needs no waiting. */
  tryLock(bucket: number): boolean {
    return this.#locks.tryLock(bucket & this.#mask);
  }

  unlock(bucket: number): void {
    this.#locks.unlock(bucket & this.#mask);
  }

  lockTwo(first: number, second: number): void {
    this.#locks.lockTwo(first & this.#mask, second & this.#mask);
  }

  unlockTwo(first: number, second: number): void {
    this.#locks.unlockTwo(first & this.#mask, second & this.#mask);
  }

  /** True: the observer is told of more than ends. */
  get watchesAll(): boolean {
    return this.observer !== null && !this.observer.endsOnly;
  }

  /**
   * Copies a row for the observer: good until the next call. Null: no backend has answered the session, or it is none.
   */
  see(row: number): RowRecord | null {
    if (this.rows.isFree(row)) return null;
    this.rows.readRecord(row, this.#seen);
    return this.#seen.ended || this.#seen.provisional || this.#seen.joined ? null : this.#seen;
  }

  /**
   * To be called before a row is freed or written anew: a session in it expires or is evicted thereby.
   * @param found what the row is
   * @param asked whether a request came upon it
   */
  leaving(row: number, found: Lookup, asked: boolean): void {
    if (this.observer === null) return;
    const session = this.see(row);
    if (session === null) return;
    if (found === Lookup.IDLE_EXPIRED) this.observer.gone(session, 'idle', asked);
    else if (found === Lookup.LIFETIME_EXPIRED) this.observer.gone(session, 'lifetime', asked);
    else if (found === Lookup.LIVE) this.observer.gone(session, 'evicted', asked);
  }

  /** See StripedLocks. */
  releaseAll(owner: number): number {
    return this.#locks.releaseAll(owner) + this.tombstones.releaseLocks(owner);
  }
}
