import type { Key } from '../../keys/key.ts';
import { Lookup } from './lookup.ts';
import type { Row } from './row.ts';
import type { RowAccess } from './row-access.ts';
import type { JoinedRows } from './row-joins.ts';

/** A session is followed through so many rotations; more are a loop. */
const MAX_ROTATIONS = 16;

/** Finds the session that a key names: its own, that of which it is another name, or the one it was rotated into. */
export class RowFinder {
  readonly #access: RowAccess;
  readonly #joins: JoinedRows;

  constructor(access: RowAccess, joins: JoinedRows) {
    this.#access = access;
    this.#joins = joins;
  }

  /** See SessionTable.lookup. */
  lookup(key: Key, now: number, idle: number, lifetime: number, row: Row, binding: number, touches: boolean): Lookup {
    const found = this.#lookup(key, now, idle, lifetime, row, binding, touches);
    if (found !== Lookup.JOINED) return found;
    const { session, began } = this.#joins;
    const own = this.#joins.ofSession(this.#lookup(session, now, idle, lifetime, row, binding, false), began, row);
    if (!row.joined) this.#joins.part(key);
    else if (touches && own === Lookup.LIVE) this.touch(session, now, -1);
    return own;
  }

  #lookup(key: Key, now: number, idle: number, lifetime: number, row: Row, binding: number, touches: boolean): Lookup {
    const at = this.#access.acquire(key);
    if (at < 0) return row.clear(this.#access.without(key, now));
    try {
      const { rows, writer } = this.#access;
      const found = rows.judgeBy(at, now, idle, lifetime);
      if (found === Lookup.LIVE) {
        if (binding !== 0 && rows.isForeign(at, binding)) {
          rows.read(at, row);
          row.state = Lookup.FOREIGN;
          return Lookup.FOREIGN;
        }
        rows.readForRequest(at, row);
        if (touches) writer.touch(at, now);
        return found;
      }
      if (found === Lookup.ENDED) return row.clear(found);
      if (found === Lookup.JOINED) return this.#joins.readForRequest(at, row);
      if (rows.isLive(at)) rows.read(at, row);
      else row.clear(found);
      this.#access.leaving(at, found, true);
      writer.free(at);
      row.state = found;
      return found;
    } finally {
      this.#access.release(at);
    }
  }

  /** See SessionTable.peek. */
  peek(key: Key, now: number, row: Row): Lookup {
    const found = this.#peek(key, now, row);
    if (found !== Lookup.JOINED) return found;
    const { session, began } = this.#joins;
    return this.#joins.ofSession(this.#peek(session, now, row), began, row);
  }

  #peek(key: Key, now: number, row: Row): Lookup {
    const at = this.#access.acquire(key);
    if (at < 0) return row.clear(this.#access.without(key, now));
    try {
      const found = this.#access.rows.judge(at, now);
      if (found === Lookup.JOINED) return this.#joins.readForRequest(at, row);
      if (!this.#access.rows.isLive(at)) return row.clear(found);
      this.#access.rows.read(at, row);
      row.state = found;
      return found;
    } finally {
      this.#access.release(at);
    }
  }

  /** See SessionTable.touch. */
  touch(key: Key, now: number, hint: number): boolean {
    const at = this.#access.acquireAt(key, hint);
    if (at < 0) return false;
    try {
      const { rows, writer } = this.#access;
      if (rows.isLive(at)) writer.touch(at, now);
      else if (rows.isJoined(at)) writer.see(at, now);
      else return false;
      return true;
    } finally {
      this.#access.release(at);
    }
  }

  /** See SessionTable.successor. */
  successor(key: Key, into: Key): number {
    const rotatedAt = this.#nextKey(key, into);
    if (rotatedAt > 0) for (let n = 1; n < MAX_ROTATIONS && this.#nextKey(into, into) > 0; n++);
    return rotatedAt;
  }

  #nextKey(key: Key, into: Key): number {
    const at = this.#access.acquire(key);
    if (at < 0) return 0;
    try {
      return this.#access.rows.successor(at, into);
    } finally {
      this.#access.release(at);
    }
  }
}
