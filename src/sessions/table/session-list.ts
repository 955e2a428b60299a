import { Key } from '../../keys/key.ts';
import { format } from '../../keys/public-id.ts';
import { Lookup } from './lookup.ts';
import { Row } from './row.ts';
import type { RowAccess } from './row-access.ts';
import { BUCKET_ROWS } from './row-layout.ts';
import type { UserWords } from './user-words.ts';

/** What to list. */
export interface SessionQuery {
  /** Index of a pool: only its sessions. */
  readonly pool?: number;
  /** Slot of a backend: only its sessions. */
  readonly backend?: number;
  /** By index of a pool the user there: only its sessions, and none of other pools. */
  readonly users?: ReadonlyMap<number, UserWords>;
  /** At most this many, from 1. */
  readonly limit: number;
  /** What an earlier page gave: go on after it. */
  readonly cursor?: string;
  /**
   * Look at no more than this many rows, so that one page of a large table keeps nobody waiting: it may then have fewer
   * sessions than `limit`, or none.
   */
  readonly scan?: number;
}

/** One session as the table holds it: a copy. Times in ms since epoch; see Row for the fields. */
export interface SessionEntry {
  /** Public id. */
  readonly key: string;
  readonly pool: number;
  readonly backend: number;
  readonly generation: number;
  readonly created: number;
  readonly lastSeen: number;
  readonly issued: number;
  readonly requests: number;
  readonly moves: number;
  readonly by: number;
  readonly provisional: boolean;
  readonly movedFrom: number;
  readonly movedReason: number;
  /** The two words of the user's hash; both 0: not known. */
  readonly userA: number;
  readonly userB: number;
}

export interface SessionPage {
  readonly sessions: SessionEntry[];
  /** For the next page; null: that was all. */
  readonly cursor: string | null;
}

/**
 * Sessions that are live at `now`, in the order of their rows. Touches nothing (behaviour 20). Rows never change
 * places, and the cursor is a place: from page to page no session that stays is left out or comes twice, whatever comes
 * and goes meanwhile.
 * @param count rows in the table
 * @throws RangeError when the cursor is none of this table's or a number of the query is out of range
 * @throws Error with code SESSION_TABLE_BUSY, see StripedLocks.lock
 */
export function listSessions(access: RowAccess, count: number, query: SessionQuery, now: number): SessionPage {
  const { limit, scan = count } = query;
  if (!Number.isInteger(limit) || limit < 1) throw new RangeError(`limit is ${limit}: give a whole number from 1`);
  if (!Number.isInteger(scan) || scan < 1) throw new RangeError(`scan is ${scan}: give a whole number from 1`);
  const begin = query.cursor === undefined ? 0 : parseCursor(query.cursor, count);
  const sessions: SessionEntry[] = [];
  const found: number[] = [];
  let at = begin;
  while (at < count && at - begin < scan) {
    const bucketEnd = at - (at % BUCKET_ROWS) + BUCKET_ROWS;
    copyBucket(access, at, bucketEnd, query, now, found);
    // Objects are made after the lock is free again: no request waits for this thread's garbage collector.
    for (const row of found) {
      if (sessions.length === limit) return { sessions, cursor: row.toString(36) };
      sessions.push(entry(row));
    }
    at = bucketEnd;
  }
  return { sessions, cursor: at < count ? at.toString(36) : null };
}

const copies = Array.from({ length: BUCKET_ROWS }, () => new Row());
const keys = Array.from({ length: BUCKET_ROWS }, () => new Key());

function copyBucket(
  access: RowAccess,
  begin: number,
  end: number,
  query: SessionQuery,
  now: number,
  found: number[],
): void {
  const { rows } = access;
  found.length = 0;
  let used = begin;
  while (used < end && rows.isFree(used)) used++;
  if (used === end) return;
  access.lock(begin >>> 3);
  try {
    for (let row = begin; row < end; row++) {
      if (rows.judge(row, now) !== Lookup.LIVE) continue;
      if (query.pool !== undefined && rows.poolOf(row) !== query.pool) continue;
      if (query.backend !== undefined && rows.slotOf(row) !== query.backend) continue;
      const copy = copies[row % BUCKET_ROWS]!;
      rows.read(row, copy);
      if (query.users !== undefined && !isUser(copy, query.users.get(copy.pool))) continue;
      rows.readKey(row, keys[row % BUCKET_ROWS]!);
      found.push(row);
    }
  } finally {
    access.unlock(begin >>> 3);
  }
}

function isUser({ userA, userB }: Row, user: UserWords | undefined): boolean {
  return user !== undefined && userA === user.a && userB === user.b;
}

function entry(row: number): SessionEntry {
  const {
    pool,
    backend,
    generation,
    created,
    lastSeen,
    issued,
    requests,
    moves,
    by,
    provisional,
    movedFrom,
    movedReason,
    userA,
    userB,
  } = copies[row % BUCKET_ROWS]!;
  const key = format(keys[row % BUCKET_ROWS]!);
  return {
    key,
    pool,
    backend,
    generation,
    created,
    lastSeen,
    issued,
    requests,
    moves,
    by,
    provisional,
    movedFrom,
    movedReason,
    userA,
    userB,
  };
}

function parseCursor(cursor: string, count: number): number {
  const at = /^[0-9a-z]{1,7}$/.test(cursor) ? Number.parseInt(cursor, 36) : Number.NaN;
  if (!(at < count))
    throw new RangeError('the cursor is not one that a list of this table has answered: leave it out to begin anew');
  return at;
}
