import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as elapse } from 'node:timers/promises';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { Admin } from '../support/admin.ts';
import { type Answered, ask } from '../support/ask.ts';
import { echo, HttpBackend } from '../support/http-backend.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { often } from '../support/long.ts';
import { isWhole, type RawClient } from '../support/raw-client.ts';
import { workerConnections } from '../support/worker-connections.ts';

const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const GARBAGE = often(2_000, 10_000);
const RACES = often(500, 2_000);
const IDLE = 3_000;
const LIFETIME = 4_000;

/** What the backend was told of a request. */
function told(answer: Answered): Record<string, string | undefined> {
  return (JSON.parse(answer.body) as { headers: Record<string, string> }).headers;
}

/** Value of a cookie `NAME=VALUE`. */
function cookieValue(cookie: string): string {
  return cookie.slice(cookie.indexOf('=') + 1);
}

describe('keys and cookies', () => {
  const backends = ['alpha', 'beta', 'gamma'].map((id) => new HttpBackend(id));
  const jwks = new HttpBackend('jwks');
  const secrets = [randomBytes(32).toString('base64'), randomBytes(32).toString('base64')] as [string, string];
  const keys = { good: generateKeyPair('ES256'), other: generateKeyPair('ES256') };
  const agent = new Agent({ keepAlive: true, maxSockets: 32 });
  const clients: RawClient[] = [];
  let directory: string;
  let yaml: string;
  let limpet: LimpetProcess;
  let admin: Admin;

  before(async () => {
    for (const backend of backends) await backend.start();
    const jwk = { ...(await exportJWK((await keys.good).publicKey)), kid: 'k1', alg: 'ES256' };
    jwks.answer = (_request, response) => void response.end(JSON.stringify({ keys: [jwk] }));
    await jwks.start();
    directory = await mkdtemp(join(tmpdir(), 'limpet-affinity-'));
    const list = backends.map(({ id, url }) => `{ id: ${id}, url: "${url}" }`).join(', ');
    const verify = (onInvalid: string): string =>
      `{ by: token, claim: sub, verify: { jwksUrl: "${jwks.url}", issuer: test, onInvalid: ${onInvalid} } }`;
    const pools = {
      main: 'affinity: [{ by: cookie }]',
      other: 'affinity: [{ by: cookie, name: other }]',
      idle: `affinity: [{ by: cookie, name: idle }], session: { idle: ${IDLE}ms }`,
      sliding: 'affinity: [{ by: cookie, name: sliding }], session: { idle: 4s }',
      life: `affinity: [{ by: cookie, name: life }], session: { lifetime: ${LIFETIME}ms }`,
      header: 'affinity: [{ by: header, name: x-key }]',
      learn: 'affinity: [{ by: app-cookie, name: JSESSIONID }, { by: header, name: x-session, learn: true }]',
      ip: 'affinity: [{ by: ip }]',
      net: 'affinity: [{ by: ip, prefix4: 24, prefix6: 48 }]',
      token: 'affinity: [{ by: token, claim: sub }]',
      cascade:
        'affinity: [{ by: token }, { by: header, name: x-key }, { by: query, name: sid }, { by: cookie, name: cascade }]',
      ignore: `affinity: [${verify('ignore')}, { by: cookie, name: ignore }]`,
      reject: `affinity: [${verify('reject')}, { by: cookie, name: reject }]`,
    };
    yaml = [
      'workers: 2',
      'trustedProxies: [127.0.0.1/32]',
      `sessions: { secretFile: ${join(directory, 'secrets')} }`,
      'routes:',
      ...Object.keys(pools).map((name) => `  - { match: { path: /${name} }, pool: ${name} }`),
      'pools:',
      ...Object.entries(pools).map(
        ([name, more]) => `  ${name}: { backends: [${list}], balance: round-robin, ${more} }`,
      ),
    ].join('\n');
    await start(secrets[0]);
  });
  beforeEach(() => {
    for (const backend of backends) backend.answer = echo;
  });
  after(async () => {
    agent.destroy();
    for (const client of clients) client.close();
    await limpet?.stop();
    await Promise.all([...backends, jwks].map((backend) => backend.stop()));
    await rm(directory, { recursive: true, force: true });
  });

  /** Starts limpet with these secrets; the one that ran before is stopped. */
  async function start(...lines: string[]): Promise<void> {
    await limpet?.stop();
    await writeFile(join(directory, 'secrets'), `${lines.join('\n')}\n`, { mode: 0o600 });
    limpet = await startLimpetProcess(yaml);
    admin = new Admin(limpet.admin);
  }

  const get = (path: string, headers: Record<string, string | string[]> = {}): Promise<Answered> =>
    ask(limpet.url + path, { headers, agent });
  const outcome = async (path: string): Promise<unknown> =>
    (await limpet.logged((line) => line.msg === 'request' && line.path === path)).affinity;

  test('2: Set-Cookie goes out with a new session and not again', async () => {
    const first = await get('/main');
    assert.match(first.cookie, /^limpet=[\w-]{76}$/);
    for (let n = 0; n < 20; n++) {
      const answer = await get('/main', { cookie: first.cookie });
      assert.equal(answer.cookie, '');
      assert.equal(answer.backend, first.backend);
    }
    const [session] = (await admin.sessions('main')).filter(({ key }) => key === told(first)['limpet-session']);
    assert.equal(session?.requests, 21, 'the backend is told the public id of the session');
  });

  test('2: and when a tenth of the idle time has passed, so that its dates stay young', async () => {
    const first = await get('/sliding');
    const started = performance.now();
    let renewed = '';
    while (renewed === '' && performance.now() - started < 3_900)
      renewed = (await get('/sliding', { cookie: first.cookie })).cookie;
    assert.ok(performance.now() - started > 300, 'not before');
    assert.equal(
      cookieValue(renewed).slice(0, 24),
      cookieValue(first.cookie).slice(0, 24),
      'the session id is the same',
    );
    assert.notEqual(renewed, first.cookie);
    for (const cookie of [first.cookie, renewed])
      assert.equal((await get('/sliding', { cookie })).backend, first.backend);
  });

  test(`5: ${GARBAGE} garbage cookies: never an error, and their sessions are spread over all backends`, async () => {
    const good = cookieValue((await get('/main')).cookie);
    const random = (length: number): string =>
      Array.from({ length }, () => BASE64URL[Math.floor(Math.random() * 64)]).join('');
    const kinds: (() => string)[] = [
      () => `limpet=${random(72)}`,
      () => `limpet=${random(Math.floor(Math.random() * 200))}`,
      () => `limpet=${random(40)}${good.slice(40)}`,
      () => `limpet=${good}${random(1)}`,
      () => `limpet=${good.slice(0, 71)}`,
      () => 'limpet=',
      () => 'limpet',
      () => 'limpet=0',
      () => `limpet="${random(70)}"`,
      () =>
        `limpet=${Buffer.from(randomBytes(54))
          .toString('latin1')
          .replace(/[\0-\x1f\x7f]/g, '.')}`,
      () => `limpet=${random(6_000)}`,
      () => ';;;=limpet; limpet =x; =; limpet=%00%0d%0a',
      () => Array.from({ length: 30 }, () => `limpet=${random(72)}`).join('; '),
      () => `limpet=alpha`,
    ];
    const before = await admin.metric('limpet_affinity_total', { pool: 'main', outcome: 'invalid' });
    const homes = new Map<string, number>();
    let sent = 0;
    await Promise.all(
      Array.from({ length: 32 }, async () => {
        while (sent < GARBAGE) {
          const cookie = kinds[sent++ % kinds.length]!();
          const answer = await get('/main', { cookie });
          assert.equal(answer.status, 200, `${cookie}: ${answer.code}`);
          assert.match(answer.cookie, /^limpet=[\w-]{76}$/, 'a new session');
          homes.set(answer.backend, (homes.get(answer.backend) ?? 0) + 1);
        }
      }),
    );
    assert.deepEqual([...homes.keys()].sort(), ['alpha', 'beta', 'gamma']);
    for (const [id, count] of homes) assert.ok(count > GARBAGE * 0.2 && count < GARBAGE * 0.5, `${id} got ${count}`);
    const invalid = (await admin.metric('limpet_affinity_total', { pool: 'main', outcome: 'invalid' })) - before;
    assert.ok(invalid > GARBAGE * 0.8, `${invalid} were counted as invalid`);
  });

  test('6: of several cookies of one name the first valid one wins, wherever it stands', async () => {
    const [one, two] = await twoHomes('main');
    const bad = `limpet=${'A'.repeat(76)}`;
    for (const cookie of [
      `${bad}; ${one.cookie}`,
      `limpet=; ${one.cookie}; ${bad}`,
      `limpet=x; ${bad}; a=b; ${one.cookie}; ${two.cookie}`,
      [bad, `theme=dark; ${one.cookie}`, two.cookie],
    ]) {
      const answer = await get('/main', { cookie });
      assert.deepEqual([answer.backend, answer.cookie], [one.backend, ''], String(cookie));
    }
    assert.equal((await get('/main', { cookie: `${two.cookie}; ${one.cookie}` })).backend, two.backend);
  });

  test('9: a session ends when it is idle too long, and the application is told', async () => {
    const first = await get('/idle');
    await elapse(IDLE + 50);
    const late = await get('/idle/late', { cookie: first.cookie });
    assert.equal(late.status, 200);
    assert.match(late.cookie, /^idle=/);
    assert.notEqual(told(late)['limpet-session'], told(first)['limpet-session']);
    assert.equal(told(late)['limpet-session-expired'], 'idle');
    assert.equal(await outcome('/idle/late'), 'expired');
    const next = await get('/idle', { cookie: late.cookie });
    assert.equal(told(next)['limpet-session-expired'], undefined, 'told once');
    assert.equal(next.backend, late.backend);
  });

  test('9: traffic keeps it from being idle, but never extends its lifetime', async () => {
    const sliding = await get('/sliding');
    const started = performance.now();
    const first = await get('/life');
    let { cookie } = first;
    let expired: string | undefined;
    while (expired === undefined) {
      const answer = await get('/life', { cookie });
      expired = told(answer)['limpet-session-expired'];
      if (expired === undefined) {
        assert.equal(answer.backend, first.backend);
        cookie = answer.cookie || cookie;
      }
      await get('/sliding', { cookie: sliding.cookie });
      await elapse(50);
    }
    assert.equal(expired, 'lifetime');
    assert.ok(performance.now() - started > LIFETIME - 50);
    while (performance.now() - started < 6_000) {
      assert.equal((await get('/sliding', { cookie: sliding.cookie })).backend, sliding.backend);
      await elapse(50);
    }
  });

  test('11: a cookie says nothing to whom it is not for', async () => {
    const cookies: string[] = [];
    while (cookies.length < 8) {
      const answer = await get('/main');
      if (answer.backend === 'alpha') cookies.push(cookieValue(answer.cookie));
    }
    const { port } = backends[0]!;
    for (const cookie of cookies) {
      const bytes = Buffer.from(cookie, 'base64url');
      for (const name of ['alpha', '127.0.0.1', String(port)])
        assert.ok(!cookie.includes(name) && !bytes.includes(name), `${name} is not in it`);
      // But for the times at the front, two cookies of one backend have no more in common than two random numbers.
      for (const other of cookies) {
        if (other === cookie) continue;
        const theirs = Buffer.from(other, 'base64url');
        const alike = bytes.subarray(30).filter((byte, i) => byte === theirs[30 + i]).length;
        assert.ok(alike < 6, `${alike} of 24 bytes are the same`);
      }
    }
  });

  test('11: no character of a cookie can be changed, and a cookie of another pool is none', async () => {
    const first = await get('/main');
    const value = cookieValue(first.cookie);
    for (let at = 0; at < value.length; at++) {
      const changed = BASE64URL[(BASE64URL.indexOf(value[at]!) + 1) % 64]!;
      const answer = await get('/main', { cookie: `limpet=${value.slice(0, at)}${changed}${value.slice(at + 1)}` });
      // A change behind the id still finds the row, as the id alone is its key; in the id it is another session.
      if (at < 24) assert.notEqual(answer.cookie, '', `character ${at} was changed`);
    }
    const elsewhere = await get('/other/11', { cookie: `other=${value}` });
    assert.notEqual(elsewhere.cookie, '');
    assert.equal(await outcome('/other/11'), 'invalid');
  });

  test('15: a missing or empty key is never hashed: such requests are balanced like any new one', async () => {
    for (const headers of [{}, { 'x-key': '' }] as Record<string, string>[]) {
      const homes = new Set<string>();
      for (let n = 0; n < 12; n++) {
        const answer = await get('/header/15', headers);
        homes.add(answer.backend);
        assert.equal(told(answer)['limpet-session'], undefined);
      }
      assert.equal(homes.size, 3);
    }
    assert.equal(await outcome('/header/15'), 'none');
    assert.equal((await admin.sessions('header')).length, 0);
  });

  test('16: addresses stick by /32 and /64 behind trusted proxies, or by what the pool says', async () => {
    const home = async (pool: string, address: string): Promise<string> =>
      (await get(`/${pool}`, { 'x-forwarded-for': `198.51.100.7, ${address}` })).backend;
    const spread = async (pool: string, addresses: string[]): Promise<number> =>
      new Set(await Promise.all(addresses.map((address) => home(pool, address)))).size;
    const numbers = Array.from({ length: 24 }, (_, n) => n + 1);
    assert.equal(
      await spread(
        'ip',
        numbers.map((n) => `2001:db8:1:2::${n.toString(16)}`),
      ),
      1,
    );
    assert.equal(
      await spread(
        'ip',
        numbers.map((n) => `2001:db8:1:${n + 2}::1`),
      ),
      3,
    );
    assert.equal(
      await spread(
        'ip',
        numbers.map((n) => `192.0.2.${n}`),
      ),
      3,
    );
    assert.equal(
      await spread(
        'net',
        numbers.map((n) => `192.0.2.${n}`),
      ),
      1,
    );
    assert.equal(
      await spread(
        'net',
        numbers.map((n) => `2001:db8:1:${n}::1`),
      ),
      1,
    );
    assert.equal(await home('ip', '192.0.2.9'), await home('ip', '::ffff:192.0.2.9'));
    // One row for each network.
    assert.equal((await admin.sessions('net')).length, 2);
  });

  test('17: a cookie of the application is learned from a good response and released when it is cleared', async () => {
    const setting = (status: number, line: string): void => {
      for (const backend of backends) {
        backend.answer = (_request, response) => {
          response.writeHead(status, { 'Set-Cookie': line }).end();
        };
      }
    };
    setting(200, 'JSESSIONID=s1; Path=/; HttpOnly');
    const login = await get('/learn');
    const cookie = 'JSESSIONID=s1';
    for (const backend of backends) backend.answer = echo;
    for (let n = 0; n < 6; n++) assert.equal((await get('/learn', { cookie })).backend, login.backend);
    assert.equal((await admin.sessions('learn')).length, 1);

    setting(500, 'JSESSIONID=s500');
    assert.equal((await get('/learn')).status, 500);
    assert.equal((await admin.sessions('learn')).length, 1, 'an error page teaches nothing');

    setting(302, 'JSESSIONID=; Max-Age=0');
    assert.equal((await get('/learn', { cookie })).backend, login.backend);
    assert.equal((await admin.sessions('learn')).length, 0, 'released');
  });

  test('17: a header is learned too, and a key that another backend hands out is bound anew', async () => {
    for (const backend of backends)
      backend.answer = (_request, response) => void response.setHeader('X-Session', 'h1').end();
    const first = await get('/learn');
    // Requests without a key take turns: the next one is answered by another backend, with the same key.
    let second = await get('/learn');
    while (second.backend === first.backend) second = await get('/learn');
    for (const backend of backends) backend.answer = echo;
    for (let n = 0; n < 6; n++) {
      const answer = await get('/learn', { 'x-session': 'h1' });
      assert.equal(answer.backend, second.backend);
      assert.equal(told(answer)['limpet-session-moved'], undefined, 'the application did it itself');
    }
    const [session, ...more] = await admin.sessions('learn');
    assert.deepEqual([session?.backend, more.length], [second.backend, 0]);
  });

  test(`18: two first requests of one token at the same moment on two workers end on one backend, ${RACES} times`, async () => {
    const pairs = 4;
    const [left, right] = await workerConnections(limpet.port, '/header', pairs, clients);
    const homes = new Set<string>();
    let trial = 0;
    await Promise.all(
      Array.from({ length: pairs }, async (_, pair) => {
        while (trial < RACES) {
          const token = `trial-${trial++}`;
          const two = [left[pair]!, right[pair]!];
          const answers = two.map((client) => {
            client.text = '';
            client.send(`GET /header HTTP/1.1\r\nHost: x\r\nX-Key: ${token}\r\n\r\n`);
            return client.until(isWhole);
          });
          const [one, other] = (await Promise.all(answers)).map((text) => /x-backend: (\w+)/i.exec(text)?.[1]);
          assert.ok(one !== undefined);
          assert.equal(one, other, token);
          homes.add(one);
        }
      }),
    );
    assert.equal(homes.size, 3);
    assert.equal(await admin.metric('limpet_sessions', { pool: 'header' }), RACES);
  });

  describe('tokens that are verified', () => {
    const sign = async (pair: 'good' | 'other', sub: string, more: object = {}, expires = '5m'): Promise<string> =>
      new SignJWT({ sub, ...more })
        .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
        .setIssuer('test')
        .setIssuedAt()
        .setExpirationTime(expires)
        .sign((await keys[pair]).privateKey);
    const bearer = (token: string): { authorization: string } => ({ authorization: `Bearer ${token}` });

    test('19: a renewed token of the same subject finds the same session', async () => {
      for (const pool of ['ignore', 'reject']) {
        const homes = new Set<string>();
        for (let n = 0; n < 6; n++) {
          const first = await get(`/${pool}`, bearer(await sign('good', `user-${n}`)));
          const second = await get(`/${pool}`, bearer(await sign('good', `user-${n}`, { jti: 'renewed' }, '9m')));
          assert.deepEqual([first.status, first.cookie, second.backend], [200, '', first.backend]);
          assert.equal(told(second)['limpet-session'], told(first)['limpet-session']);
          homes.add(first.backend);
        }
        assert.equal(homes.size, 3);
      }
    });

    test('onInvalid reject: 401 with a challenge; ignore: the token is no key and the next in the cascade is asked', async () => {
      const bad = {
        forged: await sign('other', 'user-0'),
        expired: await sign('good', 'user-0', {}, '-2h'),
        garbage: 'not.a.token',
        unsigned: `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from('{"sub":"user-0"}').toString('base64url')}.`,
      };
      for (const [kind, token] of Object.entries(bad)) {
        const rejected = await get('/reject', bearer(token));
        assert.deepEqual([rejected.status, rejected.code], [401, 'UNAUTHORIZED'], kind);
        assert.match(String(rejected.headers['www-authenticate']), /^Bearer /);
        const ignored = await get('/ignore', bearer(token));
        assert.equal(ignored.status, 200, kind);
        assert.match(ignored.cookie, /^ignore=/, kind);
        const again = await get('/ignore', { ...bearer(token), cookie: ignored.cookie });
        assert.deepEqual([again.backend, again.cookie], [ignored.backend, '']);
      }
      assert.equal((await get('/reject')).status, 200, 'no token is no invalid one');
    });

    test('many requests that wait for the keys of a new token are all answered', async () => {
      const tokens = await Promise.all(Array.from({ length: 40 }, (_, n) => sign('good', `many-${n}`)));
      const answers = await Promise.all(tokens.map((token) => ask(`${limpet.url}/reject`, { headers: bearer(token) })));
      assert.ok(answers.every(({ status }) => status === 200));
    });
  });

  test('the cascade: the first strategy that finds a key wins', async () => {
    const kinds = {
      token: { headers: { authorization: 'Bearer t-1' }, path: '/cascade' },
      header: { headers: { 'x-key': 'h-1' }, path: '/cascade' },
      query: { headers: {}, path: '/cascade?sid=q-1' },
    };
    const session = async (path: string, headers: Record<string, string>): Promise<string | undefined> =>
      told(await get(path, headers))['limpet-session'];
    const issued = await get('/cascade');
    const id = {
      token: await session(kinds.token.path, kinds.token.headers),
      header: await session(kinds.header.path, kinds.header.headers),
      query: await session(kinds.query.path, {}),
      cookie: told(issued)['limpet-session'],
    };
    assert.equal(new Set(Object.values(id)).size, 4);
    const all = { ...kinds.token.headers, ...kinds.header.headers, cookie: issued.cookie };
    assert.equal(await session('/cascade?sid=q-1', all), id.token);
    const { authorization: _, ...untokened } = all;
    assert.equal(await session('/cascade?sid=q-1', untokened), id.header);
    assert.equal(await session('/cascade?sid=q-1', { cookie: issued.cookie }), id.query);
    assert.equal(await session('/cascade', { cookie: issued.cookie }), id.cookie);
    assert.equal(
      (await get('/cascade', kinds.header.headers)).cookie,
      '',
      'a cookie only when nothing else found a key',
    );
  });

  test('24: a session that was ended does not come back to life through its cookie', async () => {
    const first = await get('/main');
    const key = told(first)['limpet-session']!;
    await admin.endSession(key);
    const bad = `limpet=${'A'.repeat(76)}`;
    for (const [path, cookie] of [
      ['/main/24/alone', first.cookie],
      ['/main/24/again', first.cookie],
      ['/main/24/behind', `${bad}; ${first.cookie}`],
      ['/main/24/before', `${first.cookie}; ${bad}`],
    ] as const) {
      const answer = await get(path, { cookie });
      assert.equal(answer.status, 200);
      assert.notEqual(told(answer)['limpet-session'], key, path);
      assert.match(answer.cookie, /^limpet=/);
    }
    assert.equal(await outcome('/main/24/alone'), 'ended');
    assert.ok((await admin.sessions('main')).every((session) => session.key !== key));
    const live = await get('/main');
    assert.equal((await get('/main', { cookie: `${first.cookie}; ${live.cookie}` })).backend, live.backend);
  });

  test('9, 11: after a restart cookies prove their session under the old secret, and the limits hold all the same', async () => {
    const [one, two] = await twoHomes('main');
    const ended = await get('/main');
    await admin.endSession(told(ended)['limpet-session']!);
    const idle = await get('/idle');
    const life = await get('/life');
    const began = performance.now();
    // The new secret signs, the old one still verifies.
    await start(secrets[1], secrets[0]);
    await elapse(Math.max(0, began + LIFETIME + 50 - performance.now()));

    const renewed = await get('/main/adopted', { cookie: one.cookie });
    assert.equal(renewed.backend, one.backend);
    assert.equal(await outcome('/main/adopted'), 'adopted');
    assert.match(renewed.cookie, /^limpet=/, 'signed anew');
    const again = await get('/main', { cookie: renewed.cookie });
    assert.deepEqual([again.backend, again.cookie], [one.backend, '']);
    for (const [pool, cookie, why] of [
      ['idle', idle.cookie, 'idle'],
      ['life', life.cookie, 'lifetime'],
    ] as const) {
      const late = await get(`/${pool}/restarted`, { cookie });
      assert.equal(told(late)['limpet-session-expired'], why);
      assert.equal(await outcome(`/${pool}/restarted`), 'expired');
      assert.notEqual(late.cookie, '');
    }

    // The old secret is taken away: what it signed is no key any more, what the new one signed still is.
    await start(secrets[1]);
    const kept = await get('/main', { cookie: renewed.cookie });
    assert.equal(kept.backend, one.backend);
    const gone = await get('/main/unsigned', { cookie: two.cookie });
    assert.notEqual(gone.cookie, '');
    assert.equal(await outcome('/main/unsigned'), 'invalid');
  });

  /** Two new sessions of a pool on different backends. */
  async function twoHomes(pool: string): Promise<[Answered, Answered]> {
    const one = await get(`/${pool}`);
    for (;;) {
      const two = await get(`/${pool}`);
      if (two.backend !== one.backend) return [one, two];
    }
  }
});
