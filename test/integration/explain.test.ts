import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Explanation } from '../../src/proxy/explain/explanation.ts';
import { runLimpet } from '../cli/run-limpet.ts';
import { Admin } from '../support/admin.ts';
import { type Answered, ask } from '../support/ask.ts';
import { eventually } from '../support/eventually.ts';
import { echo, HttpBackend } from '../support/http-backend.ts';
import { type LimpetProcess, startLimpetProcess } from '../support/limpet.ts';

const IDLE = 1_000;
const WAIT = 30_000;
const KEY = 'a-key-that-nobody-may-see';

type Headers = Record<string, string>;

/** What the admin API answers to a question. */
async function asked(limpet: LimpetProcess, question: object): Promise<{ status: number; body: string }> {
  const response = await fetch(`${limpet.admin}/api/v1/explain`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(question),
  });
  return { status: response.status, body: await response.text() };
}

describe('explain', () => {
  const backends = ['a', 'b', 'c'].map((id) => new HttpBackend(id));
  let directory: string;
  let yaml: string;
  let limpet: LimpetProcess;
  let admin: Admin;
  let asks = 0;

  before(async () => {
    for (const backend of backends) await backend.start();
    directory = await mkdtemp(join(tmpdir(), 'limpet-explain-'));
    await writeFile(join(directory, 'secrets'), randomBytes(32).toString('base64'));
    const [a, b, c] = backends.map(({ url }) => url);
    const three = `[{ id: a, url: "${a}", replicas: [c] }, { id: b, url: "${b}" }, { id: c, url: "${c}" }]`;
    const two = `[{ id: a, url: "${a}" }, { id: b, url: "${b}" }]`;
    yaml = [
      'workers: 2',
      `sessions: { secretFile: ${join(directory, 'secrets')} }`,
      'routes:',
      '  - { match: { host: other.example }, pool: shop }',
      '  - { match: { path: /plain }, pool: shop, sticky: false }',
      '  - { match: { path: /csrf }, pool: shop, csrf: reject-cross-site }',
      ...['back', 'rate', 'bound', 'renew', 'reads', 'turns'].map(
        (name) => `  - { match: { path: /${name} }, pool: ${name} }`,
      ),
      ...['shop', 'idle', 'keyed', 'app', 'lost'].map((name) => `  - { match: { path: /${name} }, pool: ${name} }`),
      'pools:',
      `  shop: { backends: ${three}, balance: round-robin }`,
      `  idle: { backends: ${two}, affinity: [{ by: cookie, name: idle }], session: { idle: ${IDLE}ms } }`,
      `  keyed: { backends: ${two}, balance: hash, affinity: [{ by: header, name: x-key }, { by: cookie, name: keyed }] }`,
      `  app: { backends: ${two}, affinity: [{ by: app-cookie, name: JSESSIONID }] }`,
      `  back: { backends: ${three}, affinity: [{ by: cookie, name: back }], failover: { failback: immediate } }`,
      `  rate: { backends: ${two}, affinity: [{ by: cookie, name: rate }], rateLimit: { per: session, rate: 1/m, burst: 2 } }`,
      `  bound: { backends: ${two}, affinity: [{ by: cookie, name: bound }], session: { bindTo: [user-agent], onBindingMismatch: reject } }`,
      `  renew: { backends: ${two}, affinity: [{ by: cookie, name: renew }], session: { bindTo: [user-agent], onBindingMismatch: renew } }`,
      `  reads: { backends: ${two}, affinity: [{ by: cookie, name: reads }], session: { dialog: simplex } }`,
      `  turns: { backends: ${two}, affinity: [{ by: cookie, name: turns }], session: { dialog: half-duplex } }`,
      `  lost: { backends: ${two}, affinity: [{ by: cookie, name: lost }], failover: { to: [replicas], onLost: reject } }`,
    ].join('\n');
    limpet = await startLimpetProcess(yaml);
    admin = new Admin(limpet.admin);
  });

  after(async () => {
    await limpet.stop();
    await Promise.all(backends.map((backend) => backend.stop()));
    await rm(directory, { recursive: true });
  });

  async function explain(path: string, headers: Headers = {}, at = limpet, method = 'GET'): Promise<Explanation> {
    const { status, body } = await asked(at, { url: at.url + path, headers, method });
    assert.equal(status, 200, body);
    for (const secret of [headers.cookie, headers['x-key']].filter((one) => one !== undefined))
      for (const value of [secret, secret.slice(secret.indexOf('=') + 1)])
        assert.ok(!body.includes(value), `${body} shows ${value}`);
    return JSON.parse(body) as Explanation;
  }

  /** The whole of the table, as the API shows it, but for the sessions that end by themselves meanwhile. */
  async function table(at = limpet): Promise<unknown> {
    const response = await fetch(`${at.admin}/api/v1/sessions?limit=1000`);
    return ((await response.json()) as { sessions: { key: string; pool: string }[] }).sessions
      .filter(({ pool }) => pool !== 'idle')
      .sort((one, other) => (one.key < other.key ? -1 : 1));
  }

  /** Explains a request twice, sees that nothing has changed, and sends it: it gets what was said. */
  async function holds(
    outcome: string,
    pool: string,
    headers: Headers = {},
    at = limpet,
    method = 'GET',
  ): Promise<Answered> {
    const path = `/${pool}/${asks++}`;
    const earlier = await table(at);
    await explain(path, headers, at, method);
    const said = await explain(path, headers, at, method);
    assert.equal(said.outcome, outcome, JSON.stringify(said, null, 1));
    assert.deepEqual(await table(at), earlier, 'explain has changed nothing');
    const answer = await ask(at.url + path, { headers, method });
    const line = await at.logged((one) => one.msg === 'request' && one.path === path, WAIT);
    assert.equal(line.affinity, outcome);
    assert.equal(answer.code, said.error ?? '');
    if (said.error !== null) assert.equal(answer.status, said.status);
    const sets = said.steps.some(({ step, outcome: is }) => step === 'answer' && is === 'Set-Cookie');
    assert.equal(answer.cookie !== '', sets, JSON.stringify(said.steps.at(-1)));
    if (said.certain) assert.equal(answer.backend, said.backend ?? '');
    else assert.ok(said.candidates.some(({ id }) => id === answer.backend));
    if (said.session !== null) assert.equal(line.session, said.session);
    return answer;
  }

  test('new, bound, invalid, ended: the next request gets what was said, and the table is as it was (5, 20, 24)', async () => {
    const first = await holds('new', 'shop');
    const bound = await holds('bound', 'shop', { cookie: first.cookie });
    assert.equal(bound.backend, first.backend);
    await holds('invalid', 'shop', { cookie: 'limpet=no-cookie-of-ours' });
    await holds('invalid', 'shop', { cookie: `limpet=${randomBytes(57).toString('base64url')}` });
    const { session } = await explain('/shop/x', { cookie: first.cookie });
    await admin.endSession(session!);
    await holds('ended', 'shop', { cookie: first.cookie });
    const steps = (await explain('/shop/x', { cookie: first.cookie })).steps.map(
      ({ step, outcome: is }) => `${step} ${is}`,
    );
    assert.deepEqual(steps.slice(0, 5), [
      'request GET',
      'route route 9',
      'pool shop',
      'affinity found',
      'session ended',
    ]);
  });

  test('adopted: the row is gone, and the cookie proves the session', async () => {
    const { cookie, backend } = await ask(`${limpet.url}/shop/first`);
    const other = await startLimpetProcess(yaml);
    try {
      const answer = await holds('adopted', 'shop', { cookie }, other);
      assert.equal(answer.backend, backend);
      assert.notEqual(answer.cookie, '');
      await holds('bound', 'shop', { cookie }, other);
    } finally {
      await other.stop();
    }
  });

  test('expired, while the row is there and after it has gone (9, 23)', async () => {
    const { cookie } = await ask(`${limpet.url}/idle/first`);
    await eventually('its end', async () => (await explain('/idle/x', { cookie })).outcome === 'expired', WAIT);
    await holds('expired', 'idle', { cookie });
    await holds('expired', 'idle', { cookie });
  });

  test('moved: to where its backend is in maintenance; then bound there', async () => {
    let cookie = '';
    while (cookie === '') {
      const answer = await ask(`${limpet.url}/shop/first`);
      if (answer.backend === 'a') ({ cookie } = answer);
    }
    await admin.patch('shop', 'a', { state: 'maintenance' });
    try {
      const moved = await holds('moved', 'shop', { cookie });
      assert.equal(moved.backend, 'c', 'its replica');
      assert.equal((await holds('bound', 'shop', { cookie: moved.cookie })).backend, 'c');
    } finally {
      await admin.patch('shop', 'a', { state: 'ready' });
    }
    const { session } = await explain('/shop/x', { cookie });
    await admin.moveSession(session!, 'b');
    assert.equal((await holds('moved', 'shop', { cookie })).backend, 'b', 'as an operator wants it');
  });

  test('lost, and no backend at all', async () => {
    const { cookie, backend } = await ask(`${limpet.url}/lost/first`);
    await admin.patch('lost', backend, { state: 'maintenance' });
    assert.equal((await holds('lost', 'lost', { cookie })).code, 'SESSION_LOST');
    await admin.patch('lost', 'a', { state: 'maintenance' });
    await admin.patch('lost', 'b', { state: 'maintenance' });
    assert.equal((await holds('new', 'lost')).code, 'NO_BACKEND');
  });

  test('none: the route is not sticky, or nothing names a session', async () => {
    await holds('none', 'plain');
    await holds('none', 'app');
    await holds('new', 'app', { cookie: `JSESSIONID=${KEY}` });
    await holds('bound', 'app', { cookie: `JSESSIONID=${KEY}` });
  });

  test('a key that the client brings: where it will be bound is known before it is', async () => {
    for (let i = 0; i < 8; i++) {
      const headers = { 'x-key': `${KEY}-${i}` };
      assert.equal((await explain('/keyed/x', headers)).certain, true);
      await holds('new', 'keyed', headers);
      await holds('bound', 'keyed', headers);
    }
  });

  test('returned: the backend that a session had to leave is back (34)', async () => {
    let cookie = '';
    while (cookie === '') {
      const answer = await ask(`${limpet.url}/back/first`);
      if (answer.backend === 'a') ({ cookie } = answer);
    }
    await admin.patch('back', 'a', { state: 'maintenance' });
    const moved = await holds('moved', 'back', { cookie });
    assert.equal(moved.backend, 'c');
    await admin.patch('back', 'a', { state: 'ready' });
    assert.equal((await holds('returned', 'back', { cookie: moved.cookie })).backend, 'a');
    await holds('bound', 'back', { cookie });
  });

  test('a rate limit is looked at, and no token taken', async () => {
    const { cookie } = await ask(`${limpet.url}/rate/first`);
    await holds('bound', 'rate', { cookie });
    await holds('bound', 'rate', { cookie });
    assert.equal((await holds('bound', 'rate', { cookie })).code, 'RATE_LIMITED');
  });

  test('a session that is bound to its agent, from another one', async () => {
    const agent = 'Mozilla/5.0 Firefox/150.0';
    const other = { 'user-agent': 'curl/8.0' };
    const rejected = await ask(`${limpet.url}/bound/first`, { headers: { 'user-agent': agent } });
    await holds('bound', 'bound', { cookie: rejected.cookie, 'user-agent': 'Mozilla/5.0 Firefox/151.0' });
    const said = await explain('/bound/x', { cookie: rejected.cookie, ...other });
    assert.deepEqual(
      [said.error, said.steps.find(({ step }) => step === 'session')?.outcome],
      ['BINDING_MISMATCH', 'mismatch'],
    );
    const refused = await ask(`${limpet.url}/bound/x`, { headers: { cookie: rejected.cookie, ...other } });
    assert.equal(refused.code, 'BINDING_MISMATCH');
    const renewed = await ask(`${limpet.url}/renew/first`, { headers: { 'user-agent': agent } });
    await holds('invalid', 'renew', { cookie: renewed.cookie, ...other });
    await holds('bound', 'renew', { cookie: renewed.cookie, 'user-agent': agent });
  });

  test('a request of another site, and one that does more than read', async () => {
    const foreign = { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' };
    assert.equal((await holds('none', 'csrf', foreign, limpet, 'POST')).code, 'CROSS_SITE');
    await holds('new', 'csrf', foreign);
    await holds('new', 'reads');
    const { code, status } = await ask(`${limpet.url}/reads/x`, { method: 'POST' });
    const said = await explain('/reads/x', {}, limpet, 'POST');
    assert.deepEqual([said.error, said.status], [code, status]);
  });

  test('requests of a half-duplex session that are under way are counted, and no turn is taken', async () => {
    const { cookie } = await ask(`${limpet.url}/turns/first`);
    await holds('bound', 'turns', { cookie });
    const held = Promise.withResolvers<void>();
    for (const backend of backends)
      backend.answer = (_request, response) => void held.promise.then(() => response.end('ok'));
    try {
      const slow = ask(`${limpet.url}/turns/slow`, { headers: { cookie } });
      const turn = await eventually(
        'the request',
        async () => {
          const { steps } = await explain('/turns/x', { cookie });
          return steps.find(({ step, outcome }) => step === 'dialog' && outcome === 'waits');
        },
        WAIT,
      );
      assert.match(turn.detail, /^It waits for 1 request /);
      held.resolve();
      await slow;
    } finally {
      held.resolve();
      for (const backend of backends) backend.answer = echo;
    }
    await holds('bound', 'turns', { cookie });
  });

  test('no route: why each of them does not match', async () => {
    const { route, pool, error, status, steps } = await explain('/nowhere');
    assert.deepEqual([route, pool, error, status], [null, null, 'NO_ROUTE', 404]);
    assert.match(
      steps[1]!.detail,
      /route 0 does not: the host is not other\.example; route 1 does not: the path is not \/plain; /,
    );
  });

  test('what cannot be a request is refused with what is wrong', async () => {
    for (const [question, status, says] of [
      [{}, 422, /url/],
      [{ url: 'ftp://x/' }, 400, /^url: .*http:\/\/host\/path/],
      [{ url: '/x', method: 'get' }, 400, /^method: /],
      [{ url: '/x', ip: 'somewhere' }, 400, /^ip: /],
      [{ url: '/x', headers: { 'a b': '1' } }, 400, /^headers: /],
      [{ url: '/x', headers: { a: `1\r\nb: ${KEY}` } }, 400, /^headers\.a: /],
      [{ url: '/x', headers: { 'content-length': 'many' } }, 400, /Content-Length/],
      [{ url: 'http://a b/' }, 400, /Host/],
      [{ url: '/x', header: {} }, 422, /header/],
      [{ url: '/x', headers: { a: 1 } }, 422, /headers/],
    ] as const) {
      const answer = await asked(limpet, question);
      const { detail } = JSON.parse(answer.body) as { detail: string };
      assert.equal(answer.status, status, answer.body);
      assert.match(detail, says);
      assert.ok(!answer.body.includes(KEY));
    }
  });

  test('the command line: steps in columns, one JSON document, the cookie never shown', async () => {
    const { cookie, backend } = await ask(`${limpet.url}/shop/first`);
    const args = ['explain', `${limpet.url}/shop/x`, '--cookie', cookie, '-H', 'X-One: 1', '-H', 'X-Two: 2'];
    const shown = await runLimpet([...args, '--admin', limpet.admin]);
    assert.deepEqual([shown.status, shown.stderr], [0, '']);
    assert.match(shown.stdout, /^STEP +OUTCOME +WHY\nrequest +GET +GET \/shop\/x for 127\.0\.0\.1/);
    assert.match(shown.stdout, new RegExp(`\\nbound: ${backend} of pool shop, session [\\w-]{22}\\n$`));
    assert.ok(!shown.stdout.includes(cookie.slice('limpet='.length)));
    const json = await runLimpet([...args, '--json', '--admin', limpet.admin]);
    assert.equal((JSON.parse(json.stdout) as Explanation).backend, backend);
    for (const [wrong, says] of [
      [['shop.example/x'], /^limpet: url: .*http:\/\/host\/path/],
      [['/x', '-H', 'no colon'], /^limpet: -H must be a header/],
      [['/x', '--cookie', 'alone'], /^limpet: --cookie must be/],
      [['/x', '--ip', '1.2.3'], /^limpet: ip: /],
    ] as const) {
      const { status, stderr } = await runLimpet(['explain', ...wrong, '--admin', limpet.admin]);
      assert.equal(status, 2, stderr);
      assert.match(stderr, says);
      assert.equal(stderr.split('\n').length, 2);
    }
  });
});

describe('X-Limpet-Explain', () => {
  const TOKEN = randomBytes(24).toString('hex');
  const backends = ['a', 'b'].map((id) => new HttpBackend(id));
  let directory: string;
  let limpet: LimpetProcess;

  before(async () => {
    for (const backend of backends) await backend.start();
    directory = await mkdtemp(join(tmpdir(), 'limpet-explain-'));
    await writeFile(join(directory, 'token'), `${TOKEN}\n`);
    const list = backends.map(({ id, url }) => `{ id: ${id}, url: "${url}" }`).join(', ');
    limpet = await startLimpetProcess(
      [
        'workers: 2',
        `admin: { bind: "127.0.0.1:0", tokenFile: ${join(directory, 'token')} }`,
        'routes: [{ match: { path: /shop }, pool: shop }, { match: { path: /token }, pool: token }]',
        'pools:',
        `  shop: { backends: [${list}] }`,
        `  token: { backends: [${list}], affinity: [{ by: token }, { by: cookie, name: other }] }`,
      ].join('\n'),
    );
  });

  after(async () => {
    await limpet.stop();
    await Promise.all(backends.map((backend) => backend.stop()));
    await rm(directory, { recursive: true });
  });

  const asking = { authorization: `Bearer ${TOKEN}`, 'x-limpet-explain': '1' };

  /** The fields of the last request that a backend got on this path. */
  function got(path: string): Record<string, unknown> {
    const seen = backends.flatMap((backend) => backend.seen).findLast((one) => one.path === path);
    assert.ok(seen);
    return seen.headers;
  }

  test('with the admin token: answered as usual, with the decision; the backend sees neither', async () => {
    const first = await ask(`${limpet.url}/shop/1`, { headers: asking });
    assert.equal(first.status, 200);
    const said = String(first.headers['x-limpet-explain']);
    assert.match(
      said,
      new RegExp(
        `^route=0; pool=shop; by=cookie; outcome=new; session=[\\w-]{22}; backend=${first.backend}; why="[ -~]+"$`,
      ),
    );
    assert.ok(!said.includes(first.cookie.slice('limpet='.length)));
    const second = await ask(`${limpet.url}/shop/2`, { headers: { ...asking, cookie: `a=1; ${first.cookie}` } });
    assert.match(String(second.headers['x-limpet-explain']), new RegExp(`outcome=bound; .*backend=${first.backend};`));
    const headers = got('/shop/2');
    assert.equal(headers.authorization, undefined);
    assert.equal(headers['x-limpet-explain'], undefined);
    assert.equal(headers.cookie, 'a=1');
    assert.ok(!limpet.log.some((line) => JSON.stringify(line).includes(TOKEN)));
  });

  test('a body still arrives, and the next request on the connection is one like any other', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    try {
      const one = await ask(`${limpet.url}/shop/body`, {
        method: 'POST',
        headers: asking,
        body: 'x'.repeat(50_000),
        agent,
      });
      assert.equal(one.status, 200);
      assert.match(String(one.headers['x-limpet-explain']), /outcome=new/);
      const two = await ask(`${limpet.url}/shop/next`, {
        headers: { authorization: 'Bearer of-the-application' },
        agent,
      });
      assert.equal(two.headers['x-limpet-explain'], undefined);
      assert.equal(got('/shop/next').authorization, 'Bearer of-the-application');
    } finally {
      agent.destroy();
    }
  });

  test('the admin token is no key of a session', async () => {
    const { headers } = await ask(`${limpet.url}/token/1`, { headers: asking });
    assert.match(String(headers['x-limpet-explain']), /pool=token; by=cookie; outcome=new;/);
    const app = await ask(`${limpet.url}/token/2`, { headers: { authorization: 'Bearer of-the-application' } });
    assert.equal(app.cookie, '', 'that of the application is');
  });

  test('an answer of limpet itself says it too', async () => {
    const { code, headers } = await ask(`${limpet.url}/nowhere`, { headers: asking });
    assert.equal(code, 'NO_ROUTE');
    assert.match(String(headers['x-limpet-explain']), /^route=none; outcome=none; error=NO_ROUTE; why="/);
  });

  test('another token, or none: no decision, the field is dropped, Authorization is left alone', async () => {
    const others = [`Bearer ${TOKEN.slice(1)}0`, `Bearer ${TOKEN}0`, 'Basic eDp5', ''];
    for (const [nth, authorization] of others.entries()) {
      const path = `/shop/other-${nth}`;
      const headers = { 'x-limpet-explain': '1', ...(authorization === '' ? {} : { authorization }) };
      const answer = await ask(limpet.url + path, { headers });
      assert.equal(answer.status, 200);
      assert.equal(answer.headers['x-limpet-explain'], undefined);
      assert.equal(got(path).authorization, authorization === '' ? undefined : authorization);
      assert.equal(got(path)['x-limpet-explain'], undefined);
    }
  });

  test('a backend cannot say it in its place', async () => {
    for (const backend of backends)
      backend.answer = (_request, response) => void response.setHeader('X-Limpet-Explain', 'made up').end('ok');
    assert.equal((await ask(`${limpet.url}/shop/4`)).headers['x-limpet-explain'], undefined);
    const { headers } = await ask(`${limpet.url}/shop/4`, { headers: asking });
    assert.match(String(headers['x-limpet-explain']), /^route=0; [^,]*$/);
  });
});
