import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LiveParts } from '../../src/admin/live-parts.ts';
import { Key } from '../../src/keys/key.ts';
import { format, parse } from '../../src/keys/public-id.ts';
import type { SharedSession } from '../../src/sessions/store/shared-session.ts';
import { Lookup, Row } from '../../src/sessions/table/table.ts';
import { parseExposition, sampleValue } from '../metrics/exposition.ts';
import { call } from './call.ts';
import { HOUR, LiveLimpet, MINUTE } from './live-limpet.ts';
import { startAdmin } from './start-admin.ts';

const ID = 'AAAAAAAAAAAAAAAAAAAAAQ';
const NOW = Date.UTC(2026, 0, 31, 12);

/** A limpet whose store knows one session that this node has no row of. */
async function start(t: Parameters<typeof startAdmin>[0], change: Partial<SharedSession> = {}) {
  const asked: string[] = [];
  const told: unknown[][] = [];
  const stored = {
    pool: 'shop',
    backend: 'a',
    by: 0,
    created: NOW - HOUR,
    lastSeen: NOW - MINUTE,
    moves: 2,
    life: 0,
    ...change,
  };
  const parts: Partial<LiveParts> = {
    store: () => ({ type: 'redis', up: false, since: NOW - 5000, pending: 7 }),
    lookup: async (id) => {
      asked.push(id);
      return id === ID ? stored : null;
    },
    onSessionEnded: (key, until) => told.push(['ended', format(key), until]),
    onSessionMoved: (key, pool, from, to) => told.push(['moved', format(key), pool.name, from?.id ?? null, to.id]),
  };
  const limpet = new LiveLimpet(1000, parts);
  const { address } = await startAdmin(t, {}, limpet.control);
  const key = new Key();
  parse(ID, key);
  return { limpet, address, asked, told, key, path: `/api/v1/sessions/${ID}` };
}

test('a session of another node is shown, and looking at it makes nothing of it here (20)', async (t) => {
  const { limpet, address, path } = await start(t);
  const { backend, created, lastSeen, moves } = (await call(address, 'GET', path)).json();
  assert.deepEqual(
    [backend, created, lastSeen, moves],
    ['a', new Date(NOW - HOUR).toISOString(), new Date(NOW - MINUTE).toISOString(), 2],
  );
  assert.equal(limpet.table.size, 0);
  assert.equal((await call(address, 'GET', '/api/v1/sessions/AAAAAAAAAAAAAAAAAAAAAg')).status, 404);
});

test('a session of another node can be ended: it is refused here, and the others are told (24)', async (t) => {
  const { limpet, address, told, key, path } = await start(t);
  assert.equal((await call(address, 'DELETE', path)).status, 204);
  assert.deepEqual(told, [['ended', ID, NOW + 31 * MINUTE]]);
  assert.equal(limpet.table.peek(key, NOW, new Row()), Lookup.ENDED);
  assert.equal((await call(address, 'DELETE', path)).status, 404, 'what ended here is asked of nobody');
  assert.deepEqual(limpet.changes, [{ kind: 'session-ended', pool: 'shop', key: ID, backend: 'a' }]);
});

test('a session of another node can be moved, and has a row here then', async (t) => {
  const { limpet, address, told, key, path } = await start(t);
  const moved = await call(address, 'POST', `${path}/move`, { body: { backend: 'b' } });
  assert.deepEqual([moved.status, moved.json().backend], [200, 'b']);
  assert.deepEqual(told, [['moved', ID, 'shop', 'a', 'b']]);
  const row = new Row();
  assert.equal(limpet.table.peek(key, NOW, row), Lookup.LIVE);
  assert.deepEqual([row.backend, row.created], [limpet.slot('shop', 'b'), NOW - HOUR]);
});

test('what the store has is no session here when it is over, or of a pool that is not here', async (t) => {
  for (const change of [{ lastSeen: NOW - 31 * MINUTE }, { created: NOW - 12 * HOUR }, { pool: 'other' }]) {
    const { address, path } = await start(t, change);
    assert.equal((await call(address, 'GET', path)).status, 404, JSON.stringify(change));
  }
  const { address, path } = await start(t, { backend: 'gone' });
  assert.equal((await call(address, 'GET', path)).json().backend, null);
  const moved = await call(address, 'POST', `${path}/move`, { body: { backend: 'b' } });
  assert.equal(moved.status, 409);
});

test('a session with a row here is not asked for, and the others hear of what becomes of it', async (t) => {
  const { limpet, address, asked, told } = await start(t);
  const { id } = limpet.session('shop', 'a');
  await call(address, 'GET', `/api/v1/sessions/${id}`);
  await call(address, 'POST', `/api/v1/sessions/${id}/move`, { body: { backend: 'b' } });
  await call(address, 'DELETE', `/api/v1/sessions/${id}`);
  assert.deepEqual(asked, []);
  assert.deepEqual(told, [
    ['moved', id, 'shop', 'a', 'b'],
    ['ended', id, NOW + 31 * MINUTE],
  ]);
});

test('status and metrics say that the store is down, and since when', async (t) => {
  const { address } = await start(t);
  const { store } = (await call(address, 'GET', '/api/v1/status')).json();
  assert.deepEqual(store, { type: 'redis', up: false, since: new Date(NOW - 5000).toISOString(), pending: 7 });
  const families = parseExposition((await call(address, 'GET', '/metrics')).text);
  assert.equal(sampleValue(families.get('limpet_store_up'), {}), 0);
});
