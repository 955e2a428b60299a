import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Admin } from '../support/admin.ts';
import { type Answered, type AskOptions, ask } from '../support/ask.ts';
import { type AuditLine, audited, readAudit } from '../support/audit.ts';
import { eventually } from '../support/eventually.ts';
import { type HttpBackend as Backend, echo, HttpBackend } from '../support/http-backend.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';

const TOKEN_SECRET = 'a secret of thirty-two bytes, or so';

/** Answers as the query says: `set` is a Set-Cookie line, `session` a Limpet-Session, `wait` in ms. */
function answer(request: IncomingMessage, response: ServerResponse, backend: Backend): void {
  const { searchParams } = new URL(request.url ?? '/', 'http://x');
  for (const line of searchParams.getAll('set')) response.appendHeader('Set-Cookie', line);
  for (const word of searchParams.getAll('session')) response.setHeader('Limpet-Session', word);
  setTimeout(() => echo(request, response, backend), Number(searchParams.get('wait') ?? 0));
}

/** Public id of the session that an answer of `echo` was given to. */
function keyOf({ body }: Answered): string {
  return (JSON.parse(body) as { headers: Record<string, string> }).headers['limpet-session'] ?? '';
}

function jwt(claims: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'HS256' })}.${part(claims)}`;
  return `${signed}.${createHmac('sha256', TOKEN_SECRET).update(signed).digest('base64url')}`;
}

describe('the events of the audit log, with 2 workers', () => {
  const backends = ['a', 'b', 'c', 'd'].map((id) => new HttpBackend(id, answer));
  let limpet: LimpetProcess;
  let admin: Admin;
  let directory: string;
  let path: string;
  let config: string;

  const entry = (id: string, more = ''): string =>
    `{ id: ${id}, url: "${backends.find((one) => one.id === id)!.url}"${more} }`;

  before(async () => {
    await Promise.all(backends.map((backend) => backend.start()));
    directory = mkdtempSync(join(tmpdir(), 'limpet-audit-'));
    path = join(directory, 'audit.jsonl');
    writeFileSync(join(directory, 'secrets'), randomBytes(32).toString('hex'), { mode: 0o600 });
    writeFileSync(join(directory, 'token'), TOKEN_SECRET, { mode: 0o600 });
    const both = `backends: [${entry('a', ', replicas: [b]')}, ${entry('b', ', replicas: [a]')}]`;
    config = `
workers: 2
log: { audit: "${path}", level: trace }
sessions: { max: 1000, secretFile: "${join(directory, 'secrets')}" }
trustedProxies: [127.0.0.1/32]
routes:
  - { match: { path: /short }, pool: short }
  - { match: { path: /strict }, pool: strict }
  - { match: { path: /learned }, pool: learned }
  - { match: { path: /token }, pool: token }
  - { match: { path: /bound }, pool: bound }
  - { match: { path: /keys }, pool: keys }
  - { match: { path: /turns }, pool: turns }
  - { match: { path: /users }, pool: users }
  - { match: { path: /crowd }, pool: crowd }
  - { match: { path: /simplex }, pool: simplex }
  - { match: { path: /csrf }, pool: shop, csrf: reject-cross-site }
  - { pool: shop }
pools:
  shop:
    ${both}
    health: { passive: { failures: 5, window: 10s, eject: 1s } }
    session:
      rotateOn: [{ path: /login }]
      endOn: [{ path: /logout }]
  short:
    ${both}
    affinity: [{ by: header, name: X-Short }]
    session: { idle: 1s, lifetime: 3s }
  strict:
    backends: [${entry('c')}, ${entry('d')}]
    affinity: [{ by: cookie, name: strict }]
    failover: { onLost: reject }
  learned:
    ${both}
    affinity: [{ by: app-cookie, name: SID }]
  token:
    ${both}
    affinity: [{ by: token, from: authorization, claim: sub, verify: { secret: "${TOKEN_SECRET}", algorithms: [HS256], onInvalid: reject } }]
  bound:
    ${both}
    affinity: [{ by: cookie, name: bound }]
    session: { bindTo: [user-agent], onBindingMismatch: reject }
  turns:
    ${both}
    affinity: [{ by: cookie, name: turns }]
    session: { dialog: half-duplex, dialogQueue: { max: 1, wait: 1s } }
  users:
    ${both}
    affinity: [{ by: cookie, name: users }]
    session: { perUser: { header: X-User, max: 1 } }
  crowd:
    ${both}
    affinity: [{ by: cookie, name: crowd }]
    session: { perUser: { header: X-User, max: 1, whenFull: refuse } }
  simplex:
    ${both}
    affinity: [{ by: cookie, name: simplex }]
    session: { dialog: simplex }
  keys:
    ${both}
    affinity: [{ by: header, name: X-Key }, { by: query, name: sid }]
