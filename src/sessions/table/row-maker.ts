import type { Key } from '../../keys/key.ts';
import { Lookup } from './lookup.ts';
import type { Row } from './row.ts';
import type { RowAccess } from './row-access.ts';
import { MINTED } from './row-layout.ts';
import { RowRecord } from './row-record.ts';
import { chooseVictim, lossOf } from './victim.ts';

/**
 * Makes rows for keys that have none: both buckets of the key are locked meanwhile, so that no two threads make one
 * each.
 */
export class RowMaker {
  readonly #access: RowAccess;
  readonly #record = new RowRecord();

  constructor(access: RowAccess) {
    this.#access = access;
  }

  /**
   * Makes a session unless there is one, or a tombstone that refuses it; see SessionTable.claim.
   * @param flags of the new row, see row-layout
   * @param full whether a session has to go for it
   * @param binding of the new session, see SessionTable.claim
   */
  make(
    key: Key,
    pool: number,
    slot: number,
    generation: number,
    by: number,
    flags: number,
    created: number,
    now: number,
    row: Row,
    overTombstone: boolean,
    full: boolean,
    binding = 0,
  ): boolean {
    const { rows, writer } = this.#access;
    const first = rows.firstBucket(key);
    const second = rows.secondBucket(key, first);
    this.#access.lockTwo(first, second);
    try {
      let at = this.#access.find(first, second, key);
      let lost = 0;
      if (at >= 0) {
        const found = rows.judge(at, now);
        if (found === Lookup.LIVE) {
          rows.readForRequest(at, row);
          writer.touch(at, now);
          return false;
        }
        if (found === Lookup.JOINED) {
          row.clear(found);
          return false;
        }
        if (found === Lookup.ENDED && !overTombstone) {
          row.clear(found);
          return false;
        }
        this.#access.leaving(at, found, true);
      } else {
        if (!overTombstone && this.#access.without(key, now) === Lookup.ENDED) {
          row.clear(Lookup.ENDED);
          return false;
        }
        at = chooseVictim(rows, first, second, now, full);
        lost = lossOf(rows, at, now);
        this.#access.leaving(at, rows.judge(at, now), false);
      }
      if (overTombstone) this.#access.tombstones.remove(key);
      writer.bind(at, key, pool, slot, generation, by, flags, created, now, lost);
      if (binding !== 0) writer.setBinding(at, binding);
      rows.read(at, row);
      row.state = Lookup.LIVE;
      if (this.#access.watchesAll && !row.provisional) this.#access.observer!.adopted(this.#access.see(at)!);
      return true;
    } finally {
      this.#access.unlockTwo(first, second);
    }
  }

  /**
   * See SessionTable.rotate. The new row is there before the old one is a tombstone: whoever looks finds one of them.
   */
  rotate(from: Key, to: Key, until: number, now: number, row: Row, full: boolean): boolean {
    const { rows, writer } = this.#access;
    const record = this.#record;
    let at = this.#access.acquire(from);
    if (at < 0) return false;
    try {
      if (rows.judge(at, now) !== Lookup.LIVE) return false;
      rows.readRecord(at, record);
    } finally {
      this.#access.release(at);
    }
    record.key.copy(to);
    record.issued = 0;
    const first = rows.firstBucket(to);
    const second = rows.secondBucket(to, first);
    this.#access.lockTwo(first, second);
    try {
      if (this.#access.find(first, second, to) >= 0) return false;
      const place = chooseVictim(rows, first, second, now, full);
      this.#access.leaving(place, rows.judge(place, now), false);
      writer.put(place, record, lossOf(rows, place, now));
      // Other nodes have not heard of this key.
      writer.change(place);
      rows.read(place, row);
      row.state = Lookup.LIVE;
    } finally {
      this.#access.unlockTwo(first, second);
    }
    at = this.#access.acquire(from);
    if (at < 0 && this.#access.without(from, now) === Lookup.NONE) {
      // In a full table the old row itself may have been the one that went for the new.
      this.#access.tombstones.add(from, record.pool, until, now);
      return true;
    }
    try {
      if (at >= 0 && rows.isLive(at)) {
        this.#access.tombstones.add(from, rows.poolOf(at), until, now);
        writer.supersede(at, to, until, now);
        return true;
      }
    } finally {
      if (at >= 0) this.#access.release(at);
    }
    // Ended by another thread in between: that holds for the session, whatever it is called.
    this.#forget(to);
    return false;
  }

  #forget(key: Key): void {
    const at = this.#access.acquire(key);
    if (at < 0) return;
    this.#access.writer.free(at);
    this.#access.release(at);
  }

  /** Leaves a tombstone in place of whatever the key has; see SessionTable.end. */
  bury(key: Key, now: number, until: number, pool: number): boolean {
    const { rows, writer, tombstones } = this.#access;
    const first = rows.firstBucket(key);
    const second = rows.secondBucket(key, first);
    this.#access.lockTwo(first, second);
    try {
      const at = this.#access.find(first, second, key);
      if (at >= 0) {
        const found = rows.judge(at, now);
        if (found !== Lookup.LIVE) this.#access.leaving(at, found, true);
        // Before the session ends. A key that its client chose may begin anew: it is refused for moments only.
        if (until > now && rows.sourceOf(at) === MINTED) tombstones.add(key, rows.poolOf(at), until, now);
        if (until > now || found === Lookup.ENDED) writer.entomb(at, until);
        else writer.free(at);
        return found === Lookup.LIVE;
      }
      if (until > now) tombstones.add(key, pool, until, now);
      return false;
    } finally {
      this.#access.unlockTwo(first, second);
    }
  }
}
