/**
 * The contract of the session table, whole. Longer than 400 lines because every operation has its own, and they
 * belong side by side; what they do is in row-*.ts and bound-rows.ts.
 */
import type { Key } from '../../keys/key.ts';
import { BoundRows } from './bound-rows.ts';
import { Lookup } from './lookup.ts';
import type { Row } from './row.ts';
import { RowAccess } from './row-access.ts';
import { ChangeReader } from './row-changes.ts';
import { RowCopies } from './row-copies.ts';
import { RowFinder } from './row-finder.ts';
import { JoinedRows } from './row-joins.ts';
import { BUCKET_ROWS, CLAIMED, LIVE, PENDING, PROVISIONAL } from './row-layout.ts';
import { RowMaker } from './row-maker.ts';
import { RowMarks } from './row-marks.ts';
import { type Merged, RowMerger } from './row-merger.ts';
import type { RowObserver } from './row-observer.ts';
import { PendingRows } from './row-pending.ts';
import type { RowRecord } from './row-record.ts';
import { SessionCounts } from './session-counts.ts';
import { listSessions, type SessionPage, type SessionQuery } from './session-list.ts';
import { Sweep } from './sweep.ts';
import { allocateTableMemory, type SessionTableMemory } from './table-memory.ts';

export { Lookup } from './lookup.ts';
export { Row } from './row.ts';
export type { SessionEntry, SessionPage, SessionQuery } from './session-list.ts';
export type { SessionTableMemory } from './table-memory.ts';

/**
 * The sessions of all threads: which backend each key is bound to.
 *
 * A set-associative hash table in shared memory: rows of 64 bytes, 8 a bucket; a key may stand in either of two
 * buckets. When they are full something in them has to go, so no call ever fails for lack of room (behaviour 21). Every
 * thread has a SessionTable of its own over the same memory. `now` is wall-clock time in ms since epoch everywhere; by
 * a clock that is set back no time has passed.
 *
 * The number of live sessions does not exceed `max` by more than one for each thread (each looks before it adds), save
 * where both buckets of a key hold tombstones and free rows only: then it is added all the same. Tombstones are not
 * counted.
 *
 * Whatever needs a lock throws an Error with code SESSION_TABLE_BUSY when that of a thread that died is not taken away
 * in time, see `releaseLocks`.
 */
export class SessionTable {
  /** Buckets in the table: a sweep of so many is a whole round. */
  readonly buckets: number;
  readonly #access: RowAccess;
  readonly #maker: RowMaker;
  readonly #counts: SessionCounts;
  readonly #sweep: Sweep;
  readonly #copies: RowCopies;
  readonly #merger: RowMerger;
  readonly #pending: PendingRows;
  readonly #joins: JoinedRows;
  readonly #finder: RowFinder;
  readonly #bound: BoundRows;
  readonly #marks: RowMarks;

  /**
   * Memory for `maxSessions` sessions: 80 bytes each, and besides 4 bytes for each thread and slot or pool.
   * @param slots backend slots: their indices are from 0 to below this
   * @param threads the supervisor and the workers: their owner ids are from 1 up to this; by default 64, or one for
   *   each core and one if that is more
   * @param pools their indices are from 0 to below this; by default as many as slots
   * @param changes notes which rows have changed, for `takeChanged`: 1.25 bytes a session more
   * @throws RangeError when a number is out of range
   */
  static allocate(
    maxSessions: number,
    slots: number,
    threads?: number,
    pools?: number,
    changes = false,
  ): SessionTableMemory {
    return allocateTableMemory(maxSessions, slots, threads, pools, changes);
  }

