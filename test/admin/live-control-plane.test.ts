import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SessionView } from '../../src/admin/control-plane.ts';
import { ERROR_CODES } from '../../src/errors.ts';
import { MOVE_REASONS, MoveReason } from '../../src/sessions/table/move-reasons.ts';
import { Lookup, Row } from '../../src/sessions/table/table.ts';
import { parseExposition, sampleValue } from '../metrics/exposition.ts';
import { call } from './call.ts';
import { HOUR, LiveLimpet, MINUTE } from './live-limpet.ts';
import { startAdmin } from './start-admin.ts';

const START = '2026-01-31T12:00:00.000Z';

async function start(t: Parameters<typeof startAdmin>[0], maxSessions?: number) {
  const limpet = new LiveLimpet(maxSessions);
  const { address } = await startAdmin(t, {}, limpet.control);
  const get = async (path: string) => (await call(address, 'GET', path)).json();
  const patch = (backend: string, body: unknown) =>
    call(address, 'PATCH', `/api/v1/pools/${backend.replace('/', '/backends/')}`, { body });
  const move = (id: string, backend: string) =>
    call(address, 'POST', `/api/v1/sessions/${id}/move`, { body: { backend } });
  return { limpet, address, get, patch, move };
}

test('status tells version, uptime, workers, listeners, sessions, requests and config generation', async (t) => {
  const { limpet, get } = await start(t);
  limpet.session('shop', 'a');
  limpet.worker.counters.request(0, 0, 200, 1, 1, 1);
  limpet.worker.counters.connectionOpened(0);
  limpet.worker.state.begin(limpet.slot('shop', 'b'));
  limpet.restarts = 1;
  limpet.now += 90_500;
  assert.deepEqual(await get('/api/v1/status'), {
    version: '1.2.3',
    state: 'ready',
    startedAt: START,
    uptime: 90,
    workers: 2,
    workerRestarts: 1,
    listeners: [{ bind: '127.0.0.1:0', address: 'http://127.0.0.1:8080', connections: 1 }],
    sessions: 1,
    requests: 1,
    activeRequests: 1,
    configGeneration: 1,
    reloadable: false,
    lastReload: null,
    store: { type: 'memory', up: true, since: START, pending: 0 },
  });
});

test('the last error of a backend goes when it has been well for ten minutes, not while it is out or only just back', async (t) => {
  const { limpet, get } = await start(t);
  const { state } = limpet;
  const slot = limpet.slot('shop', 'a');
  const error = async () => {
    const [{ lastError, lastErrorAt }] = (await get('/api/v1/pools/shop')).backends as [Record<string, unknown>];
    return [lastError, lastErrorAt];
  };
  const failedAt = limpet.now;
  const failed = ['BACKEND_RESET', new Date(failedAt).toISOString()];
  limpet.worker.state.recordFailure(slot, ERROR_CODES.indexOf('BACKEND_RESET'));
  limpet.now += 10 * MINUTE;
  assert.deepEqual(await error(), failed);
  limpet.now += 1;
  assert.deepEqual(await error(), [null, null]);
  state.setHealth(slot, 'down');
  limpet.now += HOUR;
  assert.deepEqual(await error(), failed);
  state.setHealth(slot, 'up');
  limpet.now += 10 * MINUTE;
  assert.deepEqual(await error(), failed);
  limpet.now += 1;
  assert.deepEqual(await error(), [null, null]);
  state.setEjected(slot, true);
  assert.deepEqual(await error(), failed);
});

