import type { Backend } from '../../../backends/backend.ts';
import { boundBackend } from '../../../backends/bound-backend.ts';
import type { Pool } from '../../../backends/pool.ts';
import type { Key } from '../../../keys/key.ts';
import { parse } from '../../../keys/public-id.ts';
import { Lookup } from '../../table/lookup.ts';
import { Row } from '../../table/row.ts';
import { RowRecord } from '../../table/row-record.ts';
import type { SessionTable } from '../../table/table.ts';
import type { StoredSession } from './stored-session.ts';

const row = new Row();
const record = new RowRecord();

/** The backend that a stored session names; null: this node has none of that name. */
export function backendNamed(pool: Pool, stored: StoredSession): Backend | null {
  return pool.byId.get(stored.backend) ?? null;
}

/** Id of the backend that a row names; null when that one is gone (behaviour 12). */
export function idOf(pool: Pool, slot: number, generation: number): string | null {
  return boundBackend(pool, { backend: slot, generation })?.id ?? null;
}

/**
 * Another node's word on a session that this node may hold: its row goes along, with nothing told to the application,
 * unless it knows better. An end is noted in any case: while the store is down the session's cookie would bring it back
 * to life (behaviour 24).
 */
export function applyStoredSession(
  table: SessionTable,
  key: Key,
  pool: Pool,
  stored: StoredSession,
  now: number,
): void {
  const live = table.peek(key, now, row) === Lookup.LIVE;
  if (stored.until > 0) {
    // A session that began after the end is not the one that was ended: its key may begin anew.
    if (!(live && row.created > stored.created)) insert(table, key, pool, null, stored, 0, now);
    return;
  }
  // What stands for the session of another name is said of that one itself.
  if (row.joined || stored.joined !== '') return;
  const backend = backendNamed(pool, stored);
  if (!live || backend === null || row.created < stored.created) return;
  const { binding, userA, userB } = stored;
  // Known there and not here: as it was when the session began on another node.
  if (binding !== 0 && row.binding === 0) table.setBinding(key, binding);
  if ((userA | userB) !== 0 && (row.userA | row.userB) === 0) table.setUser(key, userA, userB);
  table.applyStoreAnswer(
    key,
    backend.slot,
    backend.life.stampBy(stored.life, stored.lastSeen, now),
    stored.created,
    stored.moves,
    now,
    row,
    !stored.provisional,
  );
}

/**
 * Makes the row of a session, or of a tombstone, that the store knows and the table does not.
 * @param backend null: a tombstone
 * @param by index into KEY_SOURCES
 */
export function insert(
  table: SessionTable,
  key: Key,
  pool: Pool,
  backend: Backend | null,
  stored: StoredSession,
  by: number,
  now: number,
): void {
  record.key.copy(key);
  record.ended = backend === null;
  record.provisional = stored.provisional;
  record.pending = false;
  record.pool = pool.index;
  record.backend = backend?.slot ?? 0;
  record.generation = backend === null ? 0 : backend.life.stampBy(stored.life, stored.lastSeen, now);
  record.firstStamp = backend?.life.stampOf(1) ?? 0;
  record.latestStamp = backend?.life.stamp ?? 0;
  record.by = by;
  record.requests = 1;
  record.issued = 0;
  record.created = Math.min(stored.created, now);
  record.lastSeen = backend === null ? stored.until : Math.min(stored.lastSeen, now);
  record.moves = stored.moves;
  record.movedFrom = -1;
  record.movedReason = 0;
  record.failbackTo = -1;
  record.failbackGeneration = 0;
  record.bindingHash = stored.binding | 0;
  record.userA = stored.userA;
  record.userB = stored.userB;
  record.joined = backend !== null && parse(stored.joined, record.session);
  table.merge(record, now);
}