  /**
   * @param owner id of this thread, see StripedLocks: 1 the supervisor, 2 and up the workers
   * @throws RangeError when it is out of range
   */
  constructor(memory: SessionTableMemory, owner: number) {
    const words = new Int32Array(memory.buffer);
    const doubles = new Float64Array(memory.buffer);
    this.buckets = memory.buckets;
    this.#access = new RowAccess(memory, words, doubles, owner);
    this.#maker = new RowMaker(this.#access);
    this.#counts = new SessionCounts(memory, words, doubles);
    this.#sweep = new Sweep(this.#access, memory.buckets);
    this.#copies = new RowCopies(this.#access, memory);
    this.#merger = new RowMerger(this.#access);
    this.#pending = new PendingRows(this.#access);
    this.#joins = new JoinedRows(this.#access);
    this.#finder = new RowFinder(this.#access, this.#joins);
    this.#bound = new BoundRows(this.#access);
    this.#marks = new RowMarks(this.#access);
  }

  /**
   * Finds the session of a request. LIVE: the request is counted, and the session seen now (behaviour 20); `row` is how
   * the request found it. Expired: `row` is what it was, and the row is gone (behaviour 23).
   * @param idle longest time between two requests, `lifetime` longest time since the session began, ms; 0 or Infinity:
   *   no limit
   * @param binding what the client is, u32: a session that is bound to another one is FOREIGN and is not touched; `row`
   *   is that session. 0: whoever it is
   * @param touches false: it is counted and seen only by `touch`, when it has passed all that could refuse it
   * Of a key that was joined to a session it is that session's row, `row.joined`; when that session is over, so is the
   * key.
   */
  lookup(key: Key, now: number, idle: number, lifetime: number, row: Row, binding = 0, touches = true): Lookup {
    return this.#finder.lookup(key, now, idle, lifetime, row, binding, touches);
  }

  /**
   * The same under the limits set for its pool, but it counts nothing and frees nothing: `row` is the session as it is.
   */
  peek(key: Key, now: number, row: Row): Lookup {
    return this.#finder.peek(key, now, row);
  }

  /**
   * Binds a key that has no session to a backend, provisionally until `confirm`. Of several threads that claim one key
   * together one wins (behaviour 18).
   * @param by index into KEY_SOURCES
   * @param overTombstone for keys that the client chooses (tokens, addresses): an ended one may begin anew
   * @param pending the store that nodes share has yet to say whose it is: until `settle` or `clearPending`
   * @param binding what else the session is bound to from its first moment on, u32 (see `setBinding`); 0: nothing
   * @returns true: this call made the session. False: `row` is the session that is there, and this was a request of it,
   *   as with `lookup`; or, with `row.state`
   *   ENDED, a tombstone refuses the key
   * @throws RangeError when a number is out of the table's range
   */
  claim(
    key: Key,
    pool: number,
    backend: number,
    generation: number,
    by: number,
    now: number,
    row: Row,
    overTombstone = false,
    pending = false,
    binding = 0,
  ): boolean {
    refuseZero(key);
    this.#counts.check(backend, pool, generation, by);
    const flags = LIVE | PROVISIONAL | CLAIMED | (pending ? PENDING : 0);
    const { full } = this.#counts;
    for (;;) {
      if (this.#maker.make(key, pool, backend, generation, by, flags, now, now, row, overTombstone, full, binding))
        return true;
      // Joined to a session meanwhile: that one, if it is still there.
      if (row.state !== Lookup.JOINED || this.peek(key, now, row) === Lookup.LIVE) return false;
      this.#joins.part(key);
    }
  }

  /**
   * Counts a request that `lookup` was told not to count: it has passed all that could refuse it. A key that was joined
   * to a session is seen, and the session counted under its own. False: there is no such row any more.
   */
  touch(key: Key, now: number, hint = -1): boolean {
    return this.#finder.touch(key, now, hint);
  }

  /**
   * Makes a key that has no session another name of one (behaviour 115): what is asked of it is asked of that session
   * from now on, until that is over or the key has not been used for as long as a session may be idle.
   * @param session the key of the session itself
   * @param row the session
   * @param by source of the key, index into KEY_SOURCES
   * @returns false: the key has a session of its own by now
   */
  join(key: Key, session: Key, row: Row, by: number, now: number): boolean {
    refuseZero(key);
    this.#counts.check(row.backend, row.pool, row.generation, by);
    return !key.equals(session) && this.#joins.join(key, session, row, by, now, this.#counts.full);
  }

  /** Forgets that a key is another name of a session, if it is one. */
  part(key: Key): void {
    this.#joins.part(key);
  }

  /**
   * Binds a key whose session is proven by other means, a signed cookie, to the backend that has its state. As `claim`,
   * but the session began at `created` (now, if that lies ahead), is not provisional, and a tombstone always refuses it
   * (behaviour 24).
   */
  adopt(
    key: Key,
    pool: number,
    backend: number,
    generation: number,
    by: number,
    created: number,
    now: number,
    row: Row,
  ): boolean {
    refuseZero(key);
    this.#counts.check(backend, pool, generation, by);
    return this.#maker.make(
      key,
      pool,
      backend,
      generation,
      by,
      LIVE,
      Math.min(created, now),
      now,
      row,
      false,
      this.#counts.full,
    );
  }

