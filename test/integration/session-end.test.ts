import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { WebSocket } from 'ws';
import { Admin } from '../support/admin.ts';
import { type Answered, ask } from '../support/ask.ts';
import { eventually } from '../support/eventually.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { RedisServer } from '../support/redis.ts';
import { findRedisServer, REDIS_MISSING } from '../support/redis-binary.ts';
import { keyOf, SessionBackend } from '../support/session-backend.ts';

const CLEARED = /^shop=; Path=\/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; SameSite=Lax$/;

interface OpenSocket {
  readonly socket: WebSocket;
  /** Of its Close; 0: it is open. */
  code: number;
}

function open(limpet: LimpetProcess, path: string, cookie: string): Promise<OpenSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${limpet.port}${path}`, { headers: { cookie } });
  const opened: OpenSocket = { socket, code: 0 };
  socket.on('close', (code) => {
    opened.code = code;
  });
  return new Promise((resolve, reject) => {
    socket.on('open', () => resolve(opened));
    socket.on('error', reject);
  });
}

describe('the end of a session, with 2 workers', () => {
  const backends = ['a', 'b'].map((id) => new SessionBackend(id));
  let directory: string;
  let config: string;
  let limpet: LimpetProcess;
  let admin: Admin;

  before(async () => {
    await Promise.all(backends.map((backend) => backend.start()));
    directory = mkdtempSync(join(tmpdir(), 'limpet-end-'));
    writeFileSync(join(directory, 'secrets'), randomBytes(32).toString('hex'), { mode: 0o600 });
    const list = backends.map(({ id, url }) => `{ id: ${id}, url: "${url}" }`).join(', ');
    const pool = (name: string, affinity: string, session: string): string =>
      `  ${name}: { backends: [${list}], balance: random, affinity: [${affinity}], session: { ${session} } }`;
    config = [
      'workers: 2',
      `sessions: { secretFile: "${join(directory, 'secrets')}", snapshot: "${join(directory, 'rows')}" }`,
      'routes:',
      '  - { match: { path: /app }, pool: app }',
      '  - { match: { path: /key }, pool: key }',
      '  - { match: { path: /open }, pool: shop, sticky: false }',
      '  - { pool: shop }',
      'pools:',
      pool('shop', '{ by: cookie, name: shop }', 'endOn: [{ path: /logout, methods: [POST], status: [200, 303] }]'),
      pool('app', '{ by: app-cookie, name: SID }, { by: cookie, name: app }', 'endOn: [{ path: /app/logout }]'),
      pool('key', '{ by: header, name: X-Key }', 'endOn: [{ path: /key/logout }]'),
    ].join('\n');
    limpet = await startLimpetProcess(config);
    admin = new Admin(limpet.admin);
  });
  after(async () => {
    await limpet?.stop();
    await Promise.all(backends.map((backend) => backend.stop()));
    rmSync(directory, { recursive: true, force: true });
  });

  const get = (path: string, cookie = '', headers: Record<string, string> = {}): Promise<Answered> =>
    ask(limpet.url + path, { headers: cookie === '' ? headers : { ...headers, cookie } });
  const post = (path: string, cookie: string): Promise<Answered> =>
    ask(limpet.url + path, { method: 'POST', headers: { cookie }, body: 'x' });
  const shown = async (key: string): Promise<boolean> =>
    (await fetch(`${limpet.admin}/api/v1/sessions/${key}`)).status === 200;
  const ended = (): Promise<number> => admin.metric('limpet_affinity_total', { pool: 'shop', outcome: 'ended' });

  /** The cookie is refused on each worker, and gives a new session. */
  async function refused(path: string, cookie: string, key: string): Promise<void> {
    const answers = await Promise.all(Array.from({ length: 8 }, () => get(path, cookie)));
    assert.equal(new Set(answers.map(keyOf)).size, 8);
    for (const answered of answers) {
      assert.equal(answered.status, 200);
      assert.notEqual(keyOf(answered), key);
      assert.ok(answered.cookie !== '' && answered.cookie !== cookie);
    }
  }

  test('24: endOn by path, method and status, and Limpet-Session: end; the cookie is cleared and refused from then on', async () => {
    const cases: [method: 'GET' | 'POST', path: string, ends: boolean][] = [
      ['POST', '/logout', true],
      ['POST', '/logout?status=303', true],
      ['POST', '/logout?status=500', false],
      ['GET', '/logout', false],
      ['GET', '/?session=end', true],
      ['GET', '/?session=END&status=500', true],
      ['GET', '/?session=rotate&session=end', true],
      ['GET', '/?session=ended', false],
      ['GET', '/open?session=end', false],
    ];
    for (const [method, path, ends] of cases) {
      const first = await get('/');
      const key = keyOf(first);
      const before = await ended();
      const answered = method === 'GET' ? await get(path, first.cookie) : await post(path, first.cookie);
      for (const name of Object.keys(answered.headers)) assert.doesNotMatch(name, /^limpet-/);
      if (!ends) {
        assert.equal(answered.cookie, '', `${method} ${path}`);
        assert.equal(keyOf(await get('/', first.cookie)), key);
        continue;
      }
      assert.equal(answered.headers['set-cookie']!.length, 1);
      assert.match(answered.headers['set-cookie']![0]!, CLEARED);
      assert.equal(await shown(key), false);
      await refused('/', first.cookie, key);
      await eventually('the metric', async () => (await ended()) >= before + 8);
    }
  });

  test('an end leaves what the response sets besides as it is', async () => {
    const { cookie } = await get('/');
    const answered = await get(`/?session=end&set=${encodeURIComponent('theme=dark; Path=/')}`, cookie);
    const lines = answered.headers['set-cookie']!;
    assert.equal(lines.length, 2);
    assert.ok(lines.includes('theme=dark; Path=/') && lines.some((line) => CLEARED.test(line)));
  });

  test('a session that begins and ends with one response leaves nothing behind', async () => {
    const answered = await get('/?session=end');
    assert.equal(answered.cookie, '');
    assert.equal(await shown(keyOf(answered)), false);
  });

  test('a WebSocket is closed also when its client begins another session under the same key at once', async () => {
    const headers = { 'x-key': 'a-room' };
    const socket = new WebSocket(`ws://127.0.0.1:${limpet.port}/key`, { headers });
    const closed = new Promise<number>((resolve) => socket.on('close', resolve));
    await new Promise((resolve) => socket.on('open', resolve));
    await get('/key/logout', '', headers);
    assert.equal((await get('/key', '', headers)).status, 200);
    assert.equal(await closed, 1008);
  });

  test('ended by the API', async () => {
    const first = await get('/');
    await admin.endSession(keyOf(first));
    assert.equal(await shown(keyOf(first)), false);
    await refused('/', first.cookie, keyOf(first));
  });

  test('ended when the application clears its cookie, or by endOn under a key of its own: the next one begins anew', async () => {
    const set = encodeURIComponent('SID=one; Path=/');
    const first = await get(`/app?set=${set}`);
    assert.equal(first.status, 200);
    const key = keyOf(await get('/app', 'SID=one'));
    assert.equal(await shown(key), true);
    await get(`/app?set=${encodeURIComponent('SID=; Path=/; Max-Age=0')}`, 'SID=one');
    assert.equal(await shown(key), false);
    await get('/app', 'SID=one');
    assert.equal(await shown(key), true, 'a key that the application chose is not refused for good');

    const headers = { 'x-key': 'mine' };
    const mine = keyOf(await get('/key', '', headers));
    const answered = await get('/key/logout', '', headers);
    assert.equal(answered.cookie, '');
    assert.equal(await shown(mine), false);
    assert.equal(keyOf(await get('/key', '', headers)), mine);
  });

  test('24: a cookie that is ended stays so when its row is gone and its signature would hold: after a restart from the snapshot', async () => {
    const first = await get('/');
    await post('/logout', first.cookie);
    const rotated = await get('/');
    const next = await get('/?session=rotate', rotated.cookie);
    const other = await get('/');
    await limpet.stop();
    limpet = await startLimpetProcess(config);
    admin = new Admin(limpet.admin);
    await refused('/', first.cookie, keyOf(first));
    await refused('/', rotated.cookie, keyOf(rotated));
    assert.equal((await get('/', next.cookie)).backend, next.backend);
    assert.equal(keyOf(await get('/', other.cookie)), keyOf(other));
  });

  for (const [how, end] of [
    ['by its application', (_: string, cookie: string) => get('/?session=end', cookie)],
    ['by endOn', (_: string, cookie: string) => post('/logout', cookie)],
    ['by the API', (key: string) => admin.endSession(key)],
  ] as const) {
    test(`WebSockets and event streams of a session that ends ${how} are closed in both workers, with 1008 in both directions; others stay`, async () => {
      const mine = await get('/');
      const other = await get('/');
      const path = `/ws-${how.replaceAll(' ', '-')}`;
      const sockets = await Promise.all(Array.from({ length: 12 }, () => open(limpet, path, mine.cookie)));
      const others = await Promise.all(Array.from({ length: 4 }, () => open(limpet, '/other', other.cookie)));
      const served = backends.flatMap((backend) => backend.socketsOf(path));
      const codes: number[] = [];
      for (const socket of served) socket.on('close', (code) => codes.push(code));
      let cuts = 0;
      const streams = Array.from({ length: 4 }, () => {
        const events = request(`${limpet.url}/?stream`, { headers: { cookie: mine.cookie }, agent: false });
        events.on('response', (response) => {
          response.on('error', () => {});
          response.on('close', () => cuts++);
          response.resume();
        });
        events.on('error', () => {});
        events.end();
        return events;
      });
      await eventually('the streams', () => backends.reduce((sum, one) => sum + one.streams, 0) === 4);
      const started = performance.now();
      await end(keyOf(mine), mine.cookie);
      await eventually(
        'all to be closed',
        () => sockets.every(({ code }) => code > 0) && codes.length === 12 && cuts === 4,
      );
      const took = performance.now() - started;
      assert.deepEqual(new Set([...sockets.map(({ code }) => code), ...codes]), new Set([1008]));
      // Two seconds are promised; a machine that is busy with other things takes longer to say so.
      assert.ok(took < 20_000, `after ${took} ms`);
      await eventually('the backends to see the streams end', () => backends.every((one) => one.streams === 0));
      for (const { socket } of others) {
        const echoed = new Promise((resolve) => socket.once('message', resolve));
        socket.send('still here');
        await echoed;
      }
      assert.deepEqual(new Set(others.map(({ code }) => code)), new Set([0]));
      for (const { socket } of others) socket.close();
      for (const stream of streams) stream.destroy();
    });
  }

  test('a client that does not answer the Close is cut', async () => {
    const { cookie } = await get('/');
    const { socket } = await open(limpet, '/deaf', cookie);
    // It reads nothing any more.
    socket.pause();
    assert.equal(await admin.connections(), 1);
    await post('/logout', cookie);
    await eventually('it to be cut', async () => (await admin.connections()) === 0, 20_000);
    socket.terminate();
  });
});

