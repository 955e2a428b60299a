import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Answered, type AskOptions, ask } from '../support/ask.ts';
import { audited } from '../support/audit.ts';
import { HttpBackend } from '../support/http-backend.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { RawClient } from '../support/raw-client.ts';

/** Something that cannot stand anywhere by chance. */
const random = (): string => randomBytes(15).toString('base64url');

describe('no secret is shown, with every way to name a session, at level trace', () => {
  const names = [
    'adminToken',
    'wrongAdminToken',
    'secret',
    'tokenSecret',
    'appCookie',
    'headerKey',
    'learnedKey',
    'queryKey',
    'pathKey',
    'opaqueToken',
    'otherCookie',
    'password',
  ] as const;
  const secrets = new Map<string, string>(names.map((name) => [name, random()]));
  const secret = (name: (typeof names)[number]): string => secrets.get(name)!;
  /** What people may see, by where. */
  const shown = new Map<string, string>();
  const show = (where: string, text: string): void => {
    shown.set(where, (shown.get(where) ?? '') + text);
  };

  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const { searchParams } = new URL(request.url ?? '/', 'http://x');
    if (searchParams.has('log-in')) response.appendHeader('Set-Cookie', `SID=${secret('appCookie')}; Path=/`);
    if (searchParams.has('learn')) response.setHeader('X-Learned', secret('learnedKey'));
    if (searchParams.has('rotate')) response.setHeader('Limpet-Session', 'rotate');
    if (searchParams.has('end')) response.setHeader('Limpet-Session', 'end');
    if (searchParams.has('broken'))
      return void request.socket.end(`HTTP/1.1 200 OK\r\nX: ${secret('appCookie')}\0\r\n\r\n`);
    if (searchParams.has('drop')) return void request.socket.destroy();
    response.end('ok');
  };
  const backends = ['a', 'b'].map((id) => new HttpBackend(id, answer));
  let limpet: LimpetProcess;
  let directory: string;
  let path: string;

  before(async () => {
    await Promise.all(backends.map((backend) => backend.start()));
    directory = mkdtempSync(join(tmpdir(), 'limpet-secrets-'));
    path = join(directory, 'audit.jsonl');
    writeFileSync(join(directory, 'secrets'), Buffer.from(secret('secret').repeat(2)).toString('hex'), { mode: 0o600 });
    writeFileSync(join(directory, 'admin'), secret('adminToken'), { mode: 0o600 });
    const both = `backends: [${backends.map(({ id, url }) => `{ id: ${id}, url: "${url}" }`).join(', ')}]`;
    limpet = await startLimpetProcess(`
admin: { bind: "127.0.0.1:0", tokenFile: "${join(directory, 'admin')}" }
workers: 2
log: { audit: "${path}", level: trace }
sessions: { secretFile: "${join(directory, 'secrets')}" }
trustedProxies: [127.0.0.1/32]
routes:
  - { match: { path: /bound }, pool: bound }
  - { match: { path: /token }, pool: token }
  - { match: { path: /opaque }, pool: opaque }
  - { match: { path: /keys }, pool: keys }
  - { match: { path: /csrf }, pool: keys, csrf: reject-cross-site }
pools:
  bound:
    ${both}
    session: { bindTo: [user-agent, ip], onBindingMismatch: reject }
  token:
    ${both}
    affinity: [{ by: token, from: authorization, claim: sub, verify: { secret: "${secret('tokenSecret')}${secret('tokenSecret')}", algorithms: [HS256], onInvalid: reject } }]
  opaque:
    ${both}
    affinity: [{ by: token, from: authorization }, { by: token, from: "cookie auth" }]
  keys:
    ${both}
    affinity: [{ by: header, name: X-Key }, { by: header, name: X-Learned, learn: true }, { by: query, name: sid }, { by: app-cookie, name: SID }, { by: cookie, name: limpet-keys }]
`);
  });
  after(async () => {
    await limpet?.stop();
    await Promise.all(backends.map((backend) => backend.stop()));
    rmSync(directory, { recursive: true, force: true });
  });

  /** A request; what limpet itself answers is looked at, and every cookie it sets is a secret from then on. */
  const send = async (target: string, options: AskOptions = {}): Promise<Answered> => {
    const answered = await ask(limpet.url + target, options);
    if (answered.code !== '') show(`error page ${answered.code}`, answered.body + JSON.stringify(answered.headers));
    for (const line of answered.headers['set-cookie'] ?? []) {
      const [name, value] = line.split(';')[0]!.split('=') as [string, string];
      if (value !== '' && name.startsWith('limpet')) secrets.set(`cookie ${secrets.size}`, value);
    }
    return answered;
  };
  const api = async (method: string, target: string, body?: object): Promise<Answered> => {
    const answered = await ask(limpet.admin + target, {
      method,
      headers: { authorization: `Bearer ${secret('adminToken')}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    show(`${method} ${target}`, `${answered.body}${JSON.stringify(answered.headers)}`);
    return answered;
  };

  test('neither in the access log, the audit log, the error log, metrics, the API nor an error page', async () => {
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const signed = `${part({ alg: 'HS256' })}.${part({ sub: 'ann', secret: secret('password') })}`;
    const key = `${secret('tokenSecret')}${secret('tokenSecret')}`;
    const jwt = `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`;
    secrets.set('jwt', jwt);
    secrets.set('signature', jwt.split('.')[2]!);
    secrets.set('payload', jwt.split('.')[1]!);

    // limpet's own cookie: kept, rotated, stolen, ended, mutated, unknown.
    const agent = { 'user-agent': 'Mozilla/5.0 Firefox/150.0' };
    const first = await send('/bound', { headers: agent });
    await send('/bound', { headers: { ...agent, cookie: `a=${secret('otherCookie')}; ${first.cookie}` } });
    const thief = await send('/bound', { headers: { cookie: first.cookie, 'user-agent': 'curl/8' } });
    assert.equal(thief.code, 'BINDING_MISMATCH');
    const next = await send('/bound?rotate', { headers: { ...agent, cookie: first.cookie } });
    await send('/bound', { headers: { ...agent, cookie: first.cookie } });
    await send('/bound?end', { headers: { ...agent, cookie: next.cookie } });
    for (const cookie of [`${first.cookie.slice(0, -4)}AAAA`, `limpet=${secret('otherCookie')}`, 'limpet=']) {
      await send('/bound', { headers: { ...agent, cookie } });
    }
    // Tokens: good, mutated, opaque, in a cookie.
    assert.equal((await send('/token', { headers: { authorization: `Bearer ${jwt}` } })).status, 200);
    for (const bad of [`${jwt.slice(0, -6)}AAAAAA`, `x${jwt}`, secret('opaqueToken')]) {
      assert.equal((await send('/token', { headers: { authorization: `Bearer ${bad}` } })).code, 'UNAUTHORIZED');
    }
    await send('/opaque', { headers: { authorization: `Bearer ${secret('opaqueToken')}` } });
    await send('/opaque', { headers: { cookie: `auth=${secret('opaqueToken')}` } });
    // Keys of the client and of the application, in every place.
    const keys = [
      { target: '/keys', headers: { 'x-key': secret('headerKey') } },
      { target: '/keys?learn', headers: {} },
      { target: '/keys', headers: { 'x-learned': secret('learnedKey') } },
      { target: `/keys?sid=${secret('queryKey')}&password=${secret('password')}`, headers: {} },
      { target: `/keys/cart;jsessionid=${secret('pathKey')}/x?sid=${secret('queryKey')}`, headers: {} },
      { target: '/keys?log-in', headers: {} },
      { target: '/keys', headers: { cookie: `SID=${secret('appCookie')}` } },
      { target: `/keys?broken&sid=${secret('queryKey')}`, headers: {} },
      { target: `/keys?drop&sid=${secret('queryKey')}`, headers: { cookie: `SID=${secret('appCookie')}` } },
      { target: `/none?sid=${secret('queryKey')}`, headers: { 'x-key': secret('headerKey') } },
      { target: `/csrf?sid=${secret('queryKey')}`, headers: { 'sec-fetch-site': 'cross-site' }, method: 'POST' },
    ];
    for (const { target, ...options } of keys) await send(target, options);
    // What cannot be parsed, with a secret at the very place.
    for (const bad of [
      `GET /keys?sid=${secret('queryKey')} HTTP/1.1\r\nHost: x\r\nX-Key: ${secret('headerKey')}\0\r\n\r\n`,
      `GET /keys?sid=${secret('queryKey')}\x01 HTTP/1.1\r\nHost: x\r\n\r\n`,
      `GET /keys HTTP/1.1\r\nHost: x\r\nCookie ${secret('appCookie')}\r\n\r\n`,
      `GET /keys HTTP/1.1\r\nHost: ${secret('password')}@x\r\nCookie: SID=${secret('appCookie')}\r\n\r\n`,
      `GET /keys?sid=${secret('queryKey').repeat(2_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
    ]) {
      const client = await RawClient.open(limpet.port);
      client.send(bad);
      await client.until((text) => /\r\n\r\n/.test(text));
      show('error page, raw', client.text);
      client.close();
    }

    // All that the admin API says.
    const { body } = await api('GET', '/api/v1/sessions?limit=1000');
    const { sessions } = JSON.parse(body) as { sessions: { key: string; backend: string }[] };
    assert.ok(sessions.length >= 6);
    for (const { key: id, backend } of sessions) {
      await api('GET', `/api/v1/sessions/${id}`);
      await api('POST', `/api/v1/sessions/${id}/move`, { backend: backend === 'a' ? 'b' : 'a' });
    }
    const headers = {
      host: 'x',
      cookie: `${first.cookie}; SID=${secret('appCookie')}`,
      authorization: `Bearer ${jwt}`,
      'x-key': secret('headerKey'),
    };
    for (const target of ['/bound', '/token', '/opaque', '/keys']) {
      const url = `http://x${target}?sid=${secret('queryKey')}`;
      const { status } = await api('POST', '/api/v1/explain', { method: 'GET', url, headers });
      assert.equal(status, 200);
      const authorization = `Bearer ${secret('adminToken')}`;
      const explained = await send(target, { headers: { ...headers, authorization, 'x-limpet-explain': '1' } });
      if (target !== '/token') assert.ok(explained.headers['x-limpet-explain']);
      show('X-Limpet-Explain', String(explained.headers['x-limpet-explain']));
    }
    for (const target of ['/', '/metrics', '/api/v1/status', '/api/v1/pools', '/healthz', '/readyz', '/nothing'])
      await api('GET', target);
    await api('POST', '/api/v1/simulate', { drain: 'keys/a' });
    const refused = await ask(`${limpet.admin}/api/v1/status`, {
      headers: { authorization: `Bearer ${secret('wrongAdminToken')}` },
    });
    assert.equal(refused.status, 401);
    show('admin 401', refused.body);
    for (const { key: id } of sessions) await api('DELETE', `/api/v1/sessions/${id}`);
    await audited(path, ({ reason }) => reason === 'operator', sessions.length);
    await limpet.stop();

    show('audit log', readFileSync(path, 'utf8'));
    show('log', limpet.log.map((line) => JSON.stringify(line)).join('\n'));
    show('stderr', limpet.stderr());
    assert.ok(shown.size > 20);
    assert.match(shown.get('log')!, /"path":"\/keys\/cart;jsessionid=\*\/x"/);
    for (const [where, text] of shown) {
      for (const [name, value] of secrets) {
        assert.ok(
          !text.includes(value),
          `${name} is shown in ${where}: ${text.slice(Math.max(0, text.indexOf(value) - 300), text.indexOf(value) + 20)}`,
        );
      }
    }
  });
});