test('a pool shows its backends with state and health as two fields (39)', async (t) => {
  const { limpet, get } = await start(t);
  const { state, now } = limpet;
  const slot = limpet.slot('shop', 'a');
  limpet.session('shop', 'a');
  limpet.now += 5000;
  limpet.worker.state.recordRequest(slot);
  limpet.worker.state.recordFailure(slot, ERROR_CODES.indexOf('BACKEND_RESET'));
  limpet.worker.state.recordLatency(slot, 1.23456);
  limpet.worker.state.begin(slot);
  state.setHealth(slot, 'up');
  const pool = await get('/api/v1/pools/shop');
  const [a, b, c] = pool.backends as Record<string, unknown>[];
  assert.deepEqual(a, {
    id: 'a',
    url: 'http://127.0.0.1:9001',
    departing: false,
    discovered: false,
    state: 'ready',
    health: 'up',
    weight: 1,
    activeRequests: 1,
    sessions: 1,
    requests: 1,
    failures: 1,
    latency: 1.235,
    lastChange: new Date(now + 5000).toISOString(),
    life: 1,
    lifeBegan: null,
    lastError: 'BACKEND_RESET',
    lastErrorAt: new Date(now + 5000).toISOString(),
  });
  assert.deepEqual([b!.weight, b!.health, b!.latency, b!.lastError], [3, 'unknown', null, null]);
  assert.deepEqual([c!.state, c!.health], ['drain', 'unknown']);
  assert.deepEqual([pool.name, pool.balance, pool.sessions], ['shop', 'least-requests', 1]);
  const { pools } = (await get('/api/v1/pools')) as { pools: { name: string }[] };
  assert.deepEqual(
    pools.map(({ name }) => name),
    ['shop', 'api'],
  );
  limpet.worker.state.setEjected(slot, true);
  assert.equal(((await get('/api/v1/pools/shop')).backends as { health: string }[])[0]!.health, 'down');
});

test('a patch changes what every worker sees at once, leaves what it does not name, and is told to the log once', async (t) => {
  const { limpet, patch } = await start(t);
  const slot = limpet.slot('shop', 'b');
  const drained = await patch('shop/b', { state: 'drain' });
  assert.equal(drained.status, 200);
  assert.deepEqual([drained.json().state, drained.json().weight], ['drain', 3]);
  assert.deepEqual([limpet.worker.state.isOpen(slot), limpet.worker.state.isUsable(slot)], [false, true]);
  const weighed = await patch('shop/b', { weight: 0, state: 'ready' });
  assert.deepEqual([weighed.json().state, weighed.json().weight], ['ready', 0]);
  assert.equal(limpet.worker.state.isOpen(slot), false);
  await patch('shop/b', { weight: 0 });
  assert.deepEqual(limpet.changes, [
    {
      kind: 'backend',
      pool: 'shop',
      backend: 'b',
      before: { state: 'ready', weight: 3 },
      after: { state: 'drain', weight: 3 },
    },
    {
      kind: 'backend',
      pool: 'shop',
      backend: 'b',
      before: { state: 'drain', weight: 3 },
      after: { state: 'ready', weight: 0 },
    },
  ]);
  assert.deepEqual(limpet.state.adminState(limpet.slot('api', 'a')), 'ready');
});

test('a name that is not there is 404 and says which are', async (t) => {
  const { get, patch, address } = await start(t);
  assert.match(String((await get('/api/v1/pools/shoq')).detail), /no pool "shoq": there are shop, api/);
  assert.match(
    (await patch('shop/z', { state: 'ready' })).text,
    /no backend \\"z\\" in the pool shop: there are a, b, c/,
  );
  assert.equal((await patch('none/z', { state: 'ready' })).status, 404);
  assert.equal((await call(address, 'GET', '/api/v1/pools/__proto__')).status, 404);
  assert.equal((await patch('shop/constructor', { state: 'ready' })).status, 404);
});