  /**
   * Binds a session to another backend if it is still bound to `fromSlot`. It is no request of the session: `lastSeen`
   * stays. A session over its limits moves all the same: the request that found it live may still be under way.
   * @param reason index into MOVE_REASONS
   * @param fromGeneration when given, it must still be bound to that generation too: for when the slot may have been
   *   given to another backend
   * @returns whether this call moved it. `row` is the session as it is now; with `row.state` other than LIVE there is
   *   none
   * @throws RangeError when a number is out of the table's range
   */
  move(
    key: Key,
    fromSlot: number,
    toSlot: number,
    toGeneration: number,
    reason: number,
    now: number,
    row: Row,
    fromGeneration = -1,
  ): boolean {
    this.#counts.check(toSlot, 0, toGeneration, reason);
    return this.#bound.move(key, fromSlot, toSlot, toGeneration, reason, now, row, fromGeneration);
  }

  /**
   * A backend has answered: its session is no longer provisional, its move has been told, and it was seen at `now`.
   * False, with nothing changed: the session is gone, or bound to another backend.
   * @param stamp of the life of the backend that has its state from now on (see BackendLife); -1: as it is
   */
  confirm(key: Key, slot: number, now: number, stamp = -1): boolean {
    return this.#bound.confirm(key, slot, now, stamp);
  }

  /**
   * The store that nodes share has said whose session it is: binds it to that backend, with these dates, and it is no
   * longer pending. What the application has yet to be told of a move stays, and the store is not told again. An answer
   * from before a move that is known here (the same session, fewer moves) only ends the wait.
   * @param created ms since epoch; now, if that lies ahead
   * @param confirmed a backend has answered the session elsewhere: it is not provisional either
   * @returns whether there is a session. `row` is the session as it is now; with `row.state` other than LIVE there is
   *   none
   * @throws RangeError when a number is out of the table's range
   */
  applyStoreAnswer(
    key: Key,
    slot: number,
    generation: number,
    created: number,
    moves: number,
    now: number,
    row: Row,
    confirmed = false,
  ): boolean {
    this.#counts.check(slot, 0, generation, moves);
    return this.#pending.applyStoreAnswer(key, slot, generation, created, moves, now, row, confirmed);
  }

  /**
   * The store that nodes share cannot be asked whose session it is: it is ours, and the store is to be told later.
   * False: there is no session.
   */
  clearPending(key: Key): boolean {
    return this.#pending.clear(key);
  }

  /**
   * A claim of this process turns out to be another process's session: it does not begin here.
   * @param seen when the session was last seen, ms since epoch
   */
  clearClaimed(key: Key, seen: number): void {
    this.#bound.clearClaimed(key, seen);
  }

  /**
   * Its cookie was sent at `now`; 0: the one it was sent names another backend by now, and the next response is to
   * refresh it. False: there is no session.
   */
  setIssued(key: Key, now: number): boolean {
    return this.#marks.setIssued(key, now);
  }

  /**
   * Binds a session to an address, agent or certificate as well: a hash, u32; 0: to nothing. False: there is no
   * session.
   */
  setBinding(key: Key, hash: number): boolean {
    return this.#marks.setBinding(key, hash);
  }

