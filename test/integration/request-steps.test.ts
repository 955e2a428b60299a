import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Answered, type AskOptions, ask } from '../support/ask.ts';
import { eventually } from '../support/eventually.ts';
import { HttpBackend } from '../support/http-backend.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';
import { SessionBackend } from '../support/session-backend.ts';

const TOKEN = 'eyJhbGciOiJFUzI1NiJ9.e30.AAAA';
const ADMIN = 'x'.repeat(40);

function headersOf(answer: Answered): Record<string, string> {
  assert.equal(answer.status, 200, `${answer.code} ${answer.body}`);
  return (JSON.parse(answer.body) as { headers: Record<string, string> }).headers;
}

describe('what a request passes before it counts as one of its session', () => {
  const backends = ['a', 'b'].map((id) => new SessionBackend(id));
  const jwks = new HttpBackend('jwks');
  /** Key sets that were asked for: none of a request that is refused before. */
  let fetched = 0;
  let broken = true;
  let directory: string;
  let limpet: LimpetProcess;

  before(async () => {
    for (const backend of backends) await backend.start();
    jwks.answer = (_request, response) => {
      fetched++;
      if (broken) response.statusCode = 500;
      response.end(JSON.stringify({ keys: [] }));
    };
    await jwks.start();
    directory = await mkdtemp(join(tmpdir(), 'limpet-steps-'));
    await writeFile(join(directory, 'token'), ADMIN);
    const list = backends.map(({ id, url }) => `{ id: ${id}, url: "${url}" }`).join(', ');
    const cookie = (name: string, more = ''): string => `{ by: cookie, name: ${name}${more} }`;
    const verify = `{ by: token, claim: sub, verify: { jwksUrl: "${jwks.url}", onInvalid: reject } }`;
    const pools: Record<string, string> = {
      flood: `affinity: [${verify}], rateLimit: { per: ip, rate: 1/h, burst: 1 }`,
      slide: `affinity: [${cookie('slide')}], rateLimit: { per: session, rate: 1/h, burst: 1 }`,
      cross: `affinity: [${cookie('cross')}]`,
      down: `affinity: [${cookie('down')}]`,
      plain: `affinity: [${cookie('plain')}]`,
      client: 'affinity: [{ by: header, name: x-key }]',
      app: `affinity: [${cookie('app', ', path: /app')}]`,
      keys: `affinity: [${cookie('keys')}, ${verify}]`,
    };
    limpet = await startLimpetProcess(
      [
        // Each worker asks for the keys by itself.
        'workers: 1',
        `admin: { bind: "127.0.0.1:0", tokenFile: ${join(directory, 'token')} }`,
        'routes:',
        '  - { match: { path: /favicon.ico }, pool: app }',
        ...Object.keys(pools).map(
          (name) =>
            `  - { match: { path: /${name} }, pool: ${name}${name === 'cross' ? ', csrf: reject-cross-site' : ''} }`,
        ),
        'pools:',
        ...Object.entries(pools).map(([name, more]) => `  ${name}: { backends: [${list}], ${more} }`),
      ].join('\n'),
    );
  });
  after(async () => {
    await limpet?.stop();
    for (const backend of backends) await backend.stop();
    await jwks.stop();
    await rm(directory, { recursive: true, force: true });
  });

  const send = (path: string, options: AskOptions = {}): Promise<Answered> => ask(`${limpet.url}/${path}`, options);
  const api = async (path: string, body?: object): Promise<Record<string, unknown>> => {
    const answer = await fetch(`${limpet.admin}/api/v1/${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${ADMIN}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    assert.equal(answer.status, 200);
    return (await answer.json()) as Record<string, unknown>;
  };
  const sessions = async (pool: string): Promise<{ lastSeen: unknown; requests: number }[]> =>
    (await api(`sessions?pool=${pool}`)).sessions as { lastSeen: unknown; requests: number }[];

  test('O1: what is over the limit of its address is refused before its token is looked at', async () => {
    const headers = { authorization: `Bearer ${TOKEN}` };
    await send('flood', { headers });
    const before = fetched;
    for (let n = 0; n < 10; n++) {
      const refused = await send('flood', {
        headers: { authorization: `Bearer ${TOKEN.slice(0, -4)}AAA${'AQgw'[n % 4]}${'A'.repeat(4 * n)}` },
      });
      assert.deepEqual([refused.status, refused.code], [429, 'RATE_LIMITED']);
    }
    assert.equal(fetched, before);
  });

  test('O1: a request that is refused touches no row: not one over its limit, nor one of another site, nor one without a backend', async () => {
    const first = await send('slide');
    const [row] = await sessions('slide');
    for (let n = 0; n < 5; n++) assert.equal((await send('slide', { headers: { cookie: first.cookie } })).status, 429);
    assert.deepEqual(await sessions('slide'), [row]);

    const begun = await send('cross');
    const [own] = await sessions('cross');
    const foreign = { cookie: begun.cookie, 'sec-fetch-site': 'cross-site' };
    assert.equal((await send('cross', { method: 'POST', headers: foreign })).code, 'CROSS_SITE');
    assert.deepEqual(await sessions('cross'), [own]);

    const served = await send('down');
    const [seen] = await sessions('down');
    for (const { id } of backends) await patch('down', id, 'maintenance');
    assert.equal((await send('down', { headers: { cookie: served.cookie } })).code, 'NO_BACKEND');
    assert.deepEqual(await sessions('down'), [seen]);
  });

  async function patch(pool: string, id: string, state: string): Promise<void> {
    const answer = await fetch(`${limpet.admin}/api/v1/pools/${pool}/backends/${id}`, {
      method: 'PATCH',
      headers: { authorization: `Bearer ${ADMIN}`, 'content-type': 'application/json' },
      body: JSON.stringify({ state }),
    });
    assert.equal(answer.status, 200);
  }

  test('K3: a preflight makes neither a session nor a cookie, and goes to the session when it names one', async () => {
    const preflight = { origin: 'https://page.example', 'access-control-request-method': 'PUT' };
    for (let n = 0; n < 3; n++) {
      const answer = await send('plain', { method: 'OPTIONS', headers: preflight });
      assert.deepEqual([answer.status, answer.headers['set-cookie']], [200, undefined]);
      assert.equal(headersOf(answer)['limpet-session'], undefined);
      const key = await send('client', { method: 'OPTIONS', headers: { ...preflight, 'x-key': `k${n}` } });
      assert.equal(headersOf(key)['limpet-session'], undefined);
    }
    assert.deepEqual([await sessions('plain'), await sessions('client')], [[], []]);
    // What only looks like one begins a session as ever.
    assert.notEqual(
      (await send('plain', { method: 'OPTIONS', headers: { origin: 'https://page.example' } })).cookie,
      '',
    );
    const first = await send('plain');
    for (let n = 0; n < 4; n++) {
      const bound = await send('plain', { method: 'OPTIONS', headers: { ...preflight, cookie: first.cookie } });
      assert.equal(bound.backend, first.backend);
      assert.equal(headersOf(bound)['limpet-session'], headersOf(first)['limpet-session']);
      assert.equal(bound.cookie, '');
    }
  });

  test('K2: where its path does not lead back, limpet issues no cookie', async () => {
    const icon = await send('favicon.ico');
    assert.deepEqual([icon.status, icon.cookie], [200, '']);
    assert.equal(headersOf(icon)['limpet-session'], undefined);
    assert.deepEqual(await sessions('app'), []);
    const app = await send('app/start');
    assert.match(app.cookie, /^app=/);
    const beside = await send('apple');
    assert.equal(beside.cookie, '');
    const explained = await api('explain', { url: `${limpet.url}/favicon.ico` });
    assert.match(JSON.stringify(explained.steps), /would not come back from here/);
    // A client that sends it everywhere has its session everywhere.
    const icon2 = await send('favicon.ico', { headers: { cookie: app.cookie } });
    assert.equal(headersOf(icon2)['limpet-session'], headersOf(app)['limpet-session']);
  });

  test('L18: while the keys of tokens have not come, nobody is told that the own one is not good', async () => {
    const headers = { authorization: `Bearer ${TOKEN}` };
    const away = await send('keys', { headers });
    assert.deepEqual([away.status, away.code], [503, 'KEYS_DOWN']);
    assert.ok(Number(away.headers['retry-after']) >= 1);
    const explained = await api('explain', { url: `${limpet.url}/keys`, headers });
    assert.equal(explained.error, 'KEYS_DOWN');
    // What has no token is served.
    assert.equal((await send('keys')).status, 200);
    broken = false;
    let answer = away;
    await eventually(
      'the keys to be asked for again',
      async () => {
        answer = await send('keys', { headers });
        return answer.status !== 503;
      },
      20_000,
    );
    assert.deepEqual([answer.status, answer.code], [401, 'UNAUTHORIZED']);
  });

  test('115: an invalid token that is to be refused is refused before any key decides', async () => {
    const first = await send('keys');
    assert.match(first.cookie, /^keys=/);
    const both = await send('keys', { headers: { cookie: first.cookie, authorization: `Bearer ${TOKEN}` } });
    assert.deepEqual([both.status, both.code], [401, 'UNAUTHORIZED']);
  });
});
