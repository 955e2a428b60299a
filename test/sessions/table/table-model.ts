import { MoveReason } from '../../../src/sessions/table/move-reasons.ts';
import { Lookup } from '../../../src/sessions/table/table.ts';

/** What the table should know of one key. */
export interface ModelRow {
  pool: number;
  backend: number;
  generation: number;
  by: number;
  created: number;
  lastSeen: number;
  /** After `created`; -1: never. */
  issuedAfter: number;
  requests: number;
  moves: number;
  provisional: boolean;
  /** The last move that has to be told, or after which the session may go back; null: none. */
  move: { from: number; generation: number; reason: number; told: boolean } | null;
}

/** Reasons after which a session may go back, and those of moves that the request which makes them tells. */
const RETURNS: readonly number[] = [MoveReason['backend-down'], MoveReason.maintenance, MoveReason.drain];
const TOLD_AT_ONCE: readonly number[] = [MoveReason['backend-down'], MoveReason.maintenance, MoveReason.removed];

/** The session table as plain objects in a Map, for one thread and with room for all. */
export class TableModel {
  readonly rows = new Map<number, ModelRow>();
  readonly tombstones = new Map<number, number>();
  /** Ends that are remembered also when their tombstone has gone: of keys that limpet makes. */
  readonly ends = new Map<number, number>();
  /** Keys with a tombstone that their client chose. */
  readonly chosen = new Set<number>();
  readonly limits: [idle: number, lifetime: number][];

  constructor(limits: [number, number][]) {
    this.limits = limits;
  }

  judge(key: number, now: number, limits?: [number, number]): Lookup {
    const until = this.tombstones.get(key);
    if (until !== undefined) return until > now ? Lookup.ENDED : Lookup.NONE;
    const row = this.rows.get(key);
    if (row === undefined) return (this.ends.get(key) ?? 0) > now ? Lookup.ENDED : Lookup.NONE;
    const [idle, lifetime] = limits ?? this.limits[row.pool]!;
    const idleEnd = idle === 0 ? Number.POSITIVE_INFINITY : row.lastSeen + idle;
    const lifetimeEnd = lifetime === 0 ? Number.POSITIVE_INFINITY : row.created + lifetime;
    if (now < Math.min(idleEnd, lifetimeEnd)) return Lookup.LIVE;
    return idleEnd < lifetimeEnd ? Lookup.IDLE_EXPIRED : Lookup.LIFETIME_EXPIRED;
  }

  forget(key: number): boolean {
    const known = this.rows.delete(key);
    this.chosen.delete(key);
    return this.tombstones.delete(key) || known;
  }

  lookup(key: number, now: number, limits: [number, number]): Lookup {
    const found = this.judge(key, now, limits);
    if (found === Lookup.LIVE) this.touch(key, now);
    else if (found !== Lookup.ENDED) this.forget(key);
    return found;
  }

  touch(key: number, now: number): void {
    const row = this.rows.get(key)!;
    row.requests++;
    row.lastSeen = now;
    row.created = Math.min(row.created, now);
  }

  make(key: number, row: ModelRow, now: number, overTombstone: boolean): boolean {
    const found = this.judge(key, now);
    if (found === Lookup.LIVE) this.touch(key, now);
    if (found === Lookup.LIVE || (found === Lookup.ENDED && !overTombstone)) return false;
    this.forget(key);
    if (overTombstone) this.ends.delete(key);
    this.rows.set(key, row);
    return true;
  }

  move(key: number, from: number, to: number, generation: number, reason: number): boolean {
    const row = this.rows.get(key);
    if (row === undefined || row.backend !== from) return false;
    if (!row.provisional) {
      const last = row.move;
      row.moves++;
      if (last === null || (last.told && !TOLD_AT_ONCE.includes(reason)))
        row.move = { from, generation: row.generation, reason, told: false };
      else if (!last.told) last.reason = reason;
      if (row.move!.from === to && from !== to) row.move = null;
    }
    row.backend = to;
    row.generation = generation;
    return true;
  }

  confirm(key: number, slot: number, now: number): boolean {
    const row = this.rows.get(key);
    if (row === undefined || row.backend !== slot) return false;
    row.provisional = false;
    if (row.move !== null && RETURNS.includes(row.move.reason)) row.move.told = true;
    else row.move = null;
    row.lastSeen = Math.max(row.lastSeen, now);
    return true;
  }

  setIssued(key: number, now: number): boolean {
    const row = this.rows.get(key);
    if (row !== undefined) row.issuedAfter = Math.max(0, now - row.created);
    return row !== undefined;
  }

  release(key: number, slot: number): boolean {
    const row = this.rows.get(key);
    return row?.provisional === true && row.backend === slot && this.forget(key);
  }

  end(key: number, now: number, until: number): boolean {
    const found = this.judge(key, now);
    const has = this.rows.has(key) || this.tombstones.has(key);
    const isChosen = this.chosen.has(key) || (this.rows.get(key)?.by ?? 0) !== 0;
    if (!has && until <= now) return false;
    const before = this.tombstones.get(key) ?? 0;
    const longest = found === Lookup.ENDED ? Math.max(until, before) : until;
    this.forget(key);
    if (longest > now && has) this.tombstones.set(key, longest);
    if (longest > now && isChosen) this.chosen.add(key);
    if (until > now && !isChosen) this.ends.set(key, Math.max(until, this.ends.get(key) ?? 0));
    return found === Lookup.LIVE;
  }

  sweep(now: number): number {
    let expired = 0;
    for (const [key, row] of this.rows) {
      const found = this.judge(key, now);
      if (found === Lookup.LIVE) {
        row.lastSeen = Math.min(row.lastSeen, now);
        row.created = Math.min(row.created, now);
      } else {
        this.forget(key);
        expired++;
      }
    }
    for (const [key, until] of this.tombstones) if (until <= now) this.forget(key);
    return expired;
  }
}
