import { Lookup } from './lookup.ts';
import { BUCKET_ROWS, MINTED } from './row-layout.ts';
import type { Rows } from './rows.ts';

/** Ranks of what a row would be lost for a new one, best first. */
const EXPIRED_TOMBSTONE = 1;
const EXPIRED = 2;
const TOMBSTONE = 3;
const RECENT_ROTATION = 4;
/** Seen once, a while ago: a client that keeps no cookie, most likely. Its cookie would prove the session again. */
const SEEN_ONCE = 5;
/** Of limpet's own cookie, which proves it again. */
const PROVEN = 6;
/** Of a key that says nothing of its backend: a token, a header, the application's cookie. */
const UNPROVEN = 7;

/** A browser that has been sent a cookie comes back within this time, with its page's pictures. */
const ONCE_MS = 10_000;

/** Requests that were on their way when an id was rotated find the new one by its tombstone, for so long. */
const ROTATION_MS = 10_000;

/**
 * The row of two buckets that a new one may take, both locked: a free one, in the bucket that has more of them (that
 * keeps buckets evenly full); else an expired tombstone; else an expired session; else a tombstone, as Tombstones knows
 * of the end as well, and of those the ones last that still say under which key a session goes on; else a session: of
 * those that limpet's own cookie proves again one that was seen once and is older than 10 s, then any of them, then one
 * of another key; of several as good the one that was seen least recently.
 *
 * With `full` set the table holds as many sessions as it may: a session goes for the new one, in this order, and only
 * where the two buckets hold none is it the order from above.
 */
export function chooseVictim(rows: Rows, first: number, second: number, now: number, full: boolean): number {
  if (!full) {
    const free = freeRow(rows, first, second);
    if (free >= 0) return free;
  }
  let best = -1;
  let bestRank = 9;
  let bestSeen = 0;
  for (let n = 0; n < 2 * BUCKET_ROWS; n++) {
    const row = n < BUCKET_ROWS ? first * BUCKET_ROWS + n : second * BUCKET_ROWS + n - BUCKET_ROWS;
    if (rows.isFree(row) || (full && !rows.isLive(row))) continue;
    const rank = rankOf(rows, row, now);
    const seen = rows.lastSeenOf(row);
    if (rank < bestRank || (rank === bestRank && seen < bestSeen)) {
      best = row;
      bestRank = rank;
      bestSeen = seen;
    }
  }
  return best >= 0 ? best : chooseVictim(rows, first, second, now, false);
}

function freeRow(rows: Rows, first: number, second: number): number {
  let inFirst = -1;
  let inSecond = -1;
  let balance = 0;
  for (let place = BUCKET_ROWS - 1; place >= 0; place--) {
    if (rows.isFree(first * BUCKET_ROWS + place)) {
      inFirst = first * BUCKET_ROWS + place;
      balance++;
    }
    if (rows.isFree(second * BUCKET_ROWS + place)) {
      inSecond = second * BUCKET_ROWS + place;
      balance--;
    }
  }
  return balance < 0 ? inSecond : inFirst;
}

function rankOf(rows: Rows, row: number, now: number): number {
  switch (rows.judge(row, now)) {
    case Lookup.NONE:
      return EXPIRED_TOMBSTONE;
    case Lookup.IDLE_EXPIRED:
    case Lookup.LIFETIME_EXPIRED:
      return EXPIRED;
    case Lookup.LIVE:
      if (rows.sourceOf(row) !== MINTED) return UNPROVEN;
      return rows.requestsOf(row) <= 1 && now - rows.lastSeenOf(row) > ONCE_MS ? SEEN_ONCE : PROVEN;
    case Lookup.JOINED:
      return UNPROVEN;
    default:
      return now - rows.rotatedAt(row) < ROTATION_MS ? RECENT_ROTATION : TOMBSTONE;
  }
}

/** 1 when something is lost with this row, 0 when nothing is. */
export function lossOf(rows: Rows, row: number, now: number): number {
  return rows.judge(row, now) === Lookup.LIVE ? 1 : 0;
}
