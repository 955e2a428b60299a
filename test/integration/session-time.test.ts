import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { FoundKey } from '../../src/affinity/strategy.ts';
import { issuerOf } from '../affinity/pool-fixture.ts';
import { Admin } from '../support/admin.ts';
import { type Answered, ask } from '../support/ask.ts';
import { eventually } from '../support/eventually.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { keyOf, SessionBackend, told } from '../support/session-backend.ts';

const IDLE = 4_000;
const LIFETIME = 5_000;

/** The id in a cookie: its first 24 characters. */
function idOf(cookie: string): string {
  return cookie.slice(cookie.indexOf('=') + 1).slice(0, 24);
}

/** Closed by its peer, with this code. */
interface Closed {
  code: number;
  at: number;
}

// At once: nearly all of their time they wait for limits.
describe('the time of a session, with 2 workers', { concurrency: true }, () => {
  const backends = ['a', 'b'].map((id) => new SessionBackend(id));
  const secret = randomBytes(32);
  let directory: string;
  let config: string;
  let limpet: LimpetProcess;

  before(async () => {
    await Promise.all(backends.map((backend) => backend.start()));
    directory = mkdtempSync(join(tmpdir(), 'limpet-time-'));
    writeFileSync(join(directory, 'secrets'), secret.toString('hex'), { mode: 0o600 });
    const list = backends.map(({ id, url }) => `{ id: ${id}, url: "${url}" }`).join(', ');
    const pool = (name: string, session: string, affinity = `{ by: cookie, name: ${name} }`): string =>
      `${name}: { backends: [${list}], balance: random, affinity: [${affinity}], session: { ${session} } }`;
    config = [
      'workers: 2',
      'log: { access: false }',
      `sessions: { secretFile: "${join(directory, 'secrets')}" }`,
      'routes:',
      '  - { match: { path: /idle }, pool: idle }',
      '  - { match: { path: /life }, pool: life }',
      '  - { match: { path: /key }, pool: key }',
      '  - { pool: shop }',
      'pools:',
      `  ${pool('shop', '')}`,
      `  ${pool('idle', `idle: ${IDLE}ms`)}`,
      `  ${pool('life', `lifetime: ${LIFETIME}ms`)}`,
      `  ${pool('key', `idle: ${IDLE}ms, lifetime: ${LIFETIME}ms`, '{ by: header, name: X-Key }')}`,
    ].join('\n');
    limpet = await startLimpetProcess(config);
  });
  after(async () => {
    await limpet?.stop();
    await Promise.all(backends.map((backend) => backend.stop()));
    rmSync(directory, { recursive: true, force: true });
  });

  const get = (path: string, cookie = ''): Promise<Answered> =>
    ask(limpet.url + path, { headers: cookie === '' ? {} : { cookie } });
  const expired = (answered: Answered): string => told(answered, 'limpet-session-expired');

  function open(path: string, cookie: string): Promise<{ socket: WebSocket; closed: Closed }> {
    const closed: Closed = { code: 0, at: 0 };
    const socket = new WebSocket(`ws://127.0.0.1:${limpet.port}${path}`, { headers: { cookie } });
    socket.on('error', () => {});
    socket.on('close', (code) => Object.assign(closed, { code, at: Date.now() }));
    return new Promise((resolve, reject) => {
      socket.on('open', () => resolve({ socket, closed }));
      socket.on('error', reject);
    });
  }

  test('9, 23: the idle limit slides with each request, and when it is over the first request of the next session says so, once', async () => {
    let cookie = '';
    let key = '';
    let asked = 0;
    let latest = 0;
    const began = Date.now();
    // Well beyond the limit, with gaps that are well within it; a machine that stops for so long begins again.
    while (Date.now() - began < IDLE * 1.5) {
      const before = asked;
      asked = Date.now();
      const answered = await get('/idle', cookie);
      const now = Date.now();
      // From before one request is sent until after the next is answered: the time between the two at limpet is no
      // longer.
      if (cookie !== '' && now - before < IDLE * 0.9) assert.equal(keyOf(answered), key, 'the session goes on');
      if (answered.cookie !== '') cookie = answered.cookie;
      key = keyOf(answered);
      latest = now;
      await sleep(300);
    }
    await sleep(latest + IDLE + 50 - Date.now());
    const next = await get('/idle', cookie);
    assert.deepEqual([next.status, expired(next)], [200, 'idle']);
    assert.notEqual(keyOf(next), key);
    assert.notEqual(idOf(next.cookie), idOf(cookie));
    assert.equal(expired(await get('/idle', next.cookie)), '', 'told once');
    // Whoever keeps the old cookie is told, too: it is a new session each time.
    assert.notEqual(keyOf(await get('/idle', cookie)), key);
  });

  test('9: the lifetime is never extended, by requests or by new cookies', async () => {
    const began = Date.now();
    const first = await get('/life');
    const key = keyOf(first);
    let { cookie } = first;
    const next = await eventually(
      'the end of its lifetime',
      async () => {
        const answered = await get('/life', cookie);
        if (keyOf(answered) !== key) return answered;
        if (answered.cookie !== '') cookie = answered.cookie;
        await sleep(100);
        return null;
      },
      30_000,
    );
    assert.ok(Date.now() - began >= LIFETIME - 1_000, `over after ${Date.now() - began} ms`);
    assert.equal(expired(next), 'lifetime');
    assert.equal(expired(await get('/life', next.cookie)), '', 'told once');
  });

  test('a key that its client chose begins anew when it has expired, under the same key', async () => {
    const headers = { 'x-key': 'mine' };
    const first = await ask(`${limpet.url}/key`, { headers });
    const next = await eventually(
      'the end of its lifetime',
      async () => {
        const answered = await ask(`${limpet.url}/key`, { headers });
        await sleep(100);
        return expired(answered) === '' ? null : answered;
      },
      30_000,
    );
    assert.deepEqual([keyOf(next), expired(next)], [keyOf(first), 'lifetime']);
    const again = await ask(`${limpet.url}/key`, { headers });
    assert.deepEqual([again.backend, expired(again)], [next.backend, '']);
  });

  test('2: the dates in the cookie are made new when a tenth of the idle limit has passed, not with each response', async () => {
    const asked = Date.now();
    const first = await get('/idle');
    const sent = Date.now();
    let { cookie } = first;
    let quiet = 0;
    const fresh = await eventually('a cookie with a new date', async () => {
      const started = Date.now();
      const answered = await get('/idle', cookie);
      assert.equal(keyOf(answered), keyOf(first));
      if (answered.cookie !== '') return answered;
      // It is not left for longer than that, either.
      assert.ok(started - sent < IDLE * 0.5, `no new date after ${started - sent} ms`);
      quiet++;
      return null;
    });
    // Its date lies between the two.
    assert.ok(Date.now() - asked >= IDLE * 0.1, `a new date after ${quiet} answers without one`);
    assert.equal(idOf(fresh.cookie), idOf(cookie), 'the same id');
    assert.notEqual(fresh.cookie, cookie);
    cookie = fresh.cookie;
    const shop = await get('/');
    for (let n = 0; n < 20; n++) assert.equal((await get('/', shop.cookie)).cookie, '');
  });

  test('20: looking at a session through the API does not keep it', async () => {
    const { cookie } = await get('/idle');
    const admin = new Admin(limpet.admin);
    const until = Date.now() + IDLE + 50;
    while (Date.now() < until) {
      await admin.sessions('idle');
      await sleep(200);
    }
    assert.equal(expired(await get('/idle', cookie)), 'idle');
  });

  test('9: the limits hold for cookies whose row is gone, and so does a date from the future', async () => {
    const issuer = (name: string) => issuerOf({ name }, { secrets: [secret] }, name);
    /** A cookie as limpet makes them. */
    const mint = (pool: string, began: number, issued: number): string => {
      const one = issuer(pool);
      const found = new FoundKey();
      one.create(found);
      const backend = { id: 'b' } as Parameters<typeof one.setCookie>[1];
      return /: ([^;]+)/.exec(one.setCookie(found, backend, began, issued, false))![1]!;
    };
    const now = Date.now();
    const minute = 60_000;
    const cases: [pool: string, path: string, began: number, issued: number, outcome: string][] = [
      ['shop', '/', now - 29 * minute, now - 29 * minute, 'adopted'],
      ['shop', '/', now - 11 * 60 * minute, now - minute, 'adopted'],
      ['shop', '/', now - 31 * minute, now - 31 * minute, 'idle'],
      ['shop', '/', now - 721 * minute, now - minute, 'lifetime'],
      ['shop', '/', now, now + 10 * minute, 'invalid'],
      ['shop', '/', now + 10 * minute, now + 10 * minute, 'invalid'],
      ['shop', '/', now, now - minute, 'adopted'],
      ['idle', '/idle', now - IDLE, now - IDLE, 'idle'],
      ['life', '/life', now - LIFETIME, now - 10, 'lifetime'],
      ['idle', '/', now, now, 'invalid'],
    ];
    for (const [pool, path, began, issued, outcome] of cases) {
      const cookie = mint(pool, began, issued);
      const answered = await get(path, cookie);
      assert.equal(answered.status, 200);
      const what = `${pool}: ${began - now}, ${issued - now}`;
      assert.equal(expired(answered), outcome === 'idle' || outcome === 'lifetime' ? outcome : '', what);
      // An adopted one keeps its id, and is sent a cookie with new dates.
      const same = idOf(answered.cookie) === idOf(cookie);
      assert.equal(same, outcome === 'adopted', what);
      if (same) assert.equal(answered.backend, 'b', what);
    }
  });

  test('9: after a restart without a snapshot a session goes on, and its lifetime with it', async () => {
    const began = Date.now();
    const first = await get('/life');
    // Another process with the same secret knows as little of it.
    const restarted = await startLimpetProcess(config);
    let { cookie } = first;
    let adopted = false;
    await eventually(
      'the end of its lifetime',
      async () => {
        const answered = await ask(`${restarted.url}/life`, { headers: { cookie } });
        await sleep(50);
        if (expired(answered) !== '') return true;
        assert.equal(keyOf(answered), keyOf(first));
        adopted = true;
        if (answered.cookie !== '') cookie = answered.cookie;
        return null;
      },
      30_000,
    ).finally(restarted.stop);
    const took = Date.now() - began;
    assert.ok(took >= LIFETIME - 1_000, `over after ${took} ms`);
    // A machine that takes that long for a start has nothing left to adopt.
    assert.ok(adopted || took > LIFETIME);
  });

  test('a WebSocket keeps its session from going idle as long as there is traffic; one without traffic is closed with 1008', async () => {
    const busy = await get('/idle');
    const quiet = await get('/idle');
    const one = await open('/idle', busy.cookie);
    const other = await open('/idle', quiet.cookie);
    const started = Date.now();
    const timer = setInterval(() => one.socket.send('here'), 200);
    await eventually('the quiet one to be closed', () => other.closed.code > 0, IDLE + 20_000);
    assert.equal(other.closed.code, 1008);
    assert.ok(other.closed.at - started >= IDLE - 500, `closed after ${other.closed.at - started} ms`);
    await sleep(started + IDLE * 1.5 - Date.now());
    assert.equal(one.closed.code, 0);
    const answered = await get('/idle', busy.cookie);
    assert.deepEqual([keyOf(answered), expired(answered)], [keyOf(busy), '']);
    assert.equal(expired(await get('/idle', quiet.cookie)), 'idle');
    clearInterval(timer);
    one.socket.close();
  });

  test('the lifetime ends a WebSocket with traffic, too, with 1008 on both sides', async () => {
    const began = Date.now();
    const { cookie } = await get('/life');
    const { socket, closed } = await open('/life?here', cookie);
    const codes: number[] = [];
    const served = backends.flatMap((backend) => backend.socketsOf('/life?here'));
    served[0]!.on('close', (code) => codes.push(code));
    const timer = setInterval(() => socket.readyState === WebSocket.OPEN && socket.send('here'), 100);
    await eventually('the end of its lifetime', () => closed.code > 0 && codes.length > 0, LIFETIME + 20_000);
    clearInterval(timer);
    assert.deepEqual([closed.code, codes], [1008, [1008]]);
    assert.ok(closed.at - began >= LIFETIME - 1_000);
  });
});
