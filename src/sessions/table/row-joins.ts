import { Key } from '../../keys/key.ts';
import { Lookup } from './lookup.ts';
import type { Row } from './row.ts';
import type { RowAccess } from './row-access.ts';
import { RowRecord } from './row-record.ts';
import { chooseVictim, lossOf } from './victim.ts';

/**
 * Other names of sessions: keys that came beside one which was known, and stand for its session from then on (behaviour
 * 115). The row of such a key has nothing but the way to the session; whatever is asked of the key is asked of that, so
 * it moves, ends and expires with it. It is counted and listed nowhere.
 */
export class JoinedRows {
  readonly #access: RowAccess;
  /** Key of the session of the name that was come upon last, and when that had begun. */
  readonly session = new Key();
  began = 0;
  readonly #left = new Key();
  readonly #record = new RowRecord();

  constructor(access: RowAccess) {
    this.#access = access;
  }

  /** See SessionTable.join. */
  join(key: Key, session: Key, row: Row, by: number, now: number, full: boolean): boolean {
    const { rows, writer } = this.#access;
    const record = this.#describe(key, session, row, by, now);
    const first = rows.firstBucket(key);
    const second = rows.secondBucket(key, first);
    this.#access.lockTwo(first, second);
    try {
      let at = this.#access.find(first, second, key);
      let lost = 0;
      if (at < 0) {
        at = chooseVictim(rows, first, second, now, full);
        lost = lossOf(rows, at, now);
        this.#access.leaving(at, rows.judge(at, now), false);
      } else if (rows.isLive(at)) {
        const found = rows.judge(at, now);
        // It began a session of its own meanwhile.
        if (found === Lookup.LIVE) return false;
        this.#access.leaving(at, found, true);
      }
      this.#access.tombstones.remove(key);
      writer.put(at, record, lost);
      writer.change(at);
      return true;
    } finally {
      this.#access.unlockTwo(first, second);
    }
  }

  /**
   * A row turns out to be another name: `session` and `began` are those of its session until the next one does. Answers
   * JOINED.
   */
  readForRequest(at: number, row: Row): Lookup {
    this.#access.rows.readLink(at, this.session);
    this.began = this.#access.rows.createdOf(at);
    return row.clear(Lookup.JOINED);
  }

  /**
   * What a key is that was joined to `session`, of which this was found. One that began later under its key is not the
   * session that was meant, and one that has been joined to yet another has none.
   */
  ofSession(found: Lookup, began: number, row: Row): Lookup {
    const stands = found === Lookup.LIVE || found === Lookup.FOREIGN;
    if (found === Lookup.JOINED || (stands && Math.floor(row.created) > began)) return row.clear(Lookup.NONE);
    if (!stands) return found;
    const { a, b, c, d } = this.session;
    row.joined = true;
    row.sessionA = a;
    row.sessionB = b;
    row.sessionC = c;
    row.sessionD = d;
    return found;
  }

  /** Forgets that a key is another name of a session, if it is one. */
  part(key: Key): void {
    this.leave(key);
  }

  /** The same; answers the key of the session, good until the next call. Null: it was none. */
  leave(key: Key): Key | null {
    const { rows, writer } = this.#access;
    const at = this.#access.acquire(key);
    if (at < 0) return null;
    try {
      if (!rows.isJoined(at)) return null;
      rows.readLink(at, this.#left);
      writer.free(at);
      return this.#left;
    } finally {
      this.#access.release(at);
    }
  }

  #describe(key: Key, session: Key, row: Row, by: number, now: number): RowRecord {
    const record = this.#record;
    record.key.copy(key);
    record.joined = true;
    record.session.copy(session);
    record.pool = row.pool;
    record.backend = row.backend;
    record.generation = row.generation;
    record.by = by;
    record.requests = 1;
    record.created = row.created;
    record.lastSeen = now;
    // For a node or a process that does not know of other names: to it this is a session like any other.
    record.bindingHash = row.binding | 0;
    return record;
  }
}