test('a session shows when it ends, and looking at it touches nothing (20)', async (t) => {
  const { limpet, get, address } = await start(t);
  const { key, id } = limpet.session('shop', 'a');
  limpet.now += 10 * MINUTE;
  const expected = {
    key: id,
    pool: 'shop',
    backend: 'a',
    created: START,
    lastSeen: START,
    idleExpiresAt: '2026-01-31T12:30:00.000Z',
    endsAt: '2026-02-01T00:00:00.000Z',
    requests: 1,
    by: 'cookie',
    user: null,
    moves: 0,
  };
  for (let round = 0; round < 3; round++) {
    assert.deepEqual(await get(`/api/v1/sessions/${id}`), expected);
    assert.deepEqual((await get('/api/v1/sessions')).sessions, [expected]);
  }
  limpet.now += 20 * MINUTE;
  assert.equal((await call(address, 'GET', `/api/v1/sessions/${id}`)).status, 404, 'expired from the moment on (23)');
  assert.deepEqual(await get('/api/v1/sessions'), { sessions: [], cursor: null });
  assert.equal(limpet.worker.table.lookup(key, limpet.now, 30 * MINUTE, 12 * HOUR, new Row()), Lookup.IDLE_EXPIRED);
});

test('a session near the end of its lifetime does not seem to live on by requests (9)', async (t) => {
  const { limpet, get } = await start(t);
  const { key, id } = limpet.session('shop', 'a');
  const row = new Row();
  for (let i = 0; i < 35; i++) {
    limpet.now += 20 * MINUTE;
    limpet.worker.table.lookup(key, limpet.now, 30 * MINUTE, 12 * HOUR, row);
  }
  const { idleExpiresAt, endsAt } = await get(`/api/v1/sessions/${id}`);
  assert.deepEqual([idleExpiresAt, endsAt], ['2026-02-01T00:00:00.000Z', '2026-02-01T00:00:00.000Z']);
});

test('sessions are listed by pool and backend, page by page, each once', async (t) => {
  const { limpet, get, address } = await start(t);
  const made = new Map<string, string[]>();
  for (const [pool, backend, count] of [
    ['shop', 'a', 25],
    ['shop', 'b', 5],
    ['api', 'a', 7],
    ['api', 'only', 1],
  ] as const) {
    made.set(
      `${pool}/${backend}`,
      Array.from({ length: count }, () => limpet.session(pool, backend).id),
    );
  }
  const all = async (query: string): Promise<string[]> => {
    const keys: string[] = [];
    for (let cursor = ''; ; ) {
      const page = await get(`/api/v1/sessions?limit=4${query}${cursor}`);
      keys.push(...(page.sessions as SessionView[]).map(({ key }) => key));
      if (page.cursor === null) return keys.sort();
      assert.equal((page.sessions as unknown[]).length, 4, 'a page that is not the last one is full');
      cursor = `&cursor=${String(page.cursor)}`;
    }
  };
  const of = (...names: string[]) => names.flatMap((name) => made.get(name)!).sort();
  assert.deepEqual(await all(''), of('shop/a', 'shop/b', 'api/a', 'api/only'));
  assert.deepEqual(await all('&pool=shop'), of('shop/a', 'shop/b'));
  assert.deepEqual(await all('&pool=api&backend=a'), of('api/a'));
  assert.deepEqual(await all('&backend=only'), of('api/only'));
  for (const [query, status, pattern] of [
    ['backend=a', 400, /in several pools \(shop, api\)/],
    ['backend=z', 404, /in any pool/],
    ['pool=z', 404, /no pool/],
    ['pool=api&backend=b', 404, /there are a, only/],
    ['cursor=!', 400, /cursor/],
    ['cursor=zzzzzzz', 400, /cursor/],
  ] as const) {
    const reply = await call(address, 'GET', `/api/v1/sessions?${query}`);
    assert.equal(reply.status, status, query);
    assert.match(String(reply.json().detail), pattern);
  }
});

test('a table of many rows is gone through in parts, and the page is full all the same', async (t) => {
  const { limpet, get } = await start(t, 200_000);
  const keys = Array.from({ length: 50 }, () => limpet.session('shop', 'a').id);
  const page = await get('/api/v1/sessions?limit=50');
  assert.deepEqual((page.sessions as SessionView[]).map(({ key }) => key).sort(), keys.sort());
});

