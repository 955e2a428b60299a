import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SimulationView } from '../../src/admin/control-plane.ts';
import type { LiveParts } from '../../src/admin/live-parts.ts';
import { MoveReason } from '../../src/sessions/table/move-reasons.ts';
import { Row } from '../../src/sessions/table/table.ts';
import { parseExposition, sampleValue } from '../metrics/exposition.ts';
import { call } from './call.ts';
import { CONFIG, LiveLimpet } from './live-limpet.ts';
import { startAdmin } from './start-admin.ts';

async function start(t: Parameters<typeof startAdmin>[0], more: Partial<LiveParts> = {}) {
  const limpet = new LiveLimpet(1000, more);
  const { address } = await startAdmin(t, {}, limpet.control);
  const post = (path: string, body?: unknown) =>
    call(address, 'POST', `/api/v1${path}`, body === undefined ? {} : { body });
  const simulate = async (body: unknown) => (await post('/simulate', body)).json() as unknown as SimulationView;
  const sessions = (backend: string, count: number, pool = 'shop') =>
    Array.from({ length: count }, () => limpet.session(pool, backend));
  return { limpet, address, post, simulate, sessions };
}

const short = ({ moves }: SimulationView) =>
  moves.map(({ pool, from, to, reason, when, sessions }) => `${pool} ${from}>${to} ${sessions} ${reason} ${when}`);

test('a simulated drain says where the sessions would go, and an evacuation moves them there', async (t) => {
  const { limpet, address, post, simulate, sessions } = await start(t);
  const made = sessions('a', 150);
  const plan = await simulate({ drain: 'shop/a' });
  assert.deepEqual(short(plan), ['shop a>b 150 drain when-it-goes']);
  assert.deepEqual([plan.total, plan.sessions.length, limpet.table.sessions(limpet.slot('shop', 'b'))], [150, 100, 0]);
  limpet.state.setAdminState(limpet.slot('shop', 'a'), 'drain');
  const evacuated = await post('/pools/shop/backends/a/evacuate');
  assert.deepEqual([evacuated.status, evacuated.json()], [200, { moved: 150, stayed: 0 }]);
  const row = new Row();
  for (const { key } of made) {
    limpet.table.peek(key, limpet.now, row);
    assert.deepEqual(
      [row.backend, row.movedFrom, row.movedReason, row.moves],
      [limpet.slot('shop', 'b'), limpet.slot('shop', 'a'), MoveReason.drain, 1],
    );
  }
  assert.deepEqual(
    limpet.changes,
    [{ kind: 'backend-evacuated', pool: 'shop', backend: 'a', moved: 150, stayed: 0 }],
    'told once, not for each session',
  );
  const families = parseExposition((await call(address, 'GET', '/metrics')).text);
  const labels = { pool: 'shop', from: 'a', to: 'b', reason: 'drain' };
  assert.equal(sampleValue(families.get('limpet_failovers_total'), labels), 150);
  assert.deepEqual((await post('/pools/shop/backends/a/evacuate', {})).json(), { moved: 0, stayed: 0 });
  assert.equal(limpet.changes.length, 1);
});

test('a backend that still gets new sessions is not evacuated', async (t) => {
  const { limpet, post, sessions } = await start(t);
  sessions('a', 2);
  const reply = await post('/pools/shop/backends/a/evacuate');
  assert.equal(reply.status, 409);
  assert.match(String(reply.json().detail), /set it to drain first/);
  assert.equal(limpet.table.sessions(limpet.slot('shop', 'a')), 2);
});

test('sessions that no backend can take stay where they are', async (t) => {
  const { limpet, post, sessions } = await start(t);
  sessions('a', 3);
  limpet.state.setAdminState(limpet.slot('shop', 'a'), 'drain');
  limpet.state.setHealth(limpet.slot('shop', 'b'), 'down');
  assert.deepEqual((await post('/pools/shop/backends/a/evacuate')).json(), { moved: 0, stayed: 3 });
  assert.equal(limpet.table.sessions(limpet.slot('shop', 'a')), 3);
});

test('names and bodies that are not right are refused with what is', async (t) => {
  const { post } = await start(t);
  for (const [path, body, status, pattern] of [
    ['/simulate', { drain: 'shop/z' }, 404, /no backend \\"z\\" in the pool shop: there are a, b, c/],
    ['/simulate', { drain: 'none/a' }, 404, /no pool/],
    ['/simulate', { drain: 'shop' }, 400, /POOL\/ID/],
    ['/simulate', {}, 422, /give one of drain/],
    ['/simulate', undefined, 415, /application\/json/],
    ['/simulate', { drain: 'shop/a', config: '' }, 422, /give one of drain/],
    ['/simulate', { drain: 'shop/a', at: 1 }, 422, /unknown key/],
    ['/pools/shop/backends/z/evacuate', {}, 404, /no backend/],
    ['/pools/shop/backends/a/evacuate', { now: true }, 422, /unknown key/],
  ] as const) {
    const reply = await post(path, body);
    assert.equal(reply.status, status, `${path} ${JSON.stringify(body)}`);
    assert.match(reply.text, pattern);
  }
});

