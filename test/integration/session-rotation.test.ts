import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, afterEach, before, describe, test } from 'node:test';
import { WebSocket } from 'ws';
import { Admin } from '../support/admin.ts';
import { type Answered, ask } from '../support/ask.ts';
import { eventually } from '../support/eventually.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { keyOf, SessionBackend, told } from '../support/session-backend.ts';

/** Fields of a session that the tests look at, as the API shows them. */
interface SessionFields {
  readonly key: string;
  readonly backend: string;
  readonly created: string;
  readonly requests: number;
}

/** Asked for by a page of the same site, as browsers say. */
const FROM_PAGE = { 'sec-fetch-site': 'same-origin' };

describe('rotation, with 2 workers', () => {
  const backends = ['a', 'b', 'c'].map((id) => new SessionBackend(id));
  let limpet: LimpetProcess;
  let admin: Admin;

  before(async () => {
    await Promise.all(backends.map((backend) => backend.start()));
    const list = (more = '') =>
      backends.map(({ id, url }, n) => `{ id: ${id}, url: "${url}", replicas: [${'bca'[n]}]${more} }`).join(', ');
    const pool = (name: string, more: string, backend = ''): string =>
      `  ${name}: { backends: [${list(backend)}], balance: random, affinity: [{ by: cookie, name: ${name} }, { by: header, name: X-Key }], ${more} }`;
    limpet = await startLimpetProcess(
      [
        'workers: 2',
        'log: { access: true }',
        'routes:',
        '  - { match: { path: /turns }, pool: turns }',
        '  - { match: { path: /full }, pool: full }',
        '  - { pool: shop }',
        'pools:',
        pool(
          'shop',
          'session: { rotateOn: [{ path: /login, methods: [POST], status: [200, 303] }, { path: /either }], endOn: [{ path: /logout }] }',
        ),
        pool('turns', 'session: { dialog: half-duplex }'),
        pool('full', '', ', maxRequests: 1'),
      ].join('\n'),
    );
    admin = new Admin(limpet.admin);
  });
  after(async () => {
    await limpet?.stop();
    await Promise.all(backends.map((backend) => backend.stop()));
  });
  afterEach(() => {
    for (const backend of backends) backend.release();
  });

  const get = (path: string, cookie = '', headers: Record<string, string> = {}): Promise<Answered> =>
    ask(limpet.url + path, { headers: cookie === '' ? headers : { ...headers, cookie } });
  const post = (path: string, cookie: string): Promise<Answered> =>
    ask(limpet.url + path, { method: 'POST', headers: { cookie }, body: 'x' });
  const held = (): number => backends.reduce((sum, backend) => sum + backend.held, 0);
  const release = (): void => {
    for (const backend of backends) backend.release();
  };
  const show = async (key: string): Promise<SessionFields | null> => {
    const response = await fetch(`${limpet.admin}/api/v1/sessions/${key}`);
    return response.status === 404 ? null : ((await response.json()) as SessionFields);
  };

  function open(path: string, cookie: string): Promise<{ socket: WebSocket; code: () => number }> {
    let closed = 0;
    const socket = new WebSocket(`ws://127.0.0.1:${limpet.port}${path}`, { headers: { cookie } });
    socket.on('close', (code) => {
      closed = code;
    });
    return new Promise((resolve, reject) => {
      socket.on('open', () => resolve({ socket, code: () => closed }));
      socket.on('error', reject);
    });
  }

  test('24: another id on the same backend, with all that is known of the session; the old one is refused, on each worker', async () => {
    const first = await get('/');
    for (let n = 0; n < 4; n++) await get('/', first.cookie);
    const was = (await show(keyOf(first)))!;
    const login = await post('/login', first.cookie);
    assert.equal(login.backend, first.backend);
    assert.notEqual(login.cookie, '');
    assert.notEqual(login.cookie.slice(0, 'shop='.length + 24), first.cookie.slice(0, 'shop='.length + 24));
    assert.equal(login.headers['set-cookie']!.length, 1, 'one limpet cookie (3)');
    assert.equal(keyOf(login), keyOf(first), 'the application knows the request by the id that it came with');
    const next = await get('/', login.cookie);
    assert.deepEqual([next.backend, next.cookie, told(next, 'limpet-session-moved')], [first.backend, '', '']);
    const now = (await show(keyOf(next)))!;
    assert.notEqual(now.key, was.key);
    assert.deepEqual([now.created, now.backend, now.requests], [was.created, was.backend, was.requests + 2]);
    assert.equal(await show(was.key), null);

    // Twelve connections: both workers get some.
    const others = await Promise.all(Array.from({ length: 12 }, () => get('/', first.cookie)));
    const keys = new Set(others.map(keyOf));
    assert.equal(keys.size, 12, 'each a session of its own');
    assert.ok(!keys.has(now.key) && !keys.has(was.key));
    for (const { status, cookie } of others) assert.ok(status === 200 && cookie !== '' && cookie !== login.cookie);
    assert.equal(keyOf(await get('/', login.cookie)), now.key, 'the session itself goes on');
    assert.ok((await admin.metric('limpet_affinity_total', { pool: 'shop', outcome: 'ended' })) >= 12);
  });

  test('rotateOn goes by path, method and status; Limpet-Session: rotate by the word of the application, which clients do not see', async () => {
    const cases: [method: 'GET' | 'POST', path: string, rotates: boolean][] = [
      ['POST', '/login?status=303', true],
      ['POST', '/login?status=401', false],
      ['GET', '/login', false],
      ['POST', '/login/more', true],
      ['POST', '/logins', false],
      ['GET', '/either?status=500', true],
      ['POST', '/?session=rotate', true],
      ['GET', '/?session=Rotate&status=404', true],
      ['GET', '/?session=other', false],
      ['GET', '/?user=eve', false],
    ];
    for (const [method, path, rotates] of cases) {
      const { cookie, backend } = await get('/');
      const answered = method === 'GET' ? await get(path, cookie) : await post(path, cookie);
      assert.equal(answered.cookie !== '', rotates, `${method} ${path}`);
      assert.equal(answered.backend, backend);
      for (const name of Object.keys(answered.headers)) assert.doesNotMatch(name, /^limpet-/, `${method} ${path}`);
      if (rotates) assert.notEqual(answered.cookie.slice(0, 29), cookie.slice(0, 29));
    }
    // A session that begins with this very response has an id that nobody else knows.
    const fresh = await post('/login', '');
    assert.equal(fresh.headers['set-cookie']!.length, 1);
    // A key that the client chose is its own to change.
    const key = await get('/?session=rotate', '', { 'x-key': 'mine' });
    assert.equal(keyOf(await get('/', '', { 'x-key': 'mine' })), keyOf(key));
  });

  test("fixation: a victim who logs in with an attacker's cookie ends with an id that the attacker does not know", async () => {
    const attacker = await get('/');
    const victim = await post('/login', attacker.cookie);
    assert.equal(victim.status, 200);
    const inside = await get('/', victim.cookie);
    const outside = await get('/', attacker.cookie);
    assert.equal(keyOf(inside), keyOf(await get('/', victim.cookie)));
    assert.notEqual(keyOf(outside), keyOf(inside));
    assert.equal((await show(keyOf(outside)))!.requests, 1, 'a fresh, empty session');
    assert.ok(outside.cookie !== '' && outside.cookie !== attacker.cookie && outside.cookie !== victim.cookie);
    // Nor does the claim that it comes from the site's own page give it the session.
    const late = await get('/', attacker.cookie, FROM_PAGE);
    assert.deepEqual([keyOf(late), late.cookie], ['', '']);
  });

  test('5: an id that limpet has not issued is never taken over', async () => {
    for (const value of ['A'.repeat(76), randomBytes(57).toString('base64url'), 'A'.repeat(24), 'sess-0815', '']) {
      const answered = await post('/login', `shop=${value}`);
      assert.equal(answered.status, 200);
      assert.match(answered.cookie, /^shop=[\w-]{76}$/);
      assert.ok(value === '' || !answered.cookie.includes(value.slice(0, 24)), value);
      assert.notEqual(keyOf(await get('/', `shop=${value}`)), keyOf(await get('/', answered.cookie)));
    }
  });

  test('a request that was under way with the old id is answered by the backend of the session, without a cookie', async () => {
    const { cookie, backend } = await get('/');
    const slow = Promise.all(Array.from({ length: 6 }, () => get('/?hold', cookie)));
    await eventually('the slow ones', () => held() === 6);
    const login = await post('/login', cookie);
    release();
    for (const answered of await slow)
      assert.deepEqual([answered.status, answered.backend, answered.cookie], [200, backend, '']);
    assert.equal((await get('/', login.cookie)).cookie, '');
  });

  test('what a request that was under way asks for is done to the session as it is now', async () => {
    const { cookie } = await get('/');
    const ends = get('/?hold&session=end', cookie);
    await eventually('the slow one', () => held() === 1);
    const login = await post('/login', cookie);
    release();
    assert.match((await ends).headers['set-cookie']![0]!, /Max-Age=0/);
    assert.notEqual(keyOf(await get('/', login.cookie)), keyOf(login));
    assert.notEqual((await get('/', login.cookie)).cookie, '', 'it has ended');

    // Two log-ins at once. Whoever planted the old id and holds a log-in of his own up must not be sent the id of the
    // session that another log-in has made.
    const two = await get('/');
    const slow = get('/?hold&session=rotate', two.cookie);
    await eventually('the slow one', () => held() === 1);
    const early = await post('/login', two.cookie);
    release();
    assert.equal((await slow).cookie, '');
    assert.equal((await get('/', early.cookie)).cookie, '', 'it goes on');
    assert.notEqual((await get('/', two.cookie)).cookie, '', 'refused');
  });

  test('a request with the old id that waits for a place at its backend gets it', async () => {
    const { cookie, backend } = await get('/full');
    const slow = get('/full?hold&session=rotate', cookie);
    await eventually('the slow one', () => held() === 1);
    const waiting = Promise.all(Array.from({ length: 3 }, () => get('/full', cookie)));
    await eventually(
      'three to wait',
      async () =>
        (await admin.backend('full', backend)).activeRequests === 1 && admin.connections().then((n) => n >= 4),
    );
    release();
    assert.notEqual((await slow).cookie, '');
    for (const answered of await waiting) {
      assert.equal(answered.status, 200);
      // One that had not come when the id was rotated is a stranger.
      if (answered.cookie === '') assert.equal(answered.backend, backend);
    }
  });

  test('a request with the old id that waits for its turn gets it, from the backend of the session and without a cookie', async () => {
    const { cookie, backend } = await get('/turns');
    const slow = get('/turns?hold&session=rotate', cookie);
    await eventually('the slow one', () => held() === 1);
    const waiting = Array.from({ length: 5 }, () => get('/turns', cookie));
    await eventually(
      'five to wait',
      async () =>
        (await admin.metric('limpet_requests_active', { pool: 'turns' })) >= 1 && (await admin.connections()) >= 6,
    );
    release();
    const rotated = await slow;
    assert.notEqual(rotated.cookie, '');
    let late = 0;
    for (const answered of await Promise.all(waiting)) {
      assert.equal(answered.status, 200);
      // One that had not come when the id was rotated is a stranger.
      if (answered.cookie !== '') late++;
      else assert.equal(answered.backend, backend);
    }
    assert.ok(late < 5);
    assert.equal((await get('/turns', rotated.cookie)).cookie, '');
  });

  test('a request that is tried again after its session got another id goes where the session is, and moves it', async () => {
    const { cookie, backend } = await get('/');
    const home = backends.find(({ id }) => id === backend)!;
    const slow = get('/?hold', cookie);
    await eventually('the slow one', () => home.held === 1);
    const login = await post('/login', cookie);
    const key = keyOf(await get('/', login.cookie));
    await home.stop();
    try {
      const elsewhere = await eventually('it to be tried elsewhere', () =>
        backends.find((one) => one !== home && one.held === 1),
      );
      elsewhere.release();
      const answered = await slow;
      assert.deepEqual([answered.status, answered.backend, answered.cookie], [200, elsewhere.id, '']);
      const next = await get('/', login.cookie);
      assert.deepEqual([next.backend, keyOf(next)], [elsewhere.id, key]);
      assert.equal((await show(key))!.backend, elsewhere.id);
    } finally {
      home.release();
      await home.start();
    }
  });

  test('a late request of a browser goes to the backend of the session, without a session and without a cookie; for five seconds', async () => {
    const { cookie, backend } = await get('/');
    const rotated = Date.now();
    const login = await post('/login', cookie);
    const late = await Promise.all(Array.from({ length: 8 }, () => get('/', cookie, FROM_PAGE)));
    for (const answered of late) {
      if (Date.now() - rotated > 4_000) break;
      assert.deepEqual([answered.status, answered.backend, answered.cookie, keyOf(answered)], [200, backend, '', '']);
    }
    // Whoever types the address or comes from elsewhere is no such request.
    for (const site of ['none', 'cross-site', 'same-site', 'same-origin, same-origin'])
      assert.notEqual((await get('/', cookie, { 'sec-fetch-site': site })).cookie, '', site);
    await eventually('the end of the grace', async () => (await get('/', cookie, FROM_PAGE)).cookie !== '', 20_000);
    assert.ok(Date.now() - rotated >= 4_900);
    assert.equal((await get('/', login.cookie)).cookie, '');
  });

  test('open WebSockets outlive a rotation, and are closed when the rotated session ends', async () => {
    const { cookie } = await get('/');
    const sockets = await Promise.all(Array.from({ length: 4 }, () => open('/ws', cookie)));
    const once = await post('/login', cookie);
    const twice = await post('/login', once.cookie);
    // Long enough for each to be looked at in each worker, see OpenStreams.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    assert.deepEqual(new Set(sockets.map(({ code }) => code())), new Set([0]));
    await post('/logout', twice.cookie);
    await eventually('all to be closed', () => sockets.every(({ code }) => code() > 0));
    assert.deepEqual(new Set(sockets.map(({ code }) => code())), new Set([1008]));
  });

  test('a WebSocket may be opened by the very response that rotates', async () => {
    const { cookie } = await get('/');
    const { socket, code } = await open('/ws?session=rotate', cookie);
    socket.send('here');
    assert.notEqual((await get('/', cookie)).cookie, '', 'the old id is refused');
    assert.equal(code(), 0);
    socket.close();
  });
});
