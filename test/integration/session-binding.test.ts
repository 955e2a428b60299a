import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { Admin } from '../support/admin.ts';
import { type Answered, ask } from '../support/ask.ts';
import { Certificates } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { keyOf, SessionBackend } from '../support/session-backend.ts';
import { tlsVisit } from '../support/tls-client.ts';

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0';
const NEWER = 'Mozilla/5.0 (X11; Linux x86_64; rv:151.0) Gecko/20100101 Firefox/151.0';
const CHROME = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36';

/** Headers of a client at this address with this agent. */
function client(address: string, agent = FIREFOX): Record<string, string> {
  return { 'x-forwarded-for': address, 'user-agent': agent };
}

describe('sessions that are bound to their client, with 2 workers', () => {
  const backends = ['a', 'b'].map((id) => new SessionBackend(id));
  const certificates = new Certificates();
  let config: string;
  let limpet: LimpetProcess;
  let admin: Admin;

  before(async () => {
    await Promise.all(backends.map((backend) => backend.start()));
    writeFileSync(certificates.path('secrets'), randomBytes(32).toString('hex'), { mode: 0o600 });
    const ca = certificates.make('authority', { authority: true });
    const { cert, key } = certificates.make('shop.example', { names: ['shop.example'], by: ca });
    certificates.make('alice', { by: ca });
    certificates.make('mallory', { by: ca });
    const list = backends.map(({ id, url }) => `{ id: ${id}, url: "${url}" }`).join(', ');
    const affinity = (name: string): string =>
      name.startsWith('token') ? '{ by: token, from: authorization, claim: sub }' : `{ by: cookie, name: ${name} }`;
    const pools: [name: string, session: string][] = [
      ['renew', 'bindTo: [ip], onBindingMismatch: renew'],
      ['reject', 'bindTo: [ip], onBindingMismatch: reject'],
      ['observe', 'bindTo: [ip, user-agent]'],
      ['agent', 'bindTo: [user-agent], onBindingMismatch: reject'],
      ['tls', 'bindTo: [tls], onBindingMismatch: reject'],
      ['token', 'bindTo: [ip], onBindingMismatch: reject'],
      ['token-renew', 'bindTo: [ip], onBindingMismatch: renew, dialog: half-duplex'],
      ['turns', 'bindTo: [ip], onBindingMismatch: reject, rotateOn: [{ path: /turns/login }]'],
    ];
    config = [
      'workers: 2',
      'trustedProxies: [127.0.0.1/32]',
      'listeners:',
      '  - { bind: "127.0.0.1:0" }',
      `  - { bind: "127.0.0.1:0", tls: { certificates: [{ cert: "${cert}", key: "${key}" }], clientCa: "${ca.cert}" } }`,
      `sessions: { secretFile: "${certificates.path('secrets')}" }`,
      'routes:',
      ...pools.map(([name]) => `  - { match: { path: /${name} }, pool: ${name} }`),
      'pools:',
      ...pools.map(
        ([name, session]) =>
          `  ${name}: { backends: [${list}], balance: random, affinity: [${affinity(name)}], session: { ${session} } }`,
      ),
    ].join('\n');
    limpet = await startLimpetProcess(config);
    admin = new Admin(limpet.admin);
  });
  after(async () => {
    await limpet?.stop();
    await Promise.all(backends.map((backend) => backend.stop()));
    certificates.remove();
  });

  const get = (path: string, headers: Record<string, string>, localAddress?: string): Promise<Answered> =>
    ask(limpet.url + path, { headers, ...(localAddress === undefined ? {} : { localAddress }) });
  const mismatches = (pool: string): Promise<number> => admin.metric('limpet_binding_mismatches_total', { pool });
  const shown = async (key: string): Promise<Record<string, unknown>> =>
    (await (await fetch(`${limpet.admin}/api/v1/sessions/${key}`)).json()) as Record<string, unknown>;

  test('renew: the intruder gets a fresh session, and that of the owner is not touched', async () => {
    const owner = client('10.0.0.1');
    const first = await get('/renew', owner);
    const was = await shown(keyOf(first));
    const count = await mismatches('renew');
    for (let n = 0; n < 8; n++) {
      const thief = await get('/renew', { ...client(`10.6.6.${n}`), cookie: first.cookie });
      assert.equal(thief.status, 200);
      assert.notEqual(keyOf(thief), keyOf(first));
      assert.notEqual(thief.cookie, '');
      assert.notEqual(thief.cookie.slice(0, 30), first.cookie.slice(0, 30));
    }
    assert.deepEqual(await shown(keyOf(first)), was);
    assert.equal(keyOf(await get('/renew', { ...owner, cookie: first.cookie })), keyOf(first));
    await eventually('the metric', async () => (await mismatches('renew')) === count + 8);
  });

  test('reject: 403 BINDING_MISMATCH, counted and logged without anything secret; the owner goes on', async () => {
    const owner = client('10.0.0.1');
    const first = await get('/reject', owner);
    const was = await shown(keyOf(first));
    const thief = await get('/reject', {
      ...client('10.6.6.6'),
      cookie: `theme=dark; ${first.cookie}`,
      accept: 'application/json',
    });
    assert.deepEqual([thief.status, thief.code, thief.backend, thief.cookie], [403, 'BINDING_MISMATCH', '', '']);
    assert.ok(!thief.body.includes(keyOf(first)), 'a stranger is not told whose it is');
    assert.deepEqual(await shown(keyOf(first)), was);
    assert.equal(keyOf(await get('/reject', { ...owner, cookie: first.cookie })), keyOf(first));
    const line = await limpet.logged(({ bindTo, pool }) => bindTo !== undefined && pool === 'reject');
    assert.deepEqual(
      [line.level, line.session, line.client, line.bindTo, line.action],
      ['warn', keyOf(first), '10.6.6.6', 'ip', 'reject'],
    );
    const value = first.cookie.slice('reject='.length);
    const log = JSON.stringify(limpet.log) + limpet.stderr();
    assert.ok(!log.includes(value.slice(0, 24)) && !log.includes(value.slice(24)));
    const metrics = await (await fetch(`${limpet.admin}/metrics`)).text();
    assert.ok(!metrics.includes(value.slice(0, 24)));
    // Over connections of other addresses, too, without a proxy.
    const direct = await get('/reject', {});
    const other = await get('/reject', { cookie: direct.cookie }, '127.0.0.2');
    assert.equal(other.code, 'BINDING_MISMATCH');
    assert.equal((await get('/reject', { cookie: direct.cookie })).status, 200);
  });

  test('observe: noted once for each change of the client, and the session goes on', async () => {
    const first = await get('/observe', client('10.0.0.1'));
    const count = await mismatches('observe');
    for (let n = 0; n < 3; n++) {
      const moved = await get('/observe', { ...client('10.0.0.2'), cookie: first.cookie });
      assert.deepEqual([moved.status, keyOf(moved)], [200, keyOf(first)]);
    }
    assert.equal(keyOf(await get('/observe', { ...client('10.0.0.2', CHROME), cookie: first.cookie })), keyOf(first));
    await eventually('the metric', async () => (await mismatches('observe')) === count + 2);
    await limpet.logged(({ bindTo }) => bindTo === 'ip user-agent');
  });

  test('user-agent: a new version of the same browser stays, another browser does not', async () => {
    const first = await get('/agent', client('10.0.0.1', FIREFOX));
    const update = await get('/agent', { ...client('10.0.0.9', NEWER), cookie: first.cookie });
    assert.deepEqual([update.status, keyOf(update)], [200, keyOf(first)]);
    for (const agent of [CHROME, 'curl/8.0', '', `${FIREFOX} x`]) {
      const answered = await get('/agent', { ...client('10.0.0.1', agent), cookie: first.cookie });
      assert.equal(answered.code, 'BINDING_MISMATCH', agent);
    }
  });

  test('ip: IPv6 by /64, IPv4 whole', async () => {
    const first = await get('/reject', client('2001:db8:1:2::1'));
    assert.equal((await get('/reject', { ...client('2001:db8:1:2:ffff::9'), cookie: first.cookie })).status, 200);
    assert.equal((await get('/reject', { ...client('2001:db8:1:3::1'), cookie: first.cookie })).status, 403);
    const four = await get('/reject', client('10.0.0.1'));
    assert.equal((await get('/reject', { ...client('10.0.0.2'), cookie: four.cookie })).status, 403);
  });

  test('tls: another certificate is another client; a new connection with the same one is not', async () => {
    const visit = async (who: string, cookie = ''): Promise<string> => {
      const [cert, key] = ['pem', 'key'].map((kind) => readFileSync(certificates.path(`${who}.${kind}`)));
      const request = `GET /tls HTTP/1.1\r\nHost: shop.example\r\n${cookie === '' ? '' : `Cookie: ${cookie}\r\n`}\r\n`;
      return (await tlsVisit(limpet.ports[1]!, { request, cert, key })).text;
    };
    const first = await visit('alice');
    const cookie = /Set-Cookie: ([^;]+)/i.exec(first)?.[1];
    assert.ok(cookie !== undefined, first);
    assert.match(await visit('alice', cookie), /^HTTP\/1\.1 200/);
    assert.match(await visit('mallory', cookie), /^HTTP\/1\.1 403[\s\S]*BINDING_MISMATCH/);
    assert.match(await visit('alice', cookie), /^HTTP\/1\.1 200/);
  });

  test('the keys of tokens are bound, too: two first requests at once from two clients, one of them has it', async () => {
    const token = (sub: string): Record<string, string> => ({
      authorization: `Bearer ${Buffer.from('{"alg":"HS256"}').toString('base64url')}.${Buffer.from(JSON.stringify({ sub })).toString('base64url')}.c2ln`,
    });
    for (let n = 0; n < 20; n++) {
      const asked = [1, 2, 1, 2].map((who) =>
        get('/token', { ...client(`10.0.${who}.1`), ...token(`user-${n}`) }).then((answered) => ({ who, answered })),
      );
      const answers = await Promise.all(asked);
      const served = answers.filter(({ answered }) => answered.status === 200);
      assert.equal(new Set(served.map(({ who }) => who)).size, 1, `user-${n}`);
      for (const { answered } of answers.filter((one) => !served.includes(one)))
        assert.equal(answered.code, 'BINDING_MISMATCH');
    }
    // Where the second one waits for its turn before it is known whose the key is.
    for (let n = 0; n < 5; n++) {
      const one = get('/token-renew?hold', { ...client('10.0.1.1'), ...token(`turn-${n}`) });
      await eventually('the first', () => backends.some(({ held }) => held > 0));
      const two = get('/token-renew', { ...client('10.0.2.1'), ...token(`turn-${n}`) });
      for (const backend of backends) backend.release();
      assert.equal((await one).status, 200);
      const second = await two;
      // There is no fresh session for a key that the client chose: it is served without one.
      assert.deepEqual([second.status, keyOf(second)], [200, '']);
      assert.equal(
        keyOf(await get('/token-renew', { ...client('10.0.1.1'), ...token(`turn-${n}`) })),
        keyOf(await one),
      );
    }
    assert.ok(!limpet.log.some(({ level }) => level === 'error'), 'no defect');
  });

  test('a rotated session stays bound', async () => {
    const first = await get('/turns', client('10.0.0.1'));
    const rotated = await get('/turns/login', { ...client('10.0.0.1'), cookie: first.cookie });
    assert.notEqual(rotated.cookie, '');
    assert.equal((await get('/turns', { ...client('10.0.0.2'), cookie: rotated.cookie })).status, 403);
    assert.equal((await get('/turns', { ...client('10.0.0.1'), cookie: rotated.cookie })).cookie, '');
  });

  test('a cookie whose row is gone is bound all the same: after a restart without a snapshot', async () => {
    const owner = client('10.0.0.1');
    const [renew, reject, observe] = await Promise.all(
      ['/renew', '/reject', '/observe'].map((path) => get(path, owner)),
    );
    const rotated = await get('/turns', owner).then(({ cookie }) => get('/turns/login', { ...owner, cookie }));
    await limpet.stop();
    limpet = await startLimpetProcess(config);
    admin = new Admin(limpet.admin);
    const thief = client('10.6.6.6');
    assert.equal((await get('/reject', { ...thief, cookie: reject!.cookie })).code, 'BINDING_MISMATCH');
    assert.equal((await get('/turns', { ...thief, cookie: rotated.cookie })).code, 'BINDING_MISMATCH');
    const renewed = await get('/renew', { ...thief, cookie: renew!.cookie });
    assert.ok(renewed.status === 200 && keyOf(renewed) !== keyOf(renew!));
    const observed = await get('/observe', { ...thief, cookie: observe!.cookie });
    assert.equal(keyOf(observed), keyOf(observe!));
    for (const [path, answered] of [
      ['/renew', renew],
      ['/reject', reject],
    ] as const) {
      const again = await get(path, { ...owner, cookie: answered!.cookie });
      assert.deepEqual([keyOf(again), again.backend], [keyOf(answered!), answered!.backend]);
    }
    for (const pool of ['reject', 'renew', 'observe', 'turns'])
      await eventually(`the metric of ${pool}`, async () => (await mismatches(pool)) === 1);
    assert.ok(!limpet.log.some(({ level }) => level === 'error'), 'no defect');
  });
});
