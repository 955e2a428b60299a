import { Lookup } from './lookup.ts';
import type { RowAccess } from './row-access.ts';
import { MINTED } from './row-layout.ts';
import { RowRecord } from './row-record.ts';
import { isSaneRow } from './sane-row.ts';
import { chooseVictim, lossOf } from './victim.ts';

/** What came of another process's row. */
export type Merged = 'added' | 'replaced' | 'kept' | 'refused';

/**
 * Puts together what two processes know of the same sessions: whichever hears of the other's row, both end with the
 * same binding.
 */
export class RowMerger {
  readonly #access: RowAccess;
  readonly #ours = new RowRecord();

  constructor(access: RowAccess) {
    this.#access = access;
  }

  /** See SessionTable.merge. */
  merge(record: RowRecord, now: number, full: boolean): Merged {
    const { rows } = this.#access;
    if (!isSaneRow(record, now)) return 'refused';
    if (rows.isOver(record, now)) return 'kept';
    const aside = record.ended && record.by === MINTED;
    const known = aside && this.#access.without(record.key, now) === Lookup.ENDED;
    if (aside) this.#access.tombstones.add(record.key, record.pool, record.lastSeen, now, true);
    const first = rows.firstBucket(record.key);
    const second = rows.secondBucket(record.key, first);
    this.#access.lockTwo(first, second);
    try {
      const at = this.#access.find(first, second, record.key);
      if (at >= 0) return this.#meet(at, record, now);
      if (aside) return known ? 'kept' : 'added';
      if (!record.ended && this.#access.without(record.key, now) === Lookup.ENDED) return 'kept';
      const place = chooseVictim(rows, first, second, now, full && !record.ended);
      this.#access.leaving(place, rows.judge(place, now), false);
      this.#access.writer.put(place, record, lossOf(rows, place, now));
      return 'added';
    } finally {
      this.#access.unlockTwo(first, second);
    }
  }

  /** Both have a row of the key. */
  #meet(at: number, record: RowRecord, now: number): Merged {
    const { rows, writer } = this.#access;
    const ours = this.#ours;
    rows.readRecord(at, ours);
    const found = rows.judge(at, now);
    if (found !== Lookup.LIVE && found !== Lookup.ENDED && found !== Lookup.JOINED) {
      // The same session has been seen elsewhere since: it has not expired.
      if (ours.created !== record.created) this.#access.leaving(at, found, false);
      writer.put(at, record, 0);
      return 'added';
    }
    if (!ours.ended && !record.ended && sameBinding(ours, record)) {
      if (mergeFields(ours, record)) writer.put(at, ours, 0);
      return 'kept';
    }
    if (!wins(record, ours)) return 'kept';
    writer.put(at, record, 0);
    return 'replaced';
  }
}

/** Whether both are bound to one backend, in whichever of its lives. */
function sameBinding(ours: RowRecord, other: RowRecord): boolean {
  if (ours.joined !== other.joined || (ours.joined && !ours.session.equals(other.session))) return false;
  if (ours.backend !== other.backend || ours.pool !== other.pool) return false;
  const { firstStamp, latestStamp } = other;
  const known = (latestStamp - firstStamp) & 0xffff;
  return ours.generation === other.generation || ((ours.generation - firstStamp) & 0xffff) <= known;
}

/** By how many lives of its backend one stamp is later than another. */
function laterBy(one: RowRecord, other: RowRecord): number {
  return ((one.generation - other.generation) << 16) >> 16;
}

/**
 * Whether one of two rows of a key that do not agree stands. An end outdoes all that is not one. Of two sessions the
 * older one stands: its backend holds the state. The same session moved by one of them: the move stands. The rest only
 * makes two processes choose alike.
 */
function wins(one: RowRecord, other: RowRecord): boolean {
  if (one.ended !== other.ended) return one.ended;
  if (one.ended) return one.lastSeen > other.lastSeen;
  if (one.created !== other.created) return one.created < other.created;
  // One of its own, rather than another name of one.
  if (one.joined !== other.joined) return other.joined;
  if (one.moves !== other.moves) return one.moves > other.moves;
  if (one.lastSeen !== other.lastSeen) return one.lastSeen > other.lastSeen;
  if (one.provisional !== other.provisional) return other.provisional;
  if (one.backend !== other.backend) return one.backend < other.backend;
  if (one.generation !== other.generation) return one.generation > other.generation;
  const [a, b] = [one.session, other.session];
  return one.joined && (a.a - b.a || a.b - b.b || a.c - b.c || a.d - b.d) < 0;
}

/**
 * Takes over what the other knows better of the same session on the same backend. Answers whether that was anything.
 */
function mergeFields(ours: RowRecord, other: RowRecord): boolean {
  const { created, lastSeen, requests, issued, moves, provisional, pending, movedFrom, bindingHash, userA, userB } =
    ours;
  const { generation } = ours;
  // It stayed where it was when the backend was restarted, and begins there anew.
  if (laterBy(other, ours) > 0) ours.generation = other.generation;
  if (other.moves > moves) {
    ours.movedFrom = other.movedFrom;
    ours.movedReason = other.movedReason;
  } else if (other.moves === moves && other.movedFrom < movedFrom) {
    // Told already, if one of them says so.
    ours.movedFrom = other.movedFrom;
    ours.movedReason = other.movedReason;
  }
  ours.created = Math.min(created, other.created);
  ours.lastSeen = Math.max(lastSeen, other.lastSeen);
  ours.requests = Math.max(requests, other.requests);
  ours.issued = Math.max(issued, other.issued);
  ours.moves = Math.max(moves, other.moves);
  ours.provisional = provisional && other.provisional;
  ours.pending = pending && other.pending;
  if (bindingHash === 0) ours.bindingHash = other.bindingHash;
  if (userA === 0 && userB === 0) {
    ours.userA = other.userA;
    ours.userB = other.userB;
  }
  return (
    ours.generation !== generation ||
    ours.created !== created ||
    ours.lastSeen !== lastSeen ||
    ours.requests !== requests ||
    ours.issued !== issued ||
    ours.moves !== moves ||
    ours.provisional !== provisional ||
    ours.pending !== pending ||
    ours.movedFrom !== movedFrom ||
    ours.bindingHash !== bindingHash ||
    ours.userA !== userA ||
    ours.userB !== userB
  );
}