  /** Says whose session it is: the two words of a hash, both 0 for nobody's. False: there is no session. */
  setUser(key: Key, a: number, b: number): boolean {
    return this.#marks.setUser(key, a, b);
  }

  /**
   * Notes that a session has traffic which is no request: bytes of a WebSocket or of an event stream keep it from going
   * idle. False: there is no live session.
   */
  keep(key: Key, now: number): boolean {
    return this.#marks.keep(key, now);
  }

  /**
   * Gives a session another key, under which it goes on as it is. The old key is refused until then, and knows the new
   * one (see `successor`).
   * @param to a key that nothing stands under
   * @returns false: there is no live session under the old key, or one stands under the new; then nothing has changed.
   *   `row` is the session under its new key
   */
  rotate(from: Key, to: Key, until: number, now: number, row: Row): boolean {
    refuseZero(to);
    return this.#maker.rotate(from, to, until, now, row, this.#counts.full);
  }

  /**
   * The key under which a session goes on that had this one, however often it has been rotated since.
   * @param into may be `key` itself
   * @returns when this key was rotated away, ms since epoch; 0: it was not, or too long ago to be known
   */
  successor(key: Key, into: Key): number {
    return this.#finder.successor(key, into);
  }

  /** Forgets a session that no backend ever answered, if it is still bound to `slot`. Answers whether it did. */
  release(key: Key, slot: number): boolean {
    return this.#bound.release(key, slot);
  }

  /**
   * Ends a session, and refuses its key until then (behaviour 24), also when there is no row: its cookie may still
   * verify. A tombstone that stands longer stays. With `until` not after `now` nothing is left behind.
   * @param pool that the key is of, for what is told of it; a session that is there knows its own
   * @returns whether there was a live session
   */
  end(key: Key, now: number, until: number, pool = 0): boolean {
    refuseZero(key);
    return this.#maker.bury(this.#joins.leave(key) ?? key, now, until, pool);
  }

  /** Forgets all about a key, session or tombstone. False: there was nothing. */
  remove(key: Key): boolean {
    const own = this.#joins.leave(key) ?? key;
    this.#access.tombstones.remove(own);
    const at = this.#access.acquire(own);
    if (at < 0) return false;
    try {
      this.#access.writer.free(at);
      return true;
    } finally {
      this.#access.release(at);
    }
  }

  /**
   * Takes in another process's row, whose pool, slot and generation are this process's. A tombstone outdoes a session,
   * and of two that which stands longer. Of two sessions on different backends the older one stands; as old: the one
   * moved more often, then the one seen last. On the same backend each keeps the larger of counts and times, and the
   * earlier beginning. One that is over its limits is none.
   * @returns refused: it can be no session, see isSaneRow. Added: there was no session. Replaced: the session is now as
   *   the record says, or ended by it. Kept: it is bound, or ended, as before
   * @throws RangeError when a number is out of the table's range
   */
  merge(record: RowRecord, now: number): Merged {
    refuseZero(record.key);
    this.#counts.check(record.ended ? 0 : record.backend, record.pool, record.generation, record.by);
    return this.#merger.merge(record, now, this.#counts.full);
  }

  /**
   * Shows the live sessions and standing tombstones of these buckets, each bucket copied under its lock and shown
   * after: nobody waits for `visit`. The record is the table's, and good during the call.
   * @param clears takes the changes of this reader
   * @returns how many buckets it went through: fewer than `count` when the table ends there, or a lock cannot be had
   *   because its thread died: go on from there a moment later
   */
  copy(
    firstBucket: number,
    count: number,
    visit: (record: RowRecord) => void,
    now: number,
    clears?: ChangeReader,
  ): number {
    return this.#copies.copy(firstBucket, count, visit, now, clears);
  }