test('two nodes with a Redis agree: what ends or is rotated on one ends on the other, WebSockets too', {
  skip: findRedisServer() === null && REDIS_MISSING,
}, async (t) => {
  const backends = await Promise.all(['a', 'b'].map((id) => new SessionBackend(id).start()));
  t.after(() => Promise.all(backends.map((backend) => backend.stop())));
  const redis = await RedisServer.start();
  t.after(() => redis.stop());
  const directory = mkdtempSync(join(tmpdir(), 'limpet-end-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  writeFileSync(join(directory, 'secrets'), randomBytes(32).toString('hex'), { mode: 0o600 });
  const list = backends.map(({ id, url }) => `{ id: ${id}, url: "${url}" }`).join(', ');
  const yaml = [
    'workers: 2',
    `sessions: { secretFile: "${join(directory, 'secrets')}", store: redis, redis: { url: "redis://127.0.0.1:${redis.port}/0" } }`,
    `pools: { shop: { backends: [${list}], balance: random, affinity: [{ by: cookie, name: shop }] } }`,
  ].join('\n');
  const nodes = await Promise.all([startLimpetProcess(yaml), startLimpetProcess(yaml)]);
  t.after(() => Promise.all(nodes.map((node) => node.stop())));
  const get = (node: number, path: string, cookie = ''): Promise<Answered> =>
    ask(nodes[node]!.url + path, { headers: cookie === '' ? {} : { cookie } });

  for (const end of ['application', 'api'] as const) {
    const first = await get(0, '/');
    await eventually('both nodes to know it', async () => keyOf(await get(1, '/', first.cookie)) === keyOf(first));
    const sockets = await Promise.all([0, 1, 1, 1].map((node) => open(nodes[node]!, '/ws', first.cookie)));
    if (end === 'application') await get(0, '/?session=end', first.cookie);
    else await new Admin(nodes[0]!.admin).endSession(keyOf(first));
    await eventually('all to be closed', () => sockets.every(({ code }) => code > 0), 20_000);
    assert.deepEqual(new Set(sockets.map(({ code }) => code)), new Set([1008]), end);
    for (const node of [0, 1, 0, 1]) assert.notEqual(keyOf(await get(node, '/', first.cookie)), keyOf(first), end);
  }

  const first = await get(0, '/');
  await eventually('both nodes to know it', async () => keyOf(await get(1, '/', first.cookie)) === keyOf(first));
  const sockets = await Promise.all([0, 1, 1].map((node) => open(nodes[node]!, '/ws', first.cookie)));
  const rotated = await get(0, '/?session=rotate', first.cookie);
  assert.notEqual(rotated.cookie, '');
  await eventually(
    'the other node to refuse the old id',
    async () => keyOf(await get(1, '/', first.cookie)) !== keyOf(first),
    20_000,
  );
  const next = keyOf(await get(0, '/', rotated.cookie));
  for (const node of [1, 0, 1]) {
    const answered = await get(node, '/', rotated.cookie);
    assert.deepEqual([keyOf(answered), answered.backend], [next, first.backend]);
  }
  t.diagnostic(`WebSockets after a rotation on the first node: ${sockets.map(({ code }) => code)}`);
  await get(1, '/?session=end', rotated.cookie);
  await eventually('all to be closed', () => sockets.every(({ code }) => code > 0), 20_000);
  assert.deepEqual(new Set(sockets.map(({ code }) => code)), new Set([1008]));
});
