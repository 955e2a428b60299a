import { MOVE_REASONS } from './move-reasons.ts';
import type { RowRecord } from './row-record.ts';

/** The last moment that a Date can be, ms since the epoch, less the longest lifetime that a session may have. */
export const LATEST_MS = 8.64e15 - 3650 * 86_400_000;
/** A clock may be set back by so much: what lies further ahead than that begins now. */
const AHEAD_MS = 86_400_000;
/** The longest that a tombstone may stand. */
const LONGEST_END_MS = 3651 * 86_400_000;

/**
 * Whether a row that comes from elsewhere (a snapshot, another process, Redis) can be one: its dates are dates and its
 * numbers in their ranges. Dates that lie far ahead are taken for those of a clock that was wrong: such a session is
 * kept, and counts from now on.
 */
export function isSaneRow(record: RowRecord, now: number): boolean {
  const { created, lastSeen, issued } = record;
  if (!isDate(created) || !isDate(lastSeen) || !isDate(issued)) return false;
  if (!isWithin(record.requests, 0xffffffff) || !isWithin(record.moves, 255)) return false;
  if (!isWithin(record.by, 255) || !isWithin(record.movedReason, MOVE_REASONS.length - 1)) return false;
  if (created > now + AHEAD_MS) record.created = now;
  if (issued > now + AHEAD_MS) record.issued = 0;
  if (record.ended) record.lastSeen = Math.min(lastSeen, now + LONGEST_END_MS);
  else if (lastSeen > now + AHEAD_MS) record.lastSeen = now;
  return true;
}

function isDate(ms: number): boolean {
  return ms >= 0 && ms <= LATEST_MS;
}

function isWithin(value: number, most: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= most;
}