`;
    limpet = await startLimpetProcess(config);
    admin = new Admin(limpet.admin);
  });
  after(async () => {
    await limpet?.stop();
    await Promise.all(backends.map((backend) => backend.stop()));
    rmSync(directory, { recursive: true, force: true });
  });

  const get = (target: string, options: AskOptions = {}): Promise<Answered> => ask(limpet.url + target, options);

  /** A session of the pool `shop`. */
  const begin = async (
    target = '/',
    client = '10.0.0.1',
  ): Promise<{ key: string; cookie: string; backend: string }> => {
    const answered = await get(target, { headers: { 'x-forwarded-for': client } });
    assert.equal(answered.status, 200);
    return { key: keyOf(answered), cookie: answered.cookie, backend: answered.backend };
  };

  /** The line of this event and session; that there is only one is seen at the end. */
  const line = async (event: string, key: string, wanted: Partial<AuditLine>): Promise<AuditLine> => {
    const [found] = await audited(path, (one) => one.event === event && one.key === key);
    for (const [name, value] of Object.entries(wanted)) {
      assert.equal(found![name as keyof AuditLine], value, `${event}: ${name}`);
    }
    return found!;
  };

  test('created: when a backend has answered, with the address of the client', async () => {
    const { key, backend } = await begin('/', '10.1.2.3');
    await line('created', key, { pool: 'shop', backend, client: '10.1.2.3', from: null, reason: null });
  });

  test('18: created once for two first requests of one key, and not at all for one that nobody answers', async () => {
    const [one, two] = await Promise.all([1, 2].map(() => get('/keys?wait=50', { headers: { 'x-key': 'twins' } })));
    assert.equal(keyOf(one!), keyOf(two!));
    await line('created', keyOf(one!), { pool: 'keys' });
  });

  test('moved and ended by an operator', async () => {
    const { key, backend } = await begin();
    const other = backend === 'a' ? 'b' : 'a';
    await admin.moveSession(key, other);
    await line('moved', key, { pool: 'shop', backend: other, from: backend, reason: 'operator', client: null });
    await admin.endSession(key);
    await line('ended', key, { pool: 'shop', backend: other, reason: 'operator', client: null });
  });

  test('34: moved when its backend is down, and by the end of a drain', async () => {
    const sessions = await Promise.all(Array.from({ length: 8 }, () => begin()));
    const on = (id: string) => sessions.filter(({ backend }) => backend === id);
    assert.ok(on('a').length > 0 && on('b').length > 0);
    const a = backends[0]!;
    await a.stop();
    for (const { key, cookie } of on('a')) {
      // Two at once: one of them moves it.
      const answers = await Promise.all(
        [1, 2].map(() => get('/', { headers: { cookie, 'x-forwarded-for': '10.0.0.7' } })),
      );
      for (const { backend } of answers) assert.equal(backend, 'b');
      await line('moved', key, { from: 'a', backend: 'b', reason: 'backend-down', client: '10.0.0.7' });
    }
    await a.start();
    await eventually(
      'a to be usable again',
      async () => {
        return (await begin()).backend === 'a';
      },
      30_000,
    );
    await admin.patch('shop', 'b', { state: 'drain' });
    const { status, body } = await ask(`${limpet.admin}/api/v1/pools/shop/backends/b/evacuate`, { method: 'POST' });
    assert.equal(status, 200, body);
    for (const { key } of on('b')) await line('moved', key, { from: 'b', backend: 'a', reason: 'drain', client: null });
    await admin.patch('shop', 'b', { state: 'ready' });
  });

  test('17: moved when its key is seen from another backend, ended when the application clears it', async () => {
    const set = (value: string): string => `set=${encodeURIComponent(`SID=${value}; Path=/`)}`;
    const answered = await get(`/learned?${set('one')}`);
    const [created] = await audited(path, ({ event, pool }) => event === 'created' && pool === 'learned');
    const { key } = created!;
    assert.equal(created!.backend, answered.backend);
    // Requests that name no session get to the other one.
    let again = answered;
    while (again.backend === answered.backend) again = await get(`/learned?${set('one')}`);
    await line('moved', key!, { from: answered.backend, backend: again.backend, reason: 'relearned' });
    const clear = encodeURIComponent('SID=; Path=/; Max-Age=0');
    await get(`/learned?set=${clear}`, { headers: { cookie: 'SID=one' } });
    await line('ended', key!, { backend: again.backend, reason: 'cookie-cleared' });
  });

  test('rotated and ended, by the path and by the application', async () => {
    for (const [login, logout, why] of [
      ['/login', '/logout', 'path'],
      ['/?session=rotate', '/?session=end', 'application'],
    ] as const) {
      const { key, cookie, backend } = await begin();
      const rotated = await get(login, { headers: { cookie } });
      const [found] = await audited(path, ({ event, from }) => event === 'rotated' && from === key);
      assert.equal(found!.backend, backend);
      assert.notEqual(found!.key, key);
      await get(logout, { headers: { cookie: rotated.cookie } });
      await line('ended', found!.key!, { backend, reason: why });
    }
  });

  test('23: expired once, whoever comes upon it: a request, or the sweep', async () => {
    const headers = { 'x-short': 'idle', 'x-forwarded-for': '10.0.0.8' };
    const answered = await get('/short', { headers });
    const key = keyOf(answered);
    await line('expired', key, { pool: 'short', backend: answered.backend, reason: 'idle', client: null });
    await get('/short', { headers });
    await audited(path, (one) => one.event === 'created' && one.key === key, 2);

    const { body } = await get('/short', { headers: { 'x-short': 'life' } });
    const life = keyOf({ body } as Answered);
    const [expired] = await eventually(
      'the end of its lifetime',
      async () => {
        await get('/short', { headers: { 'x-short': 'life' } });
        const lines = readAudit(path).filter((one) => one.event === 'expired' && one.key === life);
        return lines.length > 0 ? lines : null;
      },
      20_000,
    );
    assert.equal(expired!.reason, 'lifetime');
  });

  test('ended when its backend is gone and the pool does not move sessions', async () => {
    const { key, cookie, backend } = await begin('/strict');
    await admin.patch('strict', backend, { state: 'maintenance' });
    const answers = await Promise.all([1, 2].map(() => get('/strict', { headers: { cookie } })));
    assert.ok(answers.some(({ code }) => code === 'SESSION_LOST'));
    await line('ended', key, { pool: 'strict', backend, reason: 'lost' });
  });

  test('refused: a token that is not valid, a page of another site', async () => {
    const bad = await get('/token', { headers: { authorization: `Bearer ${jwt({ sub: 'eve' }).slice(0, -3)}AAA` } });
    assert.equal(bad.code, 'UNAUTHORIZED');
    const [token] = await audited(path, ({ event, pool }) => event === 'refused' && pool === 'token');
    assert.deepEqual([token!.reason, token!.key, token!.client], ['UNAUTHORIZED', null, '127.0.0.1']);
    const foreign = await get('/csrf', { method: 'POST', headers: { 'sec-fetch-site': 'cross-site' } });
    assert.equal(foreign.code, 'CROSS_SITE');
    const [csrf] = await audited(path, ({ reason }) => reason === 'CROSS_SITE');
    assert.deepEqual([csrf!.event, csrf!.pool], ['refused', 'shop']);
  });

  test('refused: too many requests of a session wait, one waits too long, one has no business there', async () => {
    const { key, cookie, backend } = await begin('/turns');
    const headers = { cookie, 'x-forwarded-for': '10.0.0.5' };
    const answers = await Promise.all([1, 2, 3].map(() => get('/turns?wait=3000', { headers })));
    assert.deepEqual(answers.map(({ code }) => code).toSorted(), ['', 'DIALOG_QUEUE_FULL', 'DIALOG_TIMEOUT']);
    const lines = await audited(path, (one) => one.event === 'refused' && one.key === key, 2);
    assert.deepEqual(lines.map(({ reason }) => reason).toSorted(), ['DIALOG_QUEUE_FULL', 'DIALOG_TIMEOUT']);
    for (const { backend: at, client } of lines) assert.deepEqual([at, client], [backend, '10.0.0.5']);
    const posted = await get('/simplex', { method: 'POST' });
    assert.equal(posted.status, 405);
    const [refused] = await audited(path, ({ pool, event }) => pool === 'simplex' && event === 'refused');
    assert.equal(refused!.reason, 'METHOD_NOT_ALLOWED');
  });

  test('the sessions of a user: the oldest ends for a new one, or the new one is refused, and the lines say whose they are', async () => {
    const headers = { 'x-user': 'ada', 'x-forwarded-for': '10.0.0.3' };
    const oldest = await get('/users', { headers });
    await get('/users', { headers });
    await line('ended', keyOf(oldest), { reason: 'per-user-limit', user: 'ada', backend: oldest.backend });
    assert.equal((await get('/crowd', { headers })).status, 200);
    assert.equal((await get('/crowd', { headers })).code, 'TOO_MANY_SESSIONS');
    const refused = await audited(path, ({ pool, event }) => pool === 'crowd' && event === 'refused');
    assert.deepEqual(
      refused.map(({ reason, user, client }) => ({ reason, user, client })),
      [{ reason: 'TOO_MANY_SESSIONS', user: 'ada', client: '10.0.0.3' }],
    );
  });

  test('binding-mismatch: what was done, and nothing else about it', async () => {
    const { status, cookie, body } = await get('/bound', { headers: { 'user-agent': 'Mozilla/5.0 Firefox/150.0' } });
    assert.equal(status, 200);
    const key = keyOf({ body } as Answered);
    const thief = await get('/bound', { headers: { cookie, 'user-agent': 'curl/8.0', 'x-forwarded-for': '10.6.6.6' } });
    assert.equal(thief.code, 'BINDING_MISMATCH');
    await line('binding-mismatch', key, { pool: 'bound', reason: 'reject', client: '10.6.6.6' });
  });

  test('adopted: its cookie proves it and the row is gone', async () => {
    const { key, cookie, backend } = await begin();
    await limpet.stop();
    limpet = await startLimpetProcess(config);
    admin = new Admin(limpet.admin);
    await get('/', { headers: { cookie, 'x-forwarded-for': '10.0.0.9' } });
    await line('adopted', key, { pool: 'shop', backend, client: '10.0.0.9' });
  });

  test('evicted, when there are more than sessions.max', async () => {
    for (let n = 0; n < 1_100; n += 50) {
      await Promise.all(Array.from({ length: 50 }, (_, i) => get('/keys', { headers: { 'x-key': `crowd ${n + i}` } })));
    }
    const [evicted] = await audited(path, ({ event }) => event === 'evicted');
    assert.ok(evicted!.key !== null && evicted!.pool !== null);
    assert.equal(evicted!.client, null);
  });

  test('every event is there once, and in the order of its session', async () => {
    await limpet.stop();
    const lines = readAudit(path);
    const count = (wanted: string, name: string): number =>
      lines.filter(({ event, pool }) => event === wanted && pool === name).length;
    assert.deepEqual([count('refused', 'crowd'), count('refused', 'turns'), count('refused', 'token')], [1, 2, 1]);
    assert.deepEqual([count('binding-mismatch', 'bound'), count('refused', 'bound')], [1, 0]);
    const bySession = Map.groupBy(
      lines.filter(({ key }) => key !== null),
      ({ key }) => key!,
    );
    const begins = ['created', 'adopted'];
    for (const [key, events] of bySession) {
      let alive = false;
      let at: string | null = null;
      for (const { event, from, backend } of events) {
        if (event === 'created' || event === 'rotated') assert.equal(alive, false, `${key}: ${event}`);
        // Its limpet was started anew.
        else if (event !== 'refused' && event !== 'adopted') assert.equal(alive, true, `${key}: ${event}`);
        if (event === 'rotated') assert.ok(bySession.get(from!)?.some((one) => begins.includes(one.event)));
        if (event === 'moved') assert.equal(from, at, `${key}: moved from`);
        if (event !== 'refused' && event !== 'binding-mismatch') at = backend;
        alive = !['ended', 'expired', 'evicted'].includes(event);
      }
    }
  });
});