  /**
   * Shows rows that have changed since this reader last took them; it goes on where its last call stopped. Never throws
   * for want of a lock: such a row has its turn in the next call. Sessions over their limits and tombstones whose time
   * is over come too; rows that were freed do not.
   * @param least 1: requests were counted, or more; 2: changed
   * @param limit at most so many rows
   * @returns how many: fewer than `limit` when it has been once all the way round
   * @throws Error when the table was allocated without change tracking
   */
  takeChanged(
    least: 1 | 2,
    limit: number,
    visit: (record: RowRecord) => void,
    reader: ChangeReader = ChangeReader.STORE,
  ): number {
    return this.#copies.takeChanged(least, limit, visit, reader);
  }

  /**
   * Shows the ends of sessions that are to be remembered longer than their rows, as `copy` shows rows.
   * @param from a cursor: 0, or what the last call answered
   * @returns the cursor to go on from, or -1: that was all
   */
  copyEnded(from: number, limit: number, visit: (record: RowRecord) => void, now: number): number {
    return this.#copies.copyEnded(from, limit, visit, now);
  }

  /**
   * A cookie that was issued before this, ms since epoch, is good only together with a row: its session may have ended,
   * see Tombstones.
   */
  get floor(): number {
    return this.#access.tombstones.floor;
  }

  /** Raises the floor to that of another process. */
  raiseFloor(floor: number): void {
    this.#access.tombstones.raise(floor);
  }

  /** How many ends had to be dropped before their time. */
  get endsDropped(): number {
    return this.#access.tombstones.dropped;
  }

  /** How many ends take memory, and how many may. */
  get endsKept(): number {
    return this.#access.tombstones.used;
  }

  get endsCapacity(): number {
    return this.#access.tombstones.capacity;
  }

  /** Marks every row as changed for a reader. Throws as `takeChanged` does, and when a lock cannot be had. */
  changeAll(reader: ChangeReader = ChangeReader.STORE): void {
    this.#copies.changeAll(reader);
  }

  /** Whether there may be changes for a reader; true, too, without change tracking. */
  hasMarked(reader: ChangeReader): boolean {
    return this.#copies.hasMarked(reader);
  }

  /** One page of the live sessions, for people; see `listSessions`. */
  list(query: SessionQuery, now: number): SessionPage {
    return listSessions(this.#access, this.buckets * BUCKET_ROWS, query, now);
  }

  /**
   * Frees what has expired in the next so many buckets, round and round from one call to the next. Never waits and
   * never throws: a bucket in use has to wait for the next round. Answers the number of sessions that expired.
   */
  sweep(buckets: number, now: number): number {
    return this.#sweep.run(buckets, now);
  }

  /**
   * Limits of a pool, ms, for everything but `lookup`; 0 or Infinity: none. There are none until this is called, in
   * whichever thread. Where they are raised, what has ended long enough ago to be forgotten under the old ones must not
   * come back under the new ones: the floor is raised.
   */
  setLimits(pool: number, idle: number, lifetime: number, now = Date.now()): void {
    const before = this.#counts.shortestLimit(pool);
    this.#counts.setLimits(pool, idle, lifetime);
    if (before > 0 && this.#counts.shortestLimit(pool) > before) this.raiseFloor(now - before);
  }

  /** Live sessions; one that has expired counts until something comes upon it. The same holds for the next two. */
  get size(): number {
    return this.#counts.size;
  }

  /** Live sessions on a backend. */
  sessions(slot: number): number {
    return this.#counts.ofSlot(slot);
  }

  /** Live sessions of a pool. */
  sessionsOfPool(pool: number): number {
    return this.#counts.ofPool(pool);
  }

  /** Live sessions, and tombstones before their time, that had to go for another row, modulo 2^32. */
  get evictions(): number {
    return this.#counts.evictions;
  }

  /** Who is told what becomes of sessions, of all that this thread does to the table; null: nobody. */
  set observer(observer: RowObserver | null) {
    this.#access.observer = observer;
  }

  /**
   * Takes away the locks of a thread that has ended; always before its owner id is used again. Answers how many it
   * held.
   */
  releaseLocks(owner: number): number {
    return this.#access.releaseAll(owner);
  }
}

function refuseZero(key: Key): void {
  if (key.isZero()) throw new RangeError('the all-zero key names no session');
}