test('a simulated configuration: a backend that is taken out keeps its sessions until it goes', async (t) => {
  const { limpet, simulate, sessions } = await start(t);
  sessions('a', 4);
  sessions('b', 5);
  const plan = await simulate({ config: CONFIG.replace(/^ +- \{ id: a, url: "http:\/\/127.0.0.1:9001.*\n/m, '') });
  assert.deepEqual(short(plan), ['shop a>b 4 removed when-it-goes']);
  assert.deepEqual(plan.changes, [{ path: 'pools.shop', change: 'changed' }]);
  assert.equal(limpet.table.sessions(limpet.slot('shop', 'a')), 4, 'nothing has happened');
});

test('a simulated configuration: maintenance moves sessions at once, also to a backend that is new', async (t) => {
  const { limpet, simulate, sessions } = await start(t);
  sessions('a', 60);
  sessions('c', 3);
  const added = '      - { id: new, url: "http://127.0.0.1:9009" }\n';
  const plan = await simulate({
    config: CONFIG.replace('9001", replicas: [b] }', '9001", state: maintenance }').replace(
      '    session:',
      `${added}$&`,
    ),
  });
  assert.deepEqual(plan.moves.map(({ to, reason, when }) => `${to} ${reason} ${when}`).sort(), [
    'b maintenance now',
    'new maintenance now',
  ]);
  assert.equal(plan.total, 60, 'those of the draining backend stay');
  assert.equal(limpet.state.adminState(limpet.slot('shop', 'a')), 'ready');
});

test('a simulated configuration: a backend that is taken out has its replicas for as long as they stay', async (t) => {
  const { simulate, sessions } = await start(t);
  sessions('a', 40);
  const added = '      - { id: new, url: "http://127.0.0.1:9009" }\n';
  const without = CONFIG.replace(/^ +- \{ id: a, url: "http:\/\/127.0.0.1:9001.*\n/m, '').replace(
    '    session:',
    `${added}$&`,
  );
  assert.deepEqual(short(await simulate({ config: without })), ['shop a>b 40 removed when-it-goes']);
});

test('a simulated configuration: what is in maintenance or departs already is not its doing', async (t) => {
  const limpet: LiveLimpet = new LiveLimpet(1000, {
    pools: () =>
      limpet.pools.map((pool) => {
        const backends = pool.backends.map((backend) => ({ ...backend, departing: backend.id === 'b' }));
        return { ...pool, backends };
      }),
  });
  const { address } = await startAdmin(t, {}, limpet.control);
  for (const backend of ['a', 'b']) limpet.session('shop', backend);
  limpet.state.setAdminState(limpet.slot('shop', 'a'), 'maintenance');
  const config = CONFIG.replace(', replicas: [b]', '').replace(/^ +- \{ id: b, .*\n/m, '');
  const reply = await call(address, 'POST', '/api/v1/simulate', { body: { config } });
  assert.deepEqual([reply.status, reply.json().total], [200, 0], reply.text);
});

test('a simulated configuration: what an operator has set stays, unless the file changes it', async (t) => {
  const { limpet, simulate, sessions } = await start(t);
  sessions('a', 4);
  limpet.state.setAdminState(limpet.slot('shop', 'b'), 'maintenance');
  limpet.state.setHealth(limpet.slot('shop', 'c'), 'up');
  const other = CONFIG.replace('9001", replicas: [b] }', '9001", state: maintenance }');
  assert.deepEqual(short(await simulate({ config: other })), ['shop a>null 4 maintenance now']);
  const ready = other.replace('9003", state: drain', '9003", state: ready');
  assert.deepEqual(short(await simulate({ config: ready })), ['shop a>c 4 maintenance now']);
});

test('a simulated configuration without a pool loses its sessions', async (t) => {
  const { simulate, sessions } = await start(t);
  sessions('only', 2, 'api');
  const plan = await simulate({
    config: CONFIG.replace(/^routes:.*\n/m, '').replace(/\n {2}api:.*$/s, '\n'),
  });
  assert.deepEqual(short(plan), ['api only>null 2 removed now']);
});

test('a configuration with mistakes is refused with all of them', async (t) => {
  const { post } = await start(t);
  const reply = await post('/simulate', { config: CONFIG.replace('balance: random', 'balance: rondom\n    x: 1') });
  assert.equal(reply.status, 422);
  const { errors } = reply.json() as { errors: Record<string, unknown>[] };
  assert.deepEqual(
    errors.map(({ file, line, column, path }) => [file, line, column, path]),
    [
      ['other.yaml', 12, 14, 'pools.api.balance'],
      ['other.yaml', 13, 5, 'pools.api.x'],
    ],
  );
});

test('a configuration of more than 64 KiB can be simulated', async (t) => {
  const { simulate } = await start(t);
  assert.equal((await simulate({ config: `${CONFIG}\n# ${'x'.repeat(200_000)}\n` })).total, 0);
});