test('a session whose backend left the configuration has none, and is no session of its successor (12)', async (t) => {
  const { limpet, get } = await start(t);
  const { id } = limpet.session('shop', 'a', 9);
  assert.equal((await get(`/api/v1/sessions/${id}`)).backend, null);
  assert.deepEqual((await get('/api/v1/sessions?pool=shop&backend=a')).sessions, []);
});

test('an ended session stays refused until its cookie could not be valid any more (24)', async (t) => {
  const { limpet, address } = await start(t);
  const { key, id } = limpet.session('shop', 'a');
  limpet.now += MINUTE;
  const end = () => call(address, 'DELETE', `/api/v1/sessions/${id}`);
  assert.equal((await end()).status, 204);
  assert.equal((await end()).status, 404);
  assert.equal((await call(address, 'GET', `/api/v1/sessions/${id}`)).status, 404);
  assert.deepEqual(limpet.changes, [{ kind: 'session-ended', pool: 'shop', key: id, backend: 'a' }]);
  const look = () => limpet.worker.table.lookup(key, limpet.now, 30 * MINUTE, 12 * HOUR, new Row());
  assert.equal(look(), Lookup.ENDED);
  // The idle limit of the last cookie that there can be, and a minute for the clock of whoever made it.
  limpet.now += 31 * MINUTE - 1;
  assert.equal(look(), Lookup.ENDED);
  limpet.now += 2;
  assert.equal(look(), Lookup.NONE);
});

test('a move binds the session to the other backend, and its next request tells the application', async (t) => {
  const { limpet, move, get } = await start(t);
  const { key, id } = limpet.session('shop', 'a');
  limpet.now += MINUTE;
  const moved = await move(id, 'b');
  assert.equal(moved.status, 200);
  assert.deepEqual([moved.json().backend, moved.json().moves, moved.json().lastSeen], ['b', 1, START]);
  const row = new Row();
  limpet.worker.table.lookup(key, limpet.now, 30 * MINUTE, 12 * HOUR, row);
  assert.equal(row.backend, limpet.slot('shop', 'b'));
  assert.equal(row.movedFrom, limpet.slot('shop', 'a'));
  assert.equal(MOVE_REASONS[row.movedReason], 'operator');
  const again = await move(id, 'b');
  assert.deepEqual([again.status, again.json().moves], [200, 1], 'it is there already');
  assert.deepEqual(limpet.changes, [{ kind: 'session-moved', pool: 'shop', key: id, from: 'a', to: 'b' }]);
  assert.equal((await get(`/api/v1/sessions/${id}`)).backend, 'b');
});

test('a move is refused to where the session could not stay, and to another pool', async (t) => {
  const { limpet, move } = await start(t);
  const { id } = limpet.session('shop', 'a');
  const { state } = limpet;
  const b = limpet.slot('shop', 'b');
  const refused = async (backend: string, status: number, pattern: RegExp) => {
    const reply = await move(id, backend);
    assert.equal(reply.status, status);
    assert.match(String(reply.json().detail), pattern);
  };
  await refused('only', 404, /no backend "only" in the pool shop: there are a, b, c/);
  await refused('c', 409, /c is in drain/);
  state.setAdminState(b, 'maintenance');
  await refused('b', 409, /b is in maintenance/);
  state.setAdminState(b, 'ready');
  state.setHealth(b, 'down');
  await refused('b', 409, /b is down/);
  state.setHealth(b, 'up');
  state.setEjected(b, true);
  await refused('b', 409, /b is down/);
  for (const [key, pattern] of [
    ['AAAAAAAAAAAAAAAAAAAAAg', /no session/],
    ['short', /not the key/],
  ] as const) {
    const reply = await move(key, 'b');
    assert.equal(reply.status, 404);
    assert.match(String(reply.json().detail), pattern);
  }
  assert.deepEqual(limpet.changes, []);
});

test('a move that traffic overtakes starts from where the session is then', async (t) => {
  const { limpet, move } = await start(t);
  const { key, id } = limpet.session('shop', 'a');
  const [a, b, c] = ['a', 'b', 'c'].map((backend) => limpet.slot('shop', backend)) as [number, number, number];
  const { table } = limpet;
  const real = table.move.bind(table);
  let overtaken = 0;
  table.move = (...call) => {
    // Each failover of traffic comes just before the operator's.
    if (overtaken++ === 0) limpet.worker.table.move(key, a, c, 1, 0, limpet.now, new Row());
    return real(...call);
  };
  const moved = await move(id, 'b');
  assert.deepEqual([moved.status, moved.json().backend, moved.json().moves], [200, 'b', 2]);
  assert.equal(limpet.table.sessions(b), 1);
  assert.deepEqual(limpet.changes, [{ kind: 'session-moved', pool: 'shop', key: id, from: 'c', to: 'b' }]);
});

test('a move that traffic overtakes every time is given up, with a clear answer', async (t) => {
  const { limpet, move } = await start(t);
  const { key, id } = limpet.session('shop', 'a');
  const [a, c] = [limpet.slot('shop', 'a'), limpet.slot('shop', 'c')];
  limpet.table.move = (_key, from, _to, _generation, _reason, now, row) => {
    limpet.worker.table.move(key, from, from === a ? c : a, 1, 0, now, row);
    return false;
  };
  const moved = await move(id, 'b');
  assert.equal(moved.status, 409);
  assert.match(String(moved.json().detail), /try again/);
});

test('metrics show the live state', async (t) => {
  const { limpet, address, move } = await start(t);
  const { id } = limpet.session('shop', 'a');
  limpet.session('shop', 'b');
  await move(id, 'b');
  limpet.worker.counters.request(0, limpet.slot('shop', 'b'), 200, 10, 20, 5);
  limpet.worker.counters.connectionOpened(0);
  limpet.worker.state.begin(limpet.slot('shop', 'b'));
  limpet.state.setHealth(limpet.slot('shop', 'a'), 'down');
  limpet.state.setEjected(limpet.slot('api', 'a'), true);
  limpet.restarts = 3;
  const families = parseExposition((await call(address, 'GET', '/metrics')).text);
  const value = (name: string, labels: Record<string, string>) => sampleValue(families.get(name), labels);
  assert.equal(value('limpet_requests_total', { pool: 'shop', backend: 'b', code: '200' }), 1);
  assert.equal(value('limpet_requests_active', { pool: 'shop', backend: 'b' }), 1);
  assert.equal(value('limpet_connections', { listener: '127.0.0.1:0' }), 1);
  assert.equal(value('limpet_sessions', { pool: 'shop' }), 2);
  assert.equal(value('limpet_sessions', { pool: 'api' }), 0);
  assert.equal(value('limpet_sessions_by_backend', { pool: 'shop', backend: 'b' }), 2);
  assert.equal(value('limpet_backend_up', { pool: 'shop', backend: 'a' }), 0);
  assert.equal(value('limpet_backend_up', { pool: 'api', backend: 'a' }), 0);
  assert.equal(value('limpet_backend_up', { pool: 'shop', backend: 'c' }), 1);
  assert.equal(value('limpet_worker_restarts_total', {}), 3);
  assert.equal(value('limpet_session_evictions_total', {}), 0);
  const failover = { pool: 'shop', from: 'a', to: 'b', reason: 'operator' };
  assert.equal(value('limpet_failovers_total', failover), 1);
});

test('evictions are counted (21)', async (t) => {
  const { limpet, address } = await start(t, 10);
  for (let i = 0; i < 30; i++) limpet.session('shop', 'a');
  const families = parseExposition((await call(address, 'GET', '/metrics')).text);
  assert.ok(sampleValue(families.get('limpet_session_evictions_total'), {})! >= 19);
});

test('the move reasons have their index in the list', () => {
  assert.deepEqual(
    MOVE_REASONS.map((name) => MoveReason[name]),
    MOVE_REASONS.map((_, i) => i),
  );
});
